"""The model of features: trained the same every time, right on flowers it has not seen, and served as exported."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from bundle import load
from bundle.golden import Answer, disagreements
from tests.bundles import iris_bundle
from training import iris
from training.cli import main
from training.export import openvino_program, torch_program


@pytest.mark.parametrize("name", ["openvino-fp32", "torch-fp32"])
def test_raw_rows_get_the_right_species(name: str) -> None:
    bundle = load(iris_bundle())
    path = bundle.path(bundle.manifest.programs[name].path)
    predict = (
        torch_program.predictor(path)
        if name == "torch-fp32"
        else openvino_program.compiled(openvino_program.read(path))
    )
    rows = np.array([[5.1, 3.5, 1.4, 0.2], [6.0, 2.8, 4.3, 1.3], [6.9, 3.1, 5.8, 2.2]], np.float32)
    answers = predict(rows)
    assert [bundle.manifest.classes[index] for index in answers.argmax(axis=1)] == ["setosa", "versicolor", "virginica"]
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_the_manifest_says_what_was_measured() -> None:
    manifest = load(iris_bundle()).manifest
    assert manifest.metrics["test_accuracy"] >= 0.95
    assert manifest.input.kind == "features"
    assert len(manifest.input.names) == 4
    assert set(manifest.programs) == {"openvino-fp32", "torch-fp32"}
    assert manifest.training_data.digest is not None


def test_the_golden_rows_are_answered_as_recorded() -> None:
    bundle = load(iris_bundle())
    predict = torch_program.predictor(bundle.path(bundle.manifest.programs["torch-fp32"].path))
    for case in bundle.golden().cases:
        features = json.loads(bundle.path(f"golden/{case.input}").read_text())["features"]
        answer = predict(np.array([features], np.float32))[0]
        answered = [Answer(class_id=index, confidence=float(value)) for index, value in enumerate(answer)]
        assert disagreements(case.top, answered, 1e-4) == []


def test_training_again_gives_the_same_network() -> None:
    first, second = iris.train(), iris.train()
    assert first.test_accuracy == second.test_accuracy
    for one, other in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert one.equal(other)


def test_photos_are_of_no_use_to_it(tmp_path: object) -> None:
    arguments = ["export", "iris", "--version", "1.0.0", "--output", f"{tmp_path}/bundle", "--images", f"{tmp_path}"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "takes rows of features" in result.stderr
