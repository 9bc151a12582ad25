"""Builds the golden set: a few real photos and synthetic images, with the reference's answers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bundle.golden import TOP_K, Answer, GoldenCase, GoldenSet
from bundle.images import decode
from bundle.preprocessing import Preprocessing, prepare

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]

PHOTOS = Path(__file__).parent / "golden_images"
# Above what differs between JPEG decoders and CPU kernels (0.001), below a wrong channel order, crop or normalisation.
TOLERANCE = 0.02
_MAX_PIXELS = 10_000_000


def write_golden_set(directory: Path, preprocessing: Preprocessing, predict: Predict) -> list[NDArray[np.float32]]:
    """Write inputs and `answers.json` into `directory`, and return the prepared inputs, each of shape (3, crop, crop).

    Args:
        predict: the reference: float32 [batch, 3, crop, crop] to probabilities [batch, classes].
    """
    directory.mkdir(parents=True)
    for photo in sorted(PHOTOS.glob("*.jpg")):
        shutil.copyfile(photo, directory / photo.name)
    for name, pixels in _synthetic().items():
        Image.fromarray(pixels).save(directory / f"{name}.png")
    cases, inputs = [], []
    for path in sorted(directory.iterdir()):
        prepared = prepare(decode(path.read_bytes(), _MAX_PIXELS), preprocessing)
        cases.append(GoldenCase(input=path.name, top=_top(predict(prepared[None])[0])))
        inputs.append(prepared)
    golden = GoldenSet(tolerance=TOLERANCE, cases=cases)
    (directory / "answers.json").write_text(json.dumps(golden.model_dump(), indent=1) + "\n")
    return inputs


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
