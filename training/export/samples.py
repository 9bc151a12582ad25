"""Real inputs for an export: some to calibrate int8 with, others to measure agreement on."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.images import ImageError, Limits, read_pixels
from bundle.preprocessing import Preprocessing

# Of 256 images, as many calibrate; the others are for the measurement.
_CALIBRATION_SHARE = 96
_LIMITS = Limits(max_pixels=100_000_000)


@dataclass(frozen=True)
class Samples:
    """Items as a program takes them: uint8 [n, crop, crop, 3] or float32 [n, features]. The two sets are disjoint.

    Attributes:
        labels: classes of `evaluation`, int64 [n], where they are known: then accuracy is measured too.
        evaluation_files: of `evaluation`, where the items are photos in files.
    """

    calibration: NDArray[Any]
    evaluation: NDArray[Any]
    labels: NDArray[np.int64] | None = None
    evaluation_files: tuple[Path, ...] = ()

    @classmethod
    def from_images(cls, paths: Iterable[Path], preprocessing: Preprocessing) -> "Samples":
        """Read photos as the service would, and split them by their content: the same photo is never in both sets.

        Raises:
            ValueError: a file is no usable image, or there are too few for two sets.
        """
        by_content: dict[bytes, tuple[NDArray[np.uint8], Path]] = {}
        for path in paths:
            data = path.read_bytes()
            try:
                pixels = read_pixels(data, preprocessing, _LIMITS)
            except ImageError as error:
                raise ValueError(f"{path}: {error}") from None
            # Of the pixels, not of the file: a copy that was only saved again under another name or tag is the same.
            by_content.setdefault(hashlib.sha256(pixels.tobytes()).digest(), (pixels, path))
        sets: tuple[list[tuple[NDArray[np.uint8], Path]], ...] = ([], [])
        for digest, photo in sorted(by_content.items(), key=lambda item: item[0]):
            sets[digest[0] >= _CALIBRATION_SHARE].append(photo)
        if not all(sets):
            raise ValueError(f"{len(by_content)} different images are too few to calibrate and to measure with")
        calibration, evaluation = (np.stack([pixels for pixels, _ in photos]) for photos in sets)
        return cls(calibration, evaluation, evaluation_files=tuple(path for _, path in sets[1]))

    def labelled(self, labels: list[int]) -> "Samples":
        """Return the same items with the classes of `evaluation`."""
        return replace(self, labels=np.array(labels, np.int64))
