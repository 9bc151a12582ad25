"""A run of photos becomes a bundle that answers as it was evaluated."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bundle import Bundle, load
from tests.models import tiny_model
from tests.training.evaluation.runs import lineage
from tests.training.loop.projects import COLOURS, photo_project
from training.config import load_config
from training.data import Data, load_data
from training.evaluation.measure import evaluate
from training.evaluation.record import read_evaluation
from training.export import ExportError, openvino_program
from training.export.trained import export_run, from_run
from training.networks import build
from training.run import Run

TEMPERATURE = 2.5


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that knows nothing, but is complete; its evaluation found a temperature."""
    directory = tmp_path_factory.mktemp("colours")
    changes = {"network": {"backbone": "torchvision/squeezenet1_1"}}
    config = load_config(str(photo_project(directory)), changes)
    data = _data(config)
    torch.manual_seed(0)
    built = build(config, len(data.classes), 0)
    with torch.no_grad():
        for parameter in built.head:  # As they are drawn, all answers are nearly the same.
            parameter.normal_(std=0.1)
    run = Run(directory / "run")
    run.write_config(config)
    assert built.mean is not None
    assert built.std is not None
    normalisation = {"mean": list(built.mean), "std": list(built.std), "feature_names": []}
    run.write_lineage(lineage(data.classes, data, name="colours", git_revision="abc", **normalisation))
    save_file(built.module.state_dict(), run.weights)
    evaluate(run, data).model_copy(update={"temperature": TEMPERATURE}).write(run.evaluation)
    return run


@pytest.fixture(scope="module")
def exported(run: Run) -> Bundle:
    # What int8 makes of random weights says nothing.
    return export_run(run, "1.0.0", run.root.parent / "bundle", lambda _: None, min_agreement=0).sealed


def _data(config: object) -> Data:
    return load_data(config)  # type: ignore[arg-type]


def test_the_logits_are_divided_by_the_temperature(run: Run, exported: Bundle) -> None:
    test = _data(run.config()).test
    pixels = test.batch(np.arange(len(test)))
    model = from_run(run, None, lambda _: None)
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (model.mean, model.std))
    with torch.inference_mode():
        logits = model.network((torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std)
    expected = torch.softmax(logits / TEMPERATURE, dim=1).numpy()
    assert np.abs(expected - torch.softmax(logits, dim=1).numpy()).max() > 0.01
    program = openvino_program.compiled(openvino_program.read(exported.path("openvino/fp32.xml")))
    assert np.abs(program(pixels) - expected).max() < 1e-4
    assert exported.manifest.metrics["temperature"] == TEMPERATURE


def test_int8_is_calibrated_with_what_was_trained_and_compared_on_the_test_split(run: Run, exported: Bundle) -> None:
    data = _data(run.config())
    samples = from_run(run, None, lambda _: None).samples
    assert samples is not None
    sides = {
        name: {items.prepared(index).tobytes() for index in range(len(items))}
        for name, items in {"train": data.train, "test": data.test}.items()
    }
    assert {item.tobytes() for item in samples.calibration} == sides["train"]
    assert {item.tobytes() for item in samples.evaluation} == sides["test"]
    int8 = exported.manifest.programs["openvino-int8"]
    assert int8.agreement.samples == len(data.test)
    assert exported.manifest.metrics["torch_fp32_test_accuracy"] == pytest.approx(
        exported.manifest.metrics["test_accuracy"], abs=1e-5
    )


def test_the_golden_set_holds_photos_of_the_test_split(exported: Bundle) -> None:
    inputs = {case.input for case in exported.golden().cases}
    assert inputs == {*(f"test-{number}.png" for number in range(len(COLOURS))), "checks.png", "gradient.png", "noise.png"}


def test_the_manifest_names_run_data_and_configuration(run: Run, exported: Bundle) -> None:
    manifest, known = exported.manifest, run.lineage()
    assert manifest.lineage is not None
    assert (manifest.lineage.run_id, manifest.lineage.git_revision) == (known.run_id, "abc")
    assert manifest.training_data.digest == known.data_digest
    assert manifest.name == "colours"
    assert set(manifest.programs) == set(read_evaluation(run).latency)


def test_the_same_run_gives_the_same_bundle(run: Run, exported: Bundle, tmp_path: Path) -> None:
    again = export_run(run, "1.0.0", tmp_path / "again", lambda _: None, min_agreement=0)
    assert again.sealed.digest == load(exported.root).digest


def test_a_temperature_has_to_be_above_zero() -> None:
    with pytest.raises(ExportError, match="the temperature is 0"):
        replace(tiny_model(), temperature=0.0).served()
