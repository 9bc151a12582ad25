"""Small projects to train: photos for a convolutional network with everything random switched on, and irises."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from safetensors.numpy import load_file

from bundle.preprocessing import Preprocessing
from training.config import ProjectConfig, load_config
from training.data import Data, load_data

# One thread: the machine may be busy, and threads that wait for each other are slow then.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "AWS_EC2_METADATA_DISABLED": "true"}
COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}
CARD = dict.fromkeys(("title", "details", "intended_use", "out_of_scope", "factors", "limits"), "A test.")


def photo_project(directory: Path, **changes: Any) -> Path:
    """Write 72 photos and a configuration that trains on them in 5 epochs of a few steps; returns the configuration's file.

    Args:
        changes: other values of the keys of `training`.
    """
    noise = np.random.default_rng(1)
    for name, colour in COLOURS.items():
        (directory / "photos" / name).mkdir(parents=True)
        for number in range(24):
            pixels = np.clip(noise.normal(colour, 60, (40, 36, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(directory / "photos" / name / f"{number}.png")
    training = {
        "epochs": 5,
        "frozen_epochs": 1,
        "batch_size": 8,
        "learning_rate": 0.01,
        "class_weights": "balanced",
        "label_smoothing": 0.1,
    }
    preprocessing = Preprocessing(resize_shorter_side=32, interpolation="bilinear", crop=32)
    config = {
        "name": "colours",
        "licence": "Apache-2.0",
        "data_licence": "Apache-2.0",
        "data_description": "noise",
        "data": {"source": "folder", "path": str(directory / "photos")},
        "split": {"validation": 0.2, "test": 0.2},
        "input": {"kind": "image", "preprocessing": preprocessing.model_dump(mode="json")},
        "augmentation": {"min_scale": 0.6, "flip": True, "policy": "trivial", "mixup": 0.3},
        "network": {"backbone": "torchvision/shufflenet_v2_x0_5", "dropout": 0.3},
        "training": {**training, **changes},
        "card": CARD,
    }
    path = directory / "colours.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def iris(**changes: Any) -> tuple[ProjectConfig, Data]:
    """Return the packaged project of irises, shortened to 3 epochs, and its data.

    Args:
        changes: other values by key, with __ for the dot.
    """
    overrides = {"training.epochs": 3, **{key.replace("__", "."): value for key, value in changes.items()}}
    config = load_config("iris", overrides)
    return config, load_data(config)


def tensors(path: Path) -> dict[str, bytes]:
    """Return the tensors of a safetensors file, bit for bit."""
    return {name: value.tobytes() for name, value in load_file(path).items()}
