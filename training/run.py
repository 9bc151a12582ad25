"""The directory of one training run, and its lineage. What is in it is what `evaluate`, `export` and `publish` work on.

config.yml            the configuration as it was used
run.json              lineage: see Lineage
history.jsonl         one line for each epoch
checkpoints/          the last ones; see training.loop.checkpoints
model.safetensors     weights of the epoch with the lowest validation loss
tensorboard/          events
evaluation/           what `evaluate` wrote
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import yaml

from training.config import ConfigError, ProjectConfig, load_config


class RunError(Exception):
    """The directory holds no run, or not one in the state that is asked for; the message says what to do."""


@dataclass(frozen=True)
class Lineage:
    """Where a run's weights come from.

    Attributes:
        run_id: name of the run in the registry: sorts by time, unique.
        data_digest: "sha256:..." over the content and class of every item.
        code_revision: of the training code (training.export.code_revision).
        git_revision: commit of the work tree, "" outside of one; "+changes" is appended where it was changed.
        classes: in the order of the network's outputs.
        mean, std: the normalisation that the network was trained with.
        feature_names: of rows of features; empty for photos.
        status: "training" until the last epoch is done.
        started, finished: UTC, ISO 8601; finished is "" until then.
        seconds: spent training, over all resumptions.
        best_epoch: of `model.safetensors`, from 1.
    """

    run_id: str
    name: str
    data_digest: str
    data_items: dict[str, int]
    code_revision: str
    git_revision: str
    seed: int
    classes: list[str]
    mean: list[float]
    std: list[float]
    feature_names: list[str]
    library_versions: dict[str, str]
    status: Literal["training", "finished"]
    started: str
    finished: str
    seconds: float
    best_epoch: int
    validation_loss: float
    validation_accuracy: float


class Run:
    """A run's directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config_file = root / "config.yml"
        self.lineage_file = root / "run.json"
        self.history_file = root / "history.jsonl"
        self.checkpoints = root / "checkpoints"
        self.weights = root / "model.safetensors"
        self.tensorboard = root / "tensorboard"
        self.evaluation = root / "evaluation"

    def config(self) -> ProjectConfig:
        """Raises RunError."""
        if not self.config_file.is_file():
            raise RunError(f"{self.root} holds no training run: {self.config_file.name} is missing")
        try:
            return load_config(str(self.config_file))
        except ConfigError as error:
            raise RunError(str(error)) from None

    def lineage(self) -> Lineage:
        """Raises RunError."""
        try:
            return Lineage(**json.loads(self.lineage_file.read_text()))
        except (FileNotFoundError, NotADirectoryError):
            raise RunError(f"{self.root} holds no training run: {self.lineage_file.name} is missing") from None
        except (OSError, TypeError, ValueError) as error:
            raise RunError(f"{self.lineage_file} cannot be read: {error}") from None

    def finished(self) -> Lineage:
        """Return the lineage of a run that is done.

        Raises:
            RunError: it is not done yet.
        """
        lineage = self.lineage()
        if lineage.status != "finished" or not self.weights.is_file():
            raise RunError(f"{self.root} is not done: run `python -m training train` with the same --output again")
        return lineage

    def write_config(self, config: ProjectConfig) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        _replace(self.config_file, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))

    def write_lineage(self, lineage: Lineage) -> None:
        _replace(self.lineage_file, json.dumps(asdict(lineage), indent=1) + "\n")


def _replace(path: Path, content: str) -> None:
    """Write a file that is either the old one or the new one, whatever happens meanwhile."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
