"""A configuration is right before anything is read; a run's directory says what it holds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.training.data.small import project
from training.config import ConfigError, FashionData, ImageConfig, load_config, packaged
from training.run import Lineage, Run, RunError

LINEAGE = Lineage(
    run_id="20260101T000000Z-0000",
    name="small",
    data_digest="sha256:" + "0" * 64,
    data_items={"train": 1, "validation": 1, "test": 1},
    code_revision="0" * 64,
    git_revision="",
    seed=0,
    classes=["a", "b"],
    mean=[0.5],
    std=[0.5],
    feature_names=["x"],
    library_versions={"torch": "0"},
    status="training",
    started="2026-01-01T00:00:00Z",
    finished="",
    seconds=1.0,
    best_epoch=1,
    validation_loss=0.1,
    validation_accuracy=0.9,
)


def _write(tmp_path: Path, document: Any) -> str:
    path = tmp_path / "project.yml"
    path.write_text(yaml.safe_dump(document))
    return str(path)


def _document(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = project({"source": "folder"}).model_dump(mode="json")
    for key, value in changes.items():
        *parents, last = key.split("__")
        part = document
        for parent in parents:
            part = part[parent]
        part[last] = value
    return document


def test_the_packaged_ones_are_complete() -> None:
    assert packaged() == ["fashion", "iris", "pets"]
    for name in packaged():
        config = load_config(name)
        assert config.name == name
        assert config.network.pretrained == (config.network.backbone == "efficientnet-lite0")
    fashion = load_config("fashion")
    assert isinstance(fashion.data, FashionData)
    assert isinstance(fashion.input, ImageConfig)


def test_a_file_is_read_and_comes_back_from_a_run(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, _document()))
    run = Run(tmp_path / "deep" / "run")
    run.write_config(config)
    assert run.config() == config
    assert [path.name for path in run.root.iterdir()] == ["config.yml"]


def test_values_can_be_set_by_dotted_keys(tmp_path: Path) -> None:
    overrides = {"training.epochs": "7", "training.learning_rate": "1e-4", "augmentation.flip": True}
    config = load_config(_write(tmp_path, _document()), overrides | {"data.path": "s3://bucket/photos"})
    assert (config.training.epochs, config.training.learning_rate) == (7, 1e-4)
    assert config.augmentation.flip
    assert config.data.path == "s3://bucket/photos"
    # The section need not be in the file.
    document = _document()
    del document["augmentation"]
    assert load_config(_write(tmp_path, document), {"augmentation.policy": "trivial"}).augmentation.policy == "trivial"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"training__epoch": 3}, r"training\.epoch: Extra inputs"),
        ({"training__epochs": 0}, r"training\.epochs: .*greater than 0"),
        ({"training__frozen_epochs": 2}, "frozen_epochs is more than epochs"),
        ({"split__test": 0.5}, r"split\.test: .*less than 0\.5"),
        ({"data": {"source": "web"}}, r"data: .*'folder'"),
        ({"data": {"source": "csv", "label": "kind"}}, "features goes with data.source csv"),
        ({"network__backbone": "mlp"}, "mlp is for input.kind features"),
        ({"network__backbone": "timm/vit"}, r"network\.backbone: .*pattern"),
        ({"network__weights": "w.safetensors"}, "weights are read only with pretrained: true"),
        ({"input__preprocessing__crop": 64}, "crop is larger than resize_shorter_side"),
        ({"name": "No Name"}, r"name: .*pattern"),
        ({"card__limits": None}, r"card\.limits: .*string"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_key(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as raised:
        load_config(_write(tmp_path, _document(**changes)))
    assert "project.yml" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ({"augmentation.flip": "true"}, "are for photos"),
        ({"augmentation.min_scale": "0.5"}, "are for photos"),
        ({"network.pretrained": "true"}, "no pretrained weights of an mlp"),
        ({"training.epochs.most": "1"}, r"training\.epochs\.most: epochs has no keys"),
        ({"training.epochs": "{1"}, r"training\.epochs: '\{1' is no YAML"),
        ({"training.epochs": "many"}, r"training\.epochs: .*valid integer"),
    ],
)
def test_overrides_that_do_not_fit_are_refused(override: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load_config("iris", override)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file or directory; packaged configurations: fashion, iris, pets"),
        (b"name: [", "is no YAML"),
        (b"\xff\xfe", "is no YAML"),
        (b"- a\n- b\n", "a configuration is a mapping"),
        (b"", "a configuration is a mapping"),
    ],
)
def test_what_is_no_configuration_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "project.yml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=problem) as raised:
        load_config(str(path))
    assert "\n" not in str(raised.value)


def test_tags_of_yaml_run_no_code(tmp_path: Path) -> None:
    path = tmp_path / "project.yml"
    path.write_text(f"name: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n")
    with pytest.raises(ConfigError, match="is no YAML"):
        load_config(str(path))
    with pytest.raises(ConfigError, match="is no YAML"):
        load_config("iris", {"name": f"!!python/object/apply:os.mkdir ['{tmp_path}/made']"})
    assert not (tmp_path / "made").exists()


def test_lineage_comes_back_as_it_was(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_lineage(LINEAGE)
    assert run.lineage() == LINEAGE
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_only_a_run_that_is_done_is_finished(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_lineage(LINEAGE)
    with pytest.raises(RunError, match=r"is not done: run .* with the same --output again"):
        run.finished()
    done = replace(LINEAGE, status="finished")
    run.write_lineage(done)
    with pytest.raises(RunError, match="is not done"):
        run.finished()
    run.weights.write_bytes(b"weights")
    assert run.finished() == done


@pytest.mark.parametrize("content", [None, "{", "[]", json.dumps({"run_id": "x"}), "directory"])
def test_a_directory_without_a_run_is_refused(tmp_path: Path, content: str | None) -> None:
    if content == "directory":
        (tmp_path / "run.json").mkdir()
    elif content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=r"run\.json"):
        Run(tmp_path).lineage()
    with pytest.raises(RunError, match=r"config\.yml is missing"):
        Run(tmp_path).config()


def test_a_file_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="holds no training run"):
        Run(tmp_path / "file").lineage()


def test_a_damaged_configuration_of_a_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("name: small\n")
    with pytest.raises(RunError, match=r"config\.yml: licence: Field required"):
        Run(tmp_path).config()


def test_what_is_written_is_the_old_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path)
    run.write_lineage(LINEAGE)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        run.write_lineage(replace(LINEAGE, seconds=2.0))
    assert run.lineage() == LINEAGE
