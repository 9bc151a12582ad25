"""ResNet-50 with 1000 classes: the eager network, its weights, and the bundle made from it.

The weights are seeded random numbers: what is measured is speed, which does not depend on them. Agreement of int8 with
fp32 means nothing for such weights: the bundle is exported without a bound on it, and its int8 program is named when it is
run.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import ResNetConfig, ResNetForImageClassification

from benchmarks.serving.apps.pipeline import CROP, MEAN, RESIZE, STD
from benchmarks.serving.photos import SOURCE

CLASSES = 1000
SEED = 50
CALIBRATION_IMAGES = 48


class Logits(torch.nn.Module):
    """transformers' network, answering a tensor: float32 [batch, 3, 224, 224] to logits [batch, 1000]."""

    def __init__(self) -> None:
        super().__init__()
        self.network = ResNetForImageClassification(ResNetConfig(num_labels=CLASSES))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(pixels).logits
        return logits


def eager_network(weights: Path) -> Any:
    """Return the network with the weights of a safetensors file, ready to infer."""
    network = Logits()
    network.load_state_dict(load_file(weights))
    return network.eval().requires_grad_(False)


def write_weights(path: Path) -> None:
    """Write the seeded weights as safetensors."""
    torch.manual_seed(SEED)
    save_file({name: value.contiguous() for name, value in Logits().state_dict().items()}, path)


def export_bundle(weights: Path, output: Path) -> None:
    """Write the bundle with the project's own export: torch fp32, OpenVINO fp32 and int8."""
    # Only this function needs what exports; the services import the module for the network.
    from bundle.manifest import ImageInput  # noqa: PLC0415
    from bundle.preprocessing import Preprocessing  # noqa: PLC0415
    from training.export import ModelToExport, export  # noqa: PLC0415
    from training.model_card import ModelCard  # noqa: PLC0415
    from training.samples import Samples  # noqa: PLC0415

    card = ModelCard("ResNet-50", "Random weights.", "Benchmarks.", "anything else.", "None.", "None.", "None.")
    images = _crops(2 * CALIBRATION_IMAGES)
    model = ModelToExport(
        name="resnet-50",
        network=eager_network(weights),
        classes=[f"class {number}" for number in range(CLASSES)],
        input=ImageInput(
            kind="image", preprocessing=Preprocessing(resize_shorter_side=RESIZE, interpolation="bilinear", crop=CROP)
        ),
        mean=MEAN,
        std=STD,
        weights_origin=weights,
        source="seeded random numbers",
        training_data="none",
        licence="CC0-1.0",
        metrics={},
        card=card,
        samples=Samples(images[:CALIBRATION_IMAGES], images[CALIBRATION_IMAGES:]),
    )
    export(model, "1.0.0", output, lambda line: print(line, file=sys.stderr), min_agreement=0.0)


def _crops(count: int) -> np.ndarray:
    """Return random parts of the photo, uint8 [count, 224, 224, 3]."""
    rng = np.random.default_rng(SEED)
    with Image.open(SOURCE) as photo:
        rgb = photo.convert("RGB")
    crops = []
    for _ in range(count):
        side = int(rng.integers(CROP // 2, min(rgb.size)))
        left, upper = int(rng.integers(rgb.width - side)), int(rng.integers(rgb.height - side))
        crops.append(np.asarray(rgb.resize((CROP, CROP), box=(left, upper, left + side, upper + side))))
    return np.stack(crops)


if __name__ == "__main__":
    write_weights(Path(sys.argv[1]))
    export_bundle(Path(sys.argv[1]), Path(sys.argv[2]))
