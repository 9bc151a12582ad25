"""The model of photos that the project trains itself: Zalando's photos of clothes (Fashion-MNIST), by a small network."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bundle.preprocessing import Preprocessing

# Debian's dataset-fashion-mnist (Expat): 60,000 photos to train with and 10,000 others, grey, 28x28 (Xiao et al., 2017).
PACKAGE = "dataset-fashion-mnist"
CLASSES = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
PREPROCESSING = Preprocessing(resize_shorter_side=28, interpolation="bilinear", crop=28)
# Of the grey values of the training photos, scaled to 0..1.
MEAN, STD = 0.286, 0.353
_DIRECTORY = Path("/usr/share/datasets/fashion-mnist")
# Magic numbers of the IDX format: unsigned bytes in one dimension (labels) and in three (photos).
_HEADER_BYTES = {"labels-idx1": 8, "images-idx3": 16}
_SEED = 2017
_EPOCHS = 2
_BATCH = 128


@dataclass(frozen=True)
class Photos:
    """Labelled photos: uint8 pixels as a program takes them (n, 28, 28, 3), and class ids (n,)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Trained:
    """The trained network, float32 [batch, 3, 28, 28] normalised to logits [batch, 10], and how well it does.

    Attributes:
        train, test: photos that it was trained with, and others.
        test_accuracy: share of the test photos that are named rightly.
    """

    network: nn.Module
    train: Photos
    test: Photos
    test_accuracy: float


def data_file() -> Path:
    """Return the file of the training photos."""
    return _file("train", "images-idx3")


def data_digest() -> str:
    """Return "sha256:" and the digest of what the model is trained with."""
    content = hashlib.sha256()
    for kind in _HEADER_BYTES:
        content.update(_file("train", kind).read_bytes())
    return f"sha256:{content.hexdigest()}"


def held_out_photos() -> Photos:
    """Return the 10,000 photos that are not trained with."""
    return _read("t10k")


def train() -> Trained:
    """Train for a few minutes on two cores, with the same result every time on the same machine.

    Raises:
        ValueError: the package of photos is not installed.
    """
    photos, test = _read("train"), held_out_photos()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = _network()
        optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
        steps = _EPOCHS * -(-len(photos.labels) // _BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps)
        labels = torch.from_numpy(photos.labels)
        for _ in range(_EPOCHS):
            for chosen in torch.randperm(len(labels)).split(_BATCH):
                optimiser.zero_grad()
                logits = network(_normalised(photos.pixels[chosen.numpy()]))
                nn.functional.cross_entropy(logits, labels[chosen]).backward()
                optimiser.step()
                schedule.step()
    network.eval()
    with torch.inference_mode():
        answers = [network(_normalised(part)).argmax(dim=1) for part in np.array_split(test.pixels, 40)]
    accuracy = float((torch.cat(answers).numpy() == test.labels).mean())
    return Trained(network, photos, test, accuracy)


def _network() -> nn.Module:
    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *block(3, 32),
        *block(32, 48),
        nn.MaxPool2d(2),
        *block(48, 96),
        nn.MaxPool2d(2),
        *block(96, 128),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, len(CLASSES)),
    )


def _normalised(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """Turn uint8 (n, 28, 28, 3) into what the network takes, as `training.model.ServedNetwork` does."""
    return ((torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255.0) - MEAN) / STD


def _read(part: str) -> Photos:
    grey = np.frombuffer(_content(part, "images-idx3"), np.uint8).reshape(-1, 28, 28, 1)
    labels = np.frombuffer(_content(part, "labels-idx1"), np.uint8)
    return Photos(np.repeat(grey, 3, axis=3), labels.astype(np.int64))


def _content(part: str, kind: str) -> bytes:
    return gzip.decompress(_file(part, kind).read_bytes())[_HEADER_BYTES[kind] :]


def _file(part: str, kind: str) -> Path:
    path = _DIRECTORY / f"{part}-{kind}-ubyte.gz"
    if not path.is_file():
        raise ValueError(f"{path} is missing: install the Debian package {PACKAGE}")
    return path
