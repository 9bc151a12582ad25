"""The worst mistakes: wrong with the highest confidence. Photos are kept as small pictures, rows with their numbers."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data import Items
from training.evaluation.figures import Labels, Logits, rounded
from training.evaluation.record import Mistake

WORST = 25
# Longer side of a kept picture, in pixels: sharp at the size that the report shows, and 25 of them stay below 1 MB.
_SIDE = 288


def worst(ids: list[str], chances: Logits, labels: Labels) -> list[int]:
    """Return the indices of the worst mistakes; those of equal confidence by id, so that the order is one."""
    confidence = chances.max(axis=1)
    wrong = np.flatnonzero(chances.argmax(axis=1) != labels).tolist()
    return sorted(wrong, key=lambda i: (-rounded(confidence[i]), ids[i]))[:WORST]


def describe(items: Items, index: int, chances: Logits, labels: Labels, classes: list[str]) -> Mistake:
    """Return an item's mistake, with its numbers where it is a row of features."""
    raw = items.raw(index)
    return Mistake(
        id=items.ids[index],
        truth=classes[labels[index]],
        answer=classes[int(chances[index].argmax())],
        confidence=rounded(float(chances[index].max())),
        features=[rounded(float(value)) for value in raw] if raw.ndim == 1 else None,
    )


def picture(directory: Path, rank: int) -> Path:
    """Return where the picture of the mistake of this rank, from 0, is kept."""
    return directory / "mistakes" / f"{rank + 1:02}.jpg"


def keep_pictures(directory: Path, items: Items, chosen: list[int]) -> None:
    """Write small pictures of these items, and remove those of an earlier evaluation. Rows of features have none."""
    shutil.rmtree(directory / "mistakes", ignore_errors=True)
    for rank, index in enumerate(chosen):
        raw = items.raw(index)
        if raw.ndim == 3:
            path = picture(directory, rank)
            path.parent.mkdir(parents=True, exist_ok=True)
            _small(raw).save(path, quality=85)


def _small(photo: NDArray[Any]) -> Image.Image:
    """Shrink a photo; enlarge a tiny one by a whole factor, so that its pixels stay pixels."""
    image = Image.fromarray(photo)
    factor = _SIDE // max(image.size)
    if factor > 1:
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    return image
