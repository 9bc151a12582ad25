"""The smallest run, exported: right on flowers that it has not seen, and served as it was evaluated."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bundle import load
from bundle.golden import Answer, disagreements
from tests.bundles import iris_bundle, iris_run
from training.cli import main
from training.evaluation.record import read_evaluation
from training.export import openvino_program, torch_program
from training.run import Run


@pytest.mark.parametrize("name", ["openvino-fp32", "torch-fp32"])
def test_raw_rows_get_the_right_species(name: str) -> None:
    bundle = load(iris_bundle())
    path = bundle.path(bundle.manifest.programs[name].path)
    predict = torch_program.predictor(path) if name == "torch-fp32" else openvino_program.compiled(openvino_program.read(path))
    rows = np.array([[5.1, 3.5, 1.4, 0.2], [6.0, 2.8, 4.3, 1.3], [6.9, 3.1, 5.8, 2.2]], np.float32)
    answers = predict(rows)
    assert [bundle.manifest.classes[index] for index in answers.argmax(axis=1)] == ["setosa", "versicolor", "virginica"]
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_the_manifest_says_what_was_evaluated() -> None:
    manifest = load(iris_bundle()).manifest
    evaluation = read_evaluation(Run(iris_run()))
    assert manifest.metrics["test_accuracy"] == evaluation.test_accuracy >= 0.95
    assert manifest.metrics["openvino_fp32_test_accuracy"] == pytest.approx(evaluation.test_accuracy, abs=1e-6)
    assert manifest.metrics["temperature"] == evaluation.temperature
    assert manifest.metrics["expected_calibration_error"] == evaluation.expected_calibration_error.after
    assert manifest.input.kind == "features"
    assert len(manifest.input.names) == 4
    assert set(manifest.programs) == {"openvino-fp32", "torch-fp32"}


def test_the_manifest_says_where_the_model_comes_from() -> None:
    manifest = load(iris_bundle()).manifest
    lineage = Run(iris_run()).lineage()
    assert manifest.lineage is not None
    assert (manifest.lineage.run_id, manifest.lineage.seed) == (lineage.run_id, lineage.seed)
    assert manifest.training_data.digest == lineage.data_digest
    assert manifest.source.sha256 == read_evaluation(Run(iris_run())).weights_sha256


def test_the_golden_rows_are_answered_as_recorded() -> None:
    bundle = load(iris_bundle())
    predict = torch_program.predictor(bundle.path(bundle.manifest.programs["torch-fp32"].path))
    for case in bundle.golden().cases:
        features = json.loads(bundle.path(f"golden/{case.input}").read_text())["features"]
        answer = predict(np.array([features], np.float32))[0]
        answered = [Answer(class_id=index, confidence=float(value)) for index, value in enumerate(answer)]
        assert disagreements(case.top, answered, 1e-4) == []


def test_exporting_the_run_again_gives_the_same_bundle_and_latency_is_recorded(tmp_path: Path) -> None:
    run = Run(Path(shutil.copytree(iris_run(), tmp_path / "run")))
    before = read_evaluation(run).latency
    assert set(before) == {"openvino-fp32", "torch-fp32"}
    assert [name for name, figures in before.items() if figures["chosen"]] == [load(iris_bundle()).manifest.program]
    arguments = ["export", str(run.root), "--version", "1.0.0", "--output", str(tmp_path / "again")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == load(iris_bundle()).digest
    assert "openvino-fp32" in (run.evaluation / "report.html").read_text()


def _refusal(*arguments: object) -> str:
    result = CliRunner().invoke(main, ["export", *map(str, arguments)])
    assert result.exit_code == 1, result.output
    return str(result.stderr)


def test_what_cannot_be_exported_is_explained(tmp_path: Path) -> None:
    target = ("--version", "1.0.0", "--output", tmp_path / "bundle")
    assert "is neither the directory of a run nor efficientnet-lite0" in _refusal("iris", *target)
    assert "are for the packaged model" in _refusal(iris_run(), *target, "--images", tmp_path)
    assert "--data is for runs" in _refusal("efficientnet-lite0", *target, "--data", tmp_path)
    assert "holds no training run" in _refusal(tmp_path, *target)
    run = Run(Path(shutil.copytree(iris_run(), tmp_path / "run")))
    run.weights.unlink()
    assert "is not done" in _refusal(run.root, *target)
    other = tmp_path / "other.csv"
    rows = [f"{1 + index % 7},{2 + index % 5},{index % 11},{index},{'ab'[index % 2]}" for index in range(60)]
    other.write_text("\n".join(["a,b,c,d,species", *rows]) + "\n")
    assert "is not what the run was trained with" in _refusal(iris_run(), *target, "--data", other)
    assert not (tmp_path / "bundle").exists()
