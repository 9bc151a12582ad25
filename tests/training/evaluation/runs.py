"""Finished runs and data, in memory and in seconds.

The network of rows hands on what it gets: a row's numbers, none below zero, are the logits of its answer.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from training.config import ProjectConfig
from training.data import Data
from training.data.items import Items, Rows
from training.networks import build
from training.run import Lineage, Run

DIGEST = "sha256:" + "5a" * 32
CARD = {
    "title": "Kinds of rows",
    "details": "A test's model.",
    "intended_use": "Tests.",
    "out_of_scope": "Everything else.",
    "factors": "None is known.",
    "limits": "It knows nothing.",
}


def config(classes: int, **changes: object) -> ProjectConfig:
    document = {
        "name": "rows",
        "licence": "Apache-2.0",
        "data_licence": "CC0-1.0",
        "data_description": "Rows of a test",
        "data": {"source": "csv", "label": "kind"},
        "input": {"kind": "features"},
        "network": {"backbone": "mlp", "hidden": classes},
        "training": {"epochs": 3, "batch_size": 8, "learning_rate": 0.1},
        "card": CARD,
    }
    return ProjectConfig.model_validate(document | changes)


def lineage(classes: list[str], data: Data, **changes: object) -> Lineage:
    known = {
        "run_id": "20261122T070000Z-0a1b2c3d",
        "name": "rows",
        "data_digest": data.digest,
        "data_items": {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        "code_revision": "sha256:" + "c0" * 32,
        "git_revision": "",
        "seed": 0,
        "classes": classes,
        "mean": [0.0] * len(data.feature_names),
        "std": [1.0] * len(data.feature_names),
        "feature_names": data.feature_names,
        "library_versions": {"torch": "2.13.0"},
        "status": "finished",
        "started": "2026-11-22T07:00:00+00:00",
        "finished": "2026-11-22T07:01:00+00:00",
        "seconds": 60.0,
        "best_epoch": 2,
        "validation_loss": 0.4,
        "validation_accuracy": 0.9,
    }
    return Lineage(**(known | changes))  # type: ignore[arg-type]


def answers(classes: int, count: int, accuracy: float = 0.9, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return logits, none below zero, and labels; about that share of the answers is right."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    answered = np.where(random.random(count) < accuracy, labels, random.integers(0, classes, count))
    logits = random.random((count, classes)).astype(np.float32)
    logits[np.arange(count), answered] += random.uniform(1, 6, count).astype(np.float32)
    return logits, labels.astype(np.int64)


def rows(classes: int, count: int, accuracy: float = 0.9, seed: int = 0) -> Rows:
    logits, labels = answers(classes, count, accuracy, seed)
    return Rows(logits, labels, [f"row {seed}-{index}" for index in range(count)])


def data(classes: list[str], *, validation: Items | None = None, test: Items | None = None, digest: str = DIGEST) -> Data:
    count = len(classes)
    return Data(
        train=rows(count, 50, seed=1),
        validation=validation or rows(count, 200, seed=2),
        test=test or rows(count, 300, seed=3),
        classes=classes,
        digest=digest,
        feature_names=[f"logit {index}" for index in range(count)],
    )


def finished(root: Path, measured: Data, **changes: object) -> Run:
    """Write a run whose network hands on what it gets."""
    count = len(measured.classes)
    run = Run(root)
    run.write_config(config(count))
    run.write_lineage(lineage(measured.classes, measured, **changes))
    network = build(config(count), count, count).module
    identity = {
        name: torch.eye(count) if value.ndim == 2 else torch.zeros(count) for name, value in network.state_dict().items()
    }
    save_file(identity, run.weights)
    history = (
        '{"epoch": 1, "train_loss": 1.0, "validation_loss": 0.9, "train_accuracy": 0.6, "validation_accuracy": 0.7}\n'
        '{"epoch": 2, "train_loss": 0.5, "validation_loss": 0.4, "train_accuracy": 0.9, "validation_accuracy": 0.9}\n'
    )
    run.history_file.write_text(history)
    return run
