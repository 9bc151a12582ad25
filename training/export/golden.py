"""Builds the golden set: a few real and synthetic inputs, with the reference's answers."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bundle.golden import TOP_K, Answer, GoldenCase, GoldenSet
from bundle.images import Limits, read_pixels
from bundle.preprocessing import Preprocessing

PHOTOS = Path(__file__).parent.parent / "golden_images"
_ROWS = 6
# Pixels. A bundle is read by every host; a golden photo need not be as large as a camera makes it.
_LONGER_SIDE = 640


def write_image_inputs(
    directory: Path, preprocessing: Preprocessing, photos: dict[str, NDArray[np.uint8]] | None = None
) -> dict[str, NDArray[Any]]:
    """Write photos and synthetic images, and return them by file name as the service reads them.

    Args:
        photos: RGB, uint8 (height, width, 3), by name; None: the packaged ones. Large ones are made smaller.
    """
    directory.mkdir()
    if photos is None:
        for photo in sorted(PHOTOS.glob("*.jpg")):
            shutil.copyfile(photo, directory / photo.name)
    for name, pixels in (photos or {}).items():
        image = Image.fromarray(pixels)
        image.thumbnail((_LONGER_SIDE, _LONGER_SIDE))
        image.save(directory / f"{name}.png")
    for name, pixels in _synthetic().items():
        Image.fromarray(pixels).save(directory / f"{name}.png")
    return {path.name: read_pixels(path.read_bytes(), preprocessing, Limits()) for path in sorted(directory.iterdir())}


def write_feature_inputs(directory: Path, rows: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Write some of the rows, evenly spread, and return them by file name as the service reads them."""
    directory.mkdir()
    inputs: dict[str, NDArray[Any]] = {}
    for index in np.linspace(0, len(rows) - 1, min(_ROWS, len(rows)), dtype=int):
        # The shortest decimal that reads back as the same float32.
        features = [float(str(value)) for value in rows[index]]
        path = directory / f"row-{index}.json"
        path.write_text(json.dumps({"features": features}) + "\n")
        inputs[path.name] = np.array(features, np.float32)
    return inputs


def write_answers(path: Path, inputs: dict[str, NDArray[Any]], answers: NDArray[np.float32]) -> GoldenSet:
    """Write the reference's answers, float32 (n, classes) in the order of the inputs."""
    golden = GoldenSet(cases=[GoldenCase(input=name, top=_top(row)) for name, row in zip(inputs, answers, strict=True)])
    path.write_text(json.dumps(golden.model_dump(), indent=1) + "\n")
    return golden


def _top(probabilities: NDArray[np.float32]) -> list[Answer]:
    best = np.argsort(-probabilities, kind="stable")[:TOP_K]
    return [Answer(class_id=int(index), confidence=round(float(probabilities[index]), 6)) for index in best]


def _synthetic() -> dict[str, NDArray[np.uint8]]:
    """Images whose shapes and colours catch a swapped channel, a wrong crop and a wrong orientation. RGB, uint8."""
    rows, columns = np.mgrid[0:300, 0:400]
    gradient = np.stack([columns * 255 // 399, rows * 255 // 299, np.full_like(rows, 40)], axis=-1)
    checks = np.where((rows // 25 + columns // 25)[..., None] % 2 == 0, [230, 60, 20], [10, 90, 200])
    noise = np.random.default_rng(20261121).integers(0, 256, (400, 260, 3))
    images = {"gradient": gradient, "checks": checks, "noise": noise}
    return {name: pixels.astype(np.uint8) for name, pixels in images.items()}
