"""The model card's measured parts come from the evaluation, and names of classes stay names."""

from pathlib import Path

import pytest

from tests.training.evaluation.runs import CARD, data, finished, rows
from training.evaluation.card import card_metrics, card_texts
from training.evaluation.measure import evaluate

pytestmark = pytest.mark.usefixtures("undrawn")


def test_the_card_is_complete(tmp_path: Path) -> None:
    measured = data(["cat", "do|g*", "fox"])
    run = finished(tmp_path, measured)
    evaluation = evaluate(run, measured)
    card = card_texts(run.config(), run.lineage(), evaluation)
    assert (card.title, card.intended_use, card.out_of_scope) == (CARD["title"], CARD["intended_use"], CARD["out_of_scope"])
    assert card.details.startswith(CARD["details"])
    assert "train 50, validation 200, test 300" in card.details
    assert card.factors.startswith(CARD["factors"])
    worst = min(evaluation.per_class, key=lambda each: each.f1)
    assert f"{100 * worst.f1:.1f} %" in card.factors.splitlines()[-3]
    assert "| do\\|g\\* |" in card.factors
    assert f"Accuracy: {100 * evaluation.test_accuracy:.1f} % (95 % confidence interval" in card.evaluation
    assert f"temperature of {evaluation.temperature:g}" in card.evaluation
    assert measured.digest in card.evaluation
    assert card.limits.startswith(CARD["limits"])


def test_warnings_are_part_of_the_card(tmp_path: Path) -> None:
    measured = data(["cat", "dog"], validation=rows(2, 20, seed=2), test=rows(2, 30, seed=3))
    run = finished(tmp_path, measured)
    card = card_texts(run.config(), run.lineage(), evaluate(run, measured))
    assert "**Few items.** 30 items were measured" in card.limits
    assert "Not calibrated: the validation split has 20 items" in card.evaluation


def test_figures_for_the_manifest(tmp_path: Path) -> None:
    measured = data(list("abcdef"))
    evaluation = evaluate(finished(tmp_path, measured), measured)
    metrics = card_metrics(evaluation)
    assert metrics["test_accuracy"] == evaluation.test_accuracy
    assert metrics["temperature"] == evaluation.temperature
    assert metrics["test_top5_accuracy"] == evaluation.test.top5_accuracy
    assert metrics["test_accuracy_low"] < metrics["test_accuracy"] < metrics["test_accuracy_high"]
    assert all(isinstance(value, float) for value in metrics.values())
