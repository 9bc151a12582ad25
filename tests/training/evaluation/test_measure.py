"""A run is measured on items that it was not trained with, and what is written is about exactly that run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.evaluation.runs import answers, data, finished, rows
from training.data.items import Rows
from training.evaluation.measure import OtherData, evaluate, evaluate_other
from training.evaluation.record import read_evaluation
from training.run import Run, RunError

pytestmark = pytest.mark.usefixtures("undrawn")
CLASSES = ["cat", "dog", "fox"]


def test_what_is_written_is_what_was_measured(tmp_path: Path) -> None:
    measured = data(CLASSES)
    run = finished(tmp_path, measured)
    evaluation = evaluate(run, measured)

    logits, labels = answers(3, 300, seed=3)
    right = logits.argmax(axis=1) == labels
    assert evaluation.test_accuracy == pytest.approx(right.mean(), abs=1e-6)
    assert evaluation.samples == 300 == sum(map(sum, evaluation.confusion))
    assert sum(evaluation.confusion[i][i] for i in range(3)) == right.sum()
    assert [each.support for each in evaluation.per_class] == np.bincount(labels).tolist()
    assert evaluation.validation.samples == 200
    assert evaluation.temperature != 1
    assert read_evaluation(run) == evaluation


def test_the_worst_mistakes_come_first_with_their_numbers(tmp_path: Path) -> None:
    measured = data(CLASSES)
    evaluation = evaluate(finished(tmp_path, measured), measured)
    logits, labels = answers(3, 300, seed=3)
    wrong = np.flatnonzero(logits.argmax(axis=1) != labels)
    confidence = np.exp(logits.max(axis=1) / evaluation.temperature) / np.exp(logits / evaluation.temperature).sum(axis=1)
    expected = wrong[np.argsort(-confidence[wrong])][:25]
    assert len(wrong) < 25 or len(evaluation.mistakes) == 25
    assert [each.id for each in evaluation.mistakes] == [f"row 3-{index}" for index in expected]
    first = evaluation.mistakes[0]
    assert (first.truth, first.answer) == (CLASSES[labels[expected[0]]], CLASSES[int(logits[expected[0]].argmax())])
    assert first.features == pytest.approx(logits[expected[0]].tolist(), rel=1e-5)
    assert first.confidence == pytest.approx(confidence[expected[0]], abs=1e-5)


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    measured = data(CLASSES)
    runs = [finished(tmp_path / name, measured) for name in "ab"]
    evaluate(runs[0], measured, batch_size=64)
    evaluate(runs[1], measured, batch_size=7)
    for name in ("evaluation.json", "report.html"):
        assert (runs[0].evaluation / name).read_bytes() == (runs[1].evaluation / name).read_bytes()


def test_the_normalisation_is_that_of_the_training(tmp_path: Path) -> None:
    measured = data(CLASSES)
    logits, labels = answers(3, 300, seed=3)
    shifted = Rows(logits * np.float32(4) + np.float32(2), labels, measured.test.ids)
    plain = evaluate(finished(tmp_path / "plain", measured), measured)
    moved = replace(measured, test=shifted)
    scaled = evaluate(finished(tmp_path / "scaled", moved, mean=[2.0] * 3, std=[4.0] * 3), moved)
    assert scaled.test.negative_log_likelihood.before == pytest.approx(plain.test.negative_log_likelihood.before, rel=1e-4)


def test_progress_is_told_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    measured = data(CLASSES)
    evaluate(finished(tmp_path, measured), measured, batch_size=150, progress=lambda *step: told.append(step))
    assert told == [("validation", 150, 200), ("validation", 200, 200), ("test", 150, 300), ("test", 300, 300)]


def test_too_few_items_for_calibration(tmp_path: Path) -> None:
    measured = data(CLASSES, validation=rows(3, 40, seed=2))
    evaluation = evaluate(finished(tmp_path, measured), measured)
    assert evaluation.temperature == 1
    assert "40 items" in evaluation.temperature_note
    assert "Not calibrated" in (tmp_path / "evaluation/report.html").read_text()


def test_a_run_that_is_not_done_is_refused(tmp_path: Path) -> None:
    measured = data(CLASSES)
    with pytest.raises(RunError, match="is not done"):
        evaluate(finished(tmp_path, measured, status="training"), measured)


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"run\.json is missing"):
        evaluate(Run(tmp_path), data(CLASSES))


def test_data_of_another_digest_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    run = finished(tmp_path, data(CLASSES))
    with pytest.raises(RunError, match=r"is not what the run was trained with .* name other data by --data"):
        evaluate(run, data(CLASSES, digest="sha256:" + "00" * 32))
    assert not run.evaluation.exists()


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    measured = data(CLASSES)
    run, other = finished(tmp_path / "run", measured), finished(tmp_path / "other", data([*CLASSES, "owl"]))
    run.weights.write_bytes(other.weights.read_bytes())
    with pytest.raises(RunError, match=r"does not fit the network of config\.yml"):
        evaluate(run, measured)
    run.weights.write_bytes(b"not safetensors")
    with pytest.raises(RunError, match="does not fit"):
        evaluate(run, measured)


def test_another_test_set_is_measured_whole_and_beside_the_runs_own_evaluation(tmp_path: Path) -> None:
    measured = data(CLASSES)
    run = finished(tmp_path, measured)
    own = evaluate(run, measured)
    before = (run.evaluation / "evaluation.json").read_bytes()

    # Two of the three classes, in another order.
    logits, labels = answers(2, 80, seed=9)
    part = Rows(np.hstack([logits, np.zeros_like(logits[:, :1])])[:, [1, 0, 2]], labels, [f"new {i}" for i in range(80)])
    other = OtherData(part, ["dog", "cat"], "sha256:" + "ab" * 32, measured.feature_names)
    found, directory = evaluate_other(run, other)
    assert found.other_test_set
    assert found.samples == 80
    assert found.test_accuracy == pytest.approx((logits.argmax(axis=1) == labels).mean(), abs=1e-6)
    assert [each.support for each in found.per_class] == [int((labels == 1).sum()), int((labels == 0).sum()), 0]
    assert found.temperature == own.temperature
    assert directory == run.evaluation / "other-abababababab"
    report = (directory / "report.html").read_text()
    assert "Another test set" in report
    assert "80 rows of another test set" in report
    assert (run.evaluation / "evaluation.json").read_bytes() == before
    assert read_evaluation(run) == own


def test_another_test_set_needs_the_runs_own_evaluation_and_known_classes(tmp_path: Path) -> None:
    measured = data(CLASSES)
    run = finished(tmp_path, measured)
    other = OtherData(measured.test, CLASSES, "sha256:" + "ab" * 32, measured.feature_names)
    with pytest.raises(RunError, match="is not evaluated: run `python -m training evaluate"):
        evaluate_other(run, other)
    evaluate(run, measured)
    with pytest.raises(RunError, match="the run knows no class owl; it knows cat, dog, fox"):
        evaluate_other(run, replace(other, classes=["cat", "dog", "owl"]))
    with pytest.raises(RunError, match="features are"):
        evaluate_other(run, replace(other, feature_names=["a", "b", "c"]))
