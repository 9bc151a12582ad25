"""Small models of photos, made of seeded numbers."""

from pathlib import Path

import numpy as np
import torch

from bundle.manifest import ImageInput
from bundle.preprocessing import Preprocessing
from tests.bundles import TINY_CLASSES
from training.export.model import ModelToExport
from training.export.model_card import ModelCard
from training.export.samples import Samples

SMALL_CLASSES = TINY_CLASSES[:4]


def samples(calibration: int = 24, evaluation: int = 40) -> Samples:
    """Return pictures of one colour each, with some noise: uint8 [n, 32, 32, 3]."""
    random = np.random.default_rng(7)
    count = calibration + evaluation
    colours = random.integers(40, 216, (count, 1, 1, 3))
    pixels = (colours + random.integers(-40, 40, (count, 32, 32, 3))).astype(np.uint8)
    return Samples(pixels[:calibration], pixels[calibration:])


def small_model(*, spread: float = 1.0) -> ModelToExport:
    """Return a network of two convolutions.

    Args:
        spread: by how much the ranges of the first layer's channels differ; depthwise layers with a large spread are
            what int8 cannot represent.
    """
    torch.manual_seed(5)
    first = torch.nn.Conv2d(3, 16, 3, stride=2)
    scale = torch.logspace(0, float(np.log10(spread)), 16)
    second = torch.nn.Conv2d(16, 8, 3, stride=2)
    with torch.no_grad():
        first.weight.mul_(scale.reshape(-1, 1, 1, 1))
        first.bias.mul_(scale)
        second.weight.div_(scale.reshape(1, -1, 1, 1))
    network = torch.nn.Sequential(
        first,
        torch.nn.ReLU(),
        second,
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, len(SMALL_CLASSES)),
    ).eval()
    return _described("small", network, SMALL_CLASSES, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), samples=samples())


def tiny_model() -> ModelToExport:
    """Return a network of some hundred weights, without samples."""
    torch.manual_seed(3)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 5, stride=2),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU6(),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(32, len(TINY_CLASSES)),
    ).eval()
    return _described("tiny", network, TINY_CLASSES, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))


def _described(
    name: str,
    network: torch.nn.Module,
    classes: list[str],
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    samples: Samples | None = None,
) -> ModelToExport:
    return ModelToExport(
        name=name,
        network=network,
        classes=classes,
        input=ImageInput(kind="image", preprocessing=Preprocessing(resize_shorter_side=36, interpolation="bilinear", crop=32)),
        mean=mean,
        std=std,
        weights_origin=Path(__file__),
        source="seeded random numbers",
        training_data="none",
        licence="CC0-1.0",
        metrics={},
        card=ModelCard(name.capitalize(), "For tests.", "Tests.", "anything else.", "None.", "None.", "None."),
        samples=samples,
    )
