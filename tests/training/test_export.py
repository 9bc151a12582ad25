"""Exports are deterministic, complete, checked, and do not tell where they were made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

from bundle import load
from tests.bundles import REPOSITORY, efficientnet_bundle, export_tiny, tiny_bundle
from training.cli import main
from training.efficientnet import class_names, network
from training.export import ExportError, torch_program


def _files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_same_export_has_the_same_bytes(tmp_path: Path) -> None:
    export_tiny(tmp_path / "again")
    assert _files(tmp_path / "again") == _files(tiny_bundle())


def test_no_file_names_the_machine_that_made_it() -> None:
    for root in (tiny_bundle(), efficientnet_bundle()):
        for name, content in _files(root).items():
            for place in (str(REPOSITORY), "site-packages", str(Path.home())):
                assert place.encode() not in content, f"{name} names {place}"


def test_a_backend_that_disagrees_with_the_reference_stops_the_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_program, "predictor", lambda path: lambda batch: torch.rand(len(batch), 6).numpy())
    with pytest.raises(ExportError, match="torch-fp32 differs from the reference"):
        export_tiny(tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_directory_is_not_overwritten(tmp_path: Path) -> None:
    arguments = ["export", "efficientnet-lite0", "--version", "1.0.0", "--output", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "exists already" in result.stderr


def test_a_version_must_be_a_version(tmp_path: Path) -> None:
    arguments = ["export", "efficientnet-lite0", "--version", "latest", "--output", str(tmp_path / "bundle")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "'latest' is no version" in result.stderr


def test_the_pretrained_model_is_what_its_package_ships() -> None:
    bundle = load(efficientnet_bundle())
    manifest = bundle.manifest
    state = network().state_dict()
    with safe_open(bundle.path(manifest.weights), framework="pt") as weights:
        assert set(weights.keys()) == set(state)
        assert all(torch.equal(weights.get_tensor(name), tensor) for name, tensor in state.items())
    assert manifest.chosen.backend == "openvino"
    assert manifest.programs["openvino-fp32"].agreement.max_abs_difference < 1e-4
    assert manifest.programs["openvino-int8"].agreement.samples >= 200
    assert set(manifest.library_versions) == {"nncf", "numpy", "openvino", "pillow", "safetensors", "torch"}
    card = bundle.path("MODEL_CARD.md").read_text()
    for heading in ("Model details", "Intended use", "Metrics", "Training data", "Apache-2.0"):
        assert heading in card


def test_the_golden_cat_is_a_cat() -> None:
    bundle = load(efficientnet_bundle())
    case = next(case for case in bundle.golden().cases if case.input == "cat.jpg")
    assert {bundle.manifest.classes[answer.class_id] for answer in case.top[:3]} == {"Egyptian cat", "tiger cat", "tabby"}


def test_class_names_are_for_people() -> None:
    names = class_names()
    assert len(set(names)) == 1000
    assert [names[index] for index in (207, 285, 281)] == ["golden retriever", "Egyptian cat", "tabby"]
    assert (names[134], names[517]) == ("crane bird", "construction crane")


def test_the_rehearsal_serves_what_the_tests_do(tmp_path: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run([REPOSITORY / "scripts" / "export-model", tmp_path], check=True, env=environment)
    assert load(tmp_path / "bundle", public_key=tmp_path / "signing-key.pub").digest == load(efficientnet_bundle()).digest
    assert (tmp_path / "digest").read_text() == load(efficientnet_bundle()).digest
