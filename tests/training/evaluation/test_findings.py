"""What a person should look at is said in words; a good evaluation is left in peace."""

import pytest

from tests.training.evaluation.runs import data, finished
from training.evaluation.findings import findings
from training.evaluation.measure import evaluate
from training.evaluation.record import Calibrated, Evaluation

HISTORY = [{"epoch": 1, "train_accuracy": 0.99}, {"epoch": 2, "train_accuracy": 0.91}]


@pytest.fixture(name="good", scope="module")
def _good(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    measured = data(["cat", "dog", "fox"])
    found = evaluate(finished(tmp_path_factory.mktemp("run"), measured), measured)
    error = Calibrated(before=0.05, after=0.02)
    return found.model_copy(update={"test": found.test.model_copy(update={"expected_calibration_error": error})})


def _with_test(good: Evaluation, **changes: object) -> Evaluation:
    return good.model_copy(update={"test": good.test.model_copy(update=changes)})


def _titles(evaluation: Evaluation, best_epoch: int = 2) -> list[str]:
    return [each.title for each in findings(evaluation, HISTORY, best_epoch)]


def test_nothing_stands_out(good: Evaluation) -> None:
    assert _titles(good) == []


def test_few_items_and_a_wide_interval(good: Evaluation) -> None:
    few = _with_test(good, samples=99, accuracy_interval=(0.82, 0.93))
    assert _titles(few) == ["Few items", "The accuracy is not known well"]
    assert "from 82.0 % to 93.0 %" in findings(few, HISTORY, 2)[1].text


def test_no_better_than_the_largest_class(good: Evaluation) -> None:
    text = findings(_with_test(good, majority_accuracy=0.95, majority_class="cat"), HISTORY, 2)[0].text
    assert text.startswith("Always answering cat would be right for 95.0 %")


def test_a_class_that_is_missed_is_named(good: Evaluation) -> None:
    cat = good.per_class[0].model_copy(update={"recall": 0.49, "support": 80})
    text = findings(good.model_copy(update={"per_class": [cat, *good.per_class[1:]]}), HISTORY, 2)[0].text
    assert "cat (49.0 % of 80)" in text
    many = good.model_copy(update={"per_class": [cat] * 20})
    assert findings(many, HISTORY, 2)[0].text.endswith("and 12 more.")


def test_a_class_with_few_items_is_named_and_is_not_called_missed(good: Evaluation) -> None:
    cat = good.per_class[0].model_copy(update={"recall": 0.0, "support": 0})
    found = findings(good.model_copy(update={"per_class": [cat, *good.per_class[1:]]}), HISTORY, 2)
    assert [each.title for each in found] == ["Classes with few items"]


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (Calibrated(before=0.2, after=0.11), "Confidences cannot be taken at their word"),
        (Calibrated(before=0.03, after=0.05), "Calibration did not carry over"),
    ],
)
def test_confidences_that_do_not_hold(good: Evaluation, error: Calibrated, title: str) -> None:
    assert _titles(_with_test(good, expected_calibration_error=error)) == [title]


def test_a_network_that_knows_its_training_items_by_heart(good: Evaluation) -> None:
    learned = good.model_copy(update={"validation": good.validation.model_copy(update={"accuracy": 0.85})})
    assert _titles(learned, best_epoch=1) == ["Overfitted"]
    assert _titles(learned, best_epoch=2) == []


def test_validation_and_test_that_differ_by_more_than_chance(good: Evaluation) -> None:
    apart = good.model_copy(update={"validation": good.validation.model_copy(update={"accuracy_interval": (0.97, 0.99)})})
    assert _titles(apart) == ["Validation and test disagree"]
