"""The texts of a model card from a project's words and a run's figures.

The form is that of Mitchell et al., "Model Cards for Model Reporting" (2019): factors (4.3), metrics (4.4), evaluation data
(4.5), quantitative analyses (4.7), and caveats (4.9).
"""

from training.config import ProjectConfig
from training.evaluation.findings import findings, percent
from training.evaluation.record import ClassFigures, Evaluation
from training.export.model_card import ModelCard
from training.run import Lineage

_WORST = 5


def card_texts(config: ProjectConfig, lineage: Lineage, evaluation: Evaluation) -> ModelCard:
    """Return the card: what people wrote in the configuration, completed by what was measured. The texts are Markdown."""
    card = config.card
    return ModelCard(
        title=card.title,
        details=f"{card.details}\n\n{_details(config, lineage)}",
        intended_use=card.intended_use,
        out_of_scope=card.out_of_scope,
        factors=f"{card.factors}\n\n{_factors(evaluation)}",
        evaluation=_evaluation(evaluation),
        limits=f"{card.limits}\n\n{_caveats(lineage, evaluation)}",
    )


def card_metrics(evaluation: Evaluation) -> dict[str, float]:
    """Return the figures that go into a bundle's manifest, and through it into the card's table."""
    test, error = evaluation.test, evaluation.expected_calibration_error
    low, high = test.accuracy_interval
    metrics = {
        "test_accuracy": test.accuracy,
        "test_accuracy_low": low,
        "test_accuracy_high": high,
        "test_samples": float(test.samples),
        "test_macro_f1": test.macro_f1,
        "validation_accuracy": evaluation.validation_accuracy,
        "majority_accuracy": test.majority_accuracy,
        "negative_log_likelihood": test.negative_log_likelihood.after,
        "expected_calibration_error": error.after,
        "expected_calibration_error_uncalibrated": error.before,
        "temperature": evaluation.temperature,
    }
    return metrics if test.top5_accuracy is None else {**metrics, "test_top5_accuracy": test.top5_accuracy}


def _details(config: ProjectConfig, lineage: Lineage) -> str:
    chosen = config.training
    items = ", ".join(f"{split} {count:,}" for split, count in lineage.data_items.items())
    return "\n".join(
        (
            f"- Network: `{config.network.backbone}`, {'pretrained' if config.network.pretrained else 'trained from scratch'}",
            f"- Trained: {lineage.finished[:10]}, up to {chosen.epochs} epochs of batches of {chosen.batch_size},"
            f" seed {lineage.seed}; the weights are those of epoch {lineage.best_epoch}, with the lowest validation loss",
            f"- Items: {items}",
            f"- Run: `{lineage.run_id}`, code `{lineage.code_revision}`",
        )
    )


def _factors(evaluation: Evaluation) -> str:
    """Name the classes that the model does worst on."""
    occurring = [each for each in evaluation.per_class if each.support]
    worst = sorted(occurring, key=lambda each: (each.f1, each.name))[:_WORST]
    return f"What matters most is the class. The lowest F1 on the test split:\n\n{_class_table(worst)}"


def _evaluation(evaluation: Evaluation) -> str:
    test, error = evaluation.test, evaluation.expected_calibration_error
    low, high = test.accuracy_interval
    five = "" if test.top5_accuracy is None else f", {percent(test.top5_accuracy)} with the right class among the first five"
    lines = [
        f"{test.samples:,} items of the test split, none of which was trained or validated with; data"
        f" `{evaluation.data_digest}`.",
        f"- Accuracy: {percent(test.accuracy)} (95 % confidence interval {percent(low)} to {percent(high)}){five}",
        f"- Always answering {_quoted(test.majority_class)}, the largest class: {percent(test.majority_accuracy)}",
        f"- Mean recall of the classes: {percent(test.balanced_accuracy)}; mean F1: {percent(test.macro_f1)}",
        f"- Accuracy on the {evaluation.validation.samples:,} items of the validation split, by which the epoch was chosen:"
        f" {percent(evaluation.validation_accuracy)}",
    ]
    if evaluation.temperature_note:
        lines.append(f"- Not calibrated: {evaluation.temperature_note}; expected calibration error {percent(error.after)}")
    else:
        lines.append(
            f"- Confidences are calibrated by a temperature of {evaluation.temperature:g}, fitted on the validation split:"
            f" expected calibration error {percent(error.before)} before, {percent(error.after)} after (15 bins)"
        )
    return f"{lines[0]}\n\n" + "\n".join(lines[1:])


def _caveats(lineage: Lineage, evaluation: Evaluation) -> str:
    found = findings(evaluation, [], lineage.best_epoch)
    if not found:
        return "The evaluation found nothing that stands out."
    return "The evaluation found:\n\n" + "\n".join(f"- **{each.title}.** {_plain(each.text)}" for each in found)


def _class_table(classes: list[ClassFigures]) -> str:
    rows = [
        f"| {_plain(each.name)} | {percent(each.precision)} | {percent(each.recall)} | {percent(each.f1)} | {each.support} |"
        for each in classes
    ]
    return "\n".join(("| class | precision | recall | F1 | items |", "|---|---|---|---|---|", *rows))


def _quoted(name: str) -> str:
    return f"“{_plain(name)}”"


def _plain(text: str) -> str:
    """Escape what Markdown would take for markup: class names are whatever folders are called."""
    for character in "\\`*_[]<>|#&":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
