"""The model of features that the project trains itself: Fisher's irises, by a small network."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

# A third is held out; the seed decides which flowers and the first weights, so that every training is the same.
_TEST_SHARE = 1 / 3
_SEED = 1936
_STEPS = 300


@dataclass(frozen=True)
class Trained:
    """The trained network and what it was trained and tested with.

    Attributes:
        network: standardised float32 [batch, 4] to logits [batch, 3].
        mean, std: of the training rows, per feature; for the standardisation.
        train, test: rows as measured, float32 [n, 4].
        test_accuracy: share of the test rows that are named rightly.
    """

    network: torch.nn.Module
    feature_names: list[str]
    classes: list[str]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train: NDArray[np.float32]
    test: NDArray[np.float32]
    test_accuracy: float


def data_file() -> Path:
    """Return scikit-learn's packaged copy of the data (CSV, 150 flowers)."""
    return Path(str(files("sklearn.datasets.data") / "iris.csv"))


def train() -> Trained:
    """Train in a second, with the same result every time on the same machine."""
    data = load_iris()
    rows = data.data.astype(np.float32)
    train_rows, test_rows, train_labels, test_labels = train_test_split(
        rows, data.target, test_size=_TEST_SHARE, stratify=data.target, random_state=_SEED
    )
    mean, std = train_rows.mean(axis=0), train_rows.std(axis=0)
    inputs, labels = torch.from_numpy((train_rows - mean) / std), torch.from_numpy(train_labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
    # Decay keeps the probabilities of so few flowers from going to 0 and 1.
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.02, weight_decay=0.05)
    for _ in range(_STEPS):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs), labels).backward()
        optimiser.step()
    network.eval()
    with torch.inference_mode():
        answers = network(torch.from_numpy((test_rows - mean) / std)).argmax(dim=1).numpy()
    return Trained(
        network=network,
        feature_names=list(data.feature_names),
        classes=[str(name) for name in data.target_names],
        mean=tuple(float(value) for value in mean),
        std=tuple(float(value) for value in std),
        train=train_rows,
        test=test_rows,
        test_accuracy=float((answers == test_labels).mean()),
    )
