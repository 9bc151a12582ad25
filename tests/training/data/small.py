"""Small projects and folders of photos for tests of the data."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.config import ProjectConfig

_CARD = dict.fromkeys(("title", "details", "intended_use", "out_of_scope", "factors", "limits"), "Small.")


def project(data: dict[str, Any], **parts: dict[str, Any]) -> ProjectConfig:
    """Return the configuration of a project with that source; parts change or add keys."""
    rows = data["source"] == "csv"
    preprocessing = {"resize_shorter_side": 36, "interpolation": "bicubic", "crop": 32}
    document = {
        "name": "small",
        "licence": "MIT",
        "data_licence": "MIT",
        "data_description": "small",
        "data": data,
        "split": {"validation": 0.25, "test": 0.25} | parts.get("split", {}),
        "input": {"kind": "features"} if rows else {"kind": "image", "preprocessing": preprocessing},
        "augmentation": parts.get("augmentation", {}),
        "network": {"backbone": "mlp" if rows else "torchvision/squeezenet1_1"} | parts.get("network", {}),
        "training": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1} | parts.get("training", {}),
        "card": _CARD,
    }
    return ProjectConfig.model_validate(document)


def noise(seed: int, height: int = 40, width: int = 60) -> NDArray[np.uint8]:
    """Return pixels that no other seed gives, smooth enough for JPEG."""
    rough = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    return np.asarray(Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC))


def write_photos(root: Path, classes: dict[str, int], first_seed: int = 0) -> None:
    """Write as many PNG files as stated into a folder for each class."""
    seed = first_seed
    for name, count in classes.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            Image.fromarray(noise(seed)).save(root / name / f"{seed:04}.png")
            seed += 1
