"""What a person should look at before this model goes anywhere, in words."""

from dataclasses import dataclass
from typing import Any

from training.evaluation.record import Evaluation

MIN_ITEMS = 100
MIN_CLASS_ITEMS = 10
LOW_RECALL = 0.5
WIDE_INTERVAL = 0.1
HIGH_ERROR = 0.1
WIDE_GAP = 0.1
# Items of the test split that one warning may name.
_NAMED = 8


@dataclass(frozen=True)
class Finding:
    """One warning: what is the matter, and what it means."""

    title: str
    text: str


def findings(evaluation: Evaluation, history: list[dict[str, Any]], best_epoch: int) -> list[Finding]:
    """Return what stands out, the gravest first; empty where nothing does."""
    return [
        *_other(evaluation),
        *_accuracy(evaluation),
        *_classes(evaluation),
        *_confidence(evaluation),
        *_gaps(evaluation, history, best_epoch),
    ]


def percent(share: float) -> str:
    """Write a share as people read it: 91.3 %."""
    return f"{100 * share:.1f} %"


def _other(evaluation: Evaluation) -> list[Finding]:
    if not evaluation.other_test_set:
        return []
    text = (
        "This is not the data that the run was trained with. Every item of it was measured, and nothing shows that none"
        " of them was among the photos or rows of the training. The temperature is that of the run's own evaluation."
    )
    return [Finding("Another test set", text)]


def _accuracy(evaluation: Evaluation) -> list[Finding]:
    found, test = [], evaluation.test
    low, high = test.accuracy_interval
    if low <= test.majority_accuracy:
        text = (
            f"Always answering {test.majority_class} would be right for {percent(test.majority_accuracy)}, which this model"
            f" ({percent(low)} to {percent(high)}) does not surely beat."
        )
        found.append(Finding("Hardly better than one answer for everything", text))
    if test.samples < MIN_ITEMS:
        text = f"{test.samples} items were measured. With fewer than {MIN_ITEMS}, each one moves every figure here."
        found.append(Finding("Few items", text))
    if high - low > WIDE_INTERVAL:
        text = (
            f"The true accuracy may well be anywhere from {percent(low)} to {percent(high)}. More test items narrow that;"
            " training longer does not."
        )
        found.append(Finding("The accuracy is not known well", text))
    return found


def _classes(evaluation: Evaluation) -> list[Finding]:
    found = []
    missed = [each for each in evaluation.per_class if each.support and each.recall < LOW_RECALL]
    if missed:
        missed.sort(key=lambda each: (each.recall - 1) * each.support)
        names = [f"{each.name} ({percent(each.recall)} of {each.support})" for each in missed]
        found.append(Finding("More than half of a class is missed", f"Found too rarely: {_listed(names)}."))
    scarce = [each for each in evaluation.per_class if each.support < MIN_CLASS_ITEMS]
    if scarce and evaluation.test.samples >= MIN_ITEMS:
        scarce.sort(key=lambda each: each.support)
        names = [f"{each.name} ({each.support})" for each in scarce]
        text = f"Fewer than {MIN_CLASS_ITEMS} test items say little about: {_listed(names)}."
        found.append(Finding("Classes with few items", text))
    return found


def _confidence(evaluation: Evaluation) -> list[Finding]:
    found, error = [], evaluation.expected_calibration_error
    if evaluation.temperature_note:
        text = f"The confidences are the network's own: {evaluation.temperature_note}."
        found.append(Finding("Not calibrated", text))
    if error.after > HIGH_ERROR:
        text = (
            f"On average a confidence is {percent(error.after)} away from how often such answers are right. A threshold on"
            " it will not do what its number says."
        )
        found.append(Finding("Confidences cannot be taken at their word", text))
    elif error.after > 1.1 * error.before and error.after - error.before > 0.01:
        text = f"The temperature made the error larger: {percent(error.before)} before, {percent(error.after)} after."
        found.append(Finding("Calibration did not carry over", text))
    return found


def _gaps(evaluation: Evaluation, history: list[dict[str, Any]], best_epoch: int) -> list[Finding]:
    found = []
    best = next((line for line in history if line.get("epoch") == best_epoch), {})
    train = best.get("train_accuracy")
    if train is not None and train - evaluation.validation_accuracy > WIDE_GAP:
        text = (
            f"{percent(train)} of the training items are right, and {percent(evaluation.validation_accuracy)} of the"
            " validation items: the network has learned its training items by heart. More data, augmentation, dropout or"
            " weight decay help."
        )
        found.append(Finding("Overfitted", text))
    low, high = evaluation.test.accuracy_interval
    apart = evaluation.validation.accuracy_interval
    if low > apart[1] or high < apart[0]:
        text = (
            f"{percent(evaluation.validation_accuracy)} on the validation items and {percent(evaluation.test_accuracy)} on"
            " these: chance does not explain it, so the two differ in kind."
        )
        found.append(Finding("Validation and test disagree", text))
    return found


def _listed(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
