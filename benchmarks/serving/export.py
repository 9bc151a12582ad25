"""Makes what is served: the weights of the eager network, and the bundle.

usage: python -m benchmarks.serving.export WEIGHTS BUNDLE

The weights are seeded random numbers: what is measured is speed, which does not depend on them. Agreement of int8 with
fp32 means nothing for such weights: the bundle is exported without a bound on it, and its int8 program is named when it is
run.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from benchmarks.serving.apps.pipeline import CROP, MEAN, RESIZE, STD
from benchmarks.serving.network import CLASSES, Logits, eager_network
from benchmarks.serving.photos import SOURCE
from bundle.manifest import ImageInput
from bundle.preprocessing import Preprocessing
from training.export import ModelToExport, export
from training.export.model_card import ModelCard
from training.export.samples import Samples

SEED = 50
CALIBRATION_IMAGES = 48


def write_weights(path: Path) -> None:
    """Write the seeded weights as safetensors."""
    torch.manual_seed(SEED)
    save_file({name: value.contiguous() for name, value in Logits().state_dict().items()}, path)


def export_bundle(weights: Path, output: Path) -> None:
    """Write the bundle with the project's own export: torch fp32, OpenVINO fp32 and int8."""
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


def main(weights: Path, output: Path) -> None:
    """Make what is missing of both."""
    if not weights.exists():
        write_weights(weights)
    if not output.exists():
        export_bundle(weights, output)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
