"""evaluation.json is read back only for the weights that it is about."""

import json
import re
from pathlib import Path

import pytest

from tests.training.evaluation.runs import data, finished
from training.evaluation.measure import evaluate
from training.evaluation.record import read_evaluation
from training.run import Run, RunError


@pytest.fixture(name="run")
def _run(tmp_path: Path, undrawn: None) -> Run:
    measured = data(["cat", "dog"])
    run = finished(tmp_path, measured)
    evaluate(run, measured)
    return run


def test_the_keys_that_others_read(run: Run) -> None:
    document = json.loads((run.evaluation / "evaluation.json").read_bytes())
    evaluation = read_evaluation(run)
    assert document["test_accuracy"] == document["test"]["accuracy"] == evaluation.test_accuracy
    assert document["validation_accuracy"] == evaluation.validation_accuracy
    assert document["temperature"] == evaluation.temperature
    assert set(document["expected_calibration_error"]) == {"before", "after"}
    assert set(document["per_class"][0]) == {"class", "precision", "recall", "f1", "support"}
    assert {"id", "truth", "answer", "confidence"} <= set(document["mistakes"][0])
    assert document["samples"] == 300
    assert len(document["confusion"]) == 2
    assert document["latency"] == {}


def test_without_an_evaluation_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=re.escape(f"is not evaluated: run `python -m training evaluate {tmp_path}`")):
        read_evaluation(Run(tmp_path))


def test_other_weights_than_those_measured_are_noticed(run: Run) -> None:
    content = bytearray(run.weights.read_bytes())
    content[-1] ^= 1
    run.weights.write_bytes(content)
    with pytest.raises(RunError, match=r"about other weights than those in model\.safetensors now"):
        read_evaluation(run)
    run.weights.unlink()
    with pytest.raises(RunError, match="training is not done"):
        read_evaluation(run)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda document: document.update(test_acuracy=1), "test_acuracy: Extra inputs"),
        (lambda document: document.pop("temperature"), "temperature: Field required"),
        (lambda document: document["test"].update(accuracy=1.2), "test.accuracy: Input should be less than or equal to 1"),
        (lambda document: document.update(format=2), "format: Input should be 1"),
    ],
)
def test_a_file_of_another_form_is_refused(run: Run, change: object, said: str) -> None:
    path = run.evaluation / "evaluation.json"
    document = json.loads(path.read_bytes())
    change(document)  # type: ignore[operator]
    path.write_text(json.dumps(document))
    with pytest.raises(RunError, match=re.escape(said)):
        read_evaluation(run)
    path.write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        read_evaluation(run)
