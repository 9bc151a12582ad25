"""Figures against ones worked out by hand or by another definition."""

import numpy as np
import pytest

from tests.training.evaluation.runs import answers
from training.evaluation.figures import (
    accuracy_interval,
    calibration_error,
    class_figures,
    fit_temperature,
    likelihood_loss,
    probabilities,
    reliability,
    split_figures,
)


def _calibrated(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is the very chance by which the labels were drawn."""
    random = np.random.default_rng(4)
    logits = random.normal(0, 2, (count, 5))
    drawn = (probabilities(logits, 1).cumsum(axis=1) < random.random((count, 1))).sum(axis=1)
    return logits, np.minimum(drawn, 4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    logits, labels = _calibrated(20_000)
    found, note = fit_temperature(logits * temperature, labels)
    assert found == pytest.approx(temperature, rel=0.03)
    assert note == ""


def test_the_temperature_is_the_best_one() -> None:
    logits, labels = _calibrated(500)
    found, _ = fit_temperature(logits * 3, labels)
    losses = [likelihood_loss(logits * 3 / each, labels) for each in (found, 0.98 * found, 1.02 * found)]
    assert min(losses) == losses[0]


def test_few_items_are_not_calibrated_with() -> None:
    logits, labels = _calibrated(99)
    assert fit_temperature(logits, labels)[0] == 1
    assert "has 99 items, and calibration takes 100 or more" in fit_temperature(logits, labels)[1]


def test_without_a_mistake_no_confidence_is_too_high() -> None:
    logits, _ = _calibrated(200)
    temperature, note = fit_temperature(logits, logits.argmax(axis=1))
    assert temperature == 1
    assert "every answer on the validation split is right" in note


def test_answers_that_mean_nothing_have_no_temperature() -> None:
    logits, _ = _calibrated(200)
    temperature, note = fit_temperature(logits, logits.argmin(axis=1))
    assert temperature == 1
    assert "no temperature" in note


def test_calibration_error_by_hand() -> None:
    # Two items of confidence 0.9, one right; two of 0.6, both right: (2 x 0.4 + 2 x 0.4) / 4.
    chances = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    bins = reliability(chances, np.array([0, 1, 0, 1]))
    assert calibration_error(bins) == pytest.approx(0.4)
    assert [(each.count, each.accuracy) for each in bins if each.count] == [(2, 1.0), (2, 0.5)]


def test_a_confidence_on_a_border_belongs_below_and_certainty_to_the_last() -> None:
    bins = reliability(np.array([[0.8, 0.2], [1.0, 0.0]]), np.array([0, 0]))
    assert len(bins) == 15
    assert (bins[11].count, bins[12].count, bins[14].count) == (1, 0, 1)


def test_wilsons_interval() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3: 15 of 148.
    assert accuracy_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert accuracy_interval(30, 30)[0] == pytest.approx(0.8865, abs=5e-5)
    assert accuracy_interval(30, 30)[1] == 1


def test_classes_one_by_one() -> None:
    labels, answered = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0, 0])
    cat, dog, fox, owl = class_figures(answered, labels, ["cat", "dog", "fox", "owl"])
    assert (cat.precision, cat.recall, cat.f1, cat.support) == (0.5, pytest.approx(2 / 3, abs=1e-6), 0.571429, 3)
    assert (dog.precision, dog.recall, dog.support) == (0.5, 0.5, 2)
    # Never answered, and never there.
    assert (fox.precision, fox.recall, fox.support) == (0, 0, 1)
    assert (owl.precision, owl.recall, owl.support) == (0, 0, 0)


def test_figures_of_a_split() -> None:
    logits, labels = answers(7, 400)
    classes = class_figures(logits.argmax(axis=1), labels, list("abcdefg"))
    figures = split_figures(logits.astype(np.float64), labels, 1.0, classes)
    ranks = (logits > logits[np.arange(400), labels][:, None]).sum(axis=1)
    assert figures.accuracy == pytest.approx((ranks == 0).mean())
    assert figures.top5_accuracy == pytest.approx((ranks < 5).mean())
    assert figures.majority_accuracy == np.bincount(labels).max() / 400
    assert figures.majority_class == "abcdefg"[np.bincount(labels).argmax()]
    assert figures.expected_calibration_error.before == figures.expected_calibration_error.after


def test_a_class_that_never_occurs_counts_in_no_mean_and_few_classes_have_no_first_five() -> None:
    logits, labels = np.array([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]]), np.array([0, 0])
    figures = split_figures(logits, labels, 1.0, class_figures(logits.argmax(axis=1), labels, ["a", "b", "c"]))
    assert (figures.balanced_accuracy, figures.macro_f1, figures.top5_accuracy) == (1, 1, None)
