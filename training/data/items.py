"""Labelled items, read when they are asked for."""

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from bundle.images import ImageError, Limits, UndecodableError, inspect, read_pixels
from bundle.preprocessing import Preprocessing, prepare
from bundle.truncation import is_cut_off

# A camera's photo is larger than what a server accepts from strangers.
LIMITS = Limits(max_pixels=100_000_000)
_ORIENTATION_TAG = 0x0112


class DataError(ValueError):
    """The data cannot be used; the message names the file or row and says what is wrong with it."""


class Items(ABC):
    """Labelled photos or rows.

    Attributes:
        labels: int64 (n,), indices into the classes.
        ids: a name for each item: path, row or number.
    """

    def __init__(self, labels: Sequence[int] | NDArray[np.int64], ids: list[str]) -> None:
        self.labels = np.asarray(labels, np.int64)
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    @abstractmethod
    def raw(self, index: int) -> NDArray[Any]:
        """Return uint8 (h, w, 3), upright and of full size, or float32 (k,)."""

    @abstractmethod
    def prepared(self, index: int) -> NDArray[Any]:
        """Return what the served program takes: uint8 (crop, crop, 3), or float32 (k,)."""

    @abstractmethod
    def subset(self, indices: NDArray[np.int64]) -> Self:
        """Return the items of those indices, in that order."""

    def photo(self, index: int, shorter_side: int) -> Image.Image:
        """Return an upright RGB photo to be cropped; a decoder that scales may leave it at that shorter side or more."""
        return Image.fromarray(self.raw(index))

    def batch(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Return what the served program takes, stacked."""
        return np.stack([self.prepared(int(index)) for index in indices])


class PhotoFiles(Items):
    """Photos in files, as the service would read them."""

    def __init__(
        self, files: list[Path], labels: Sequence[int] | NDArray[np.int64], ids: list[str], preprocessing: Preprocessing
    ) -> None:
        super().__init__(labels, ids)
        self._files = files
        self._preprocessing = preprocessing

    def raw(self, index: int) -> NDArray[np.uint8]:
        return np.asarray(read_upright(self._files[index]))

    def photo(self, index: int, shorter_side: int) -> Image.Image:
        return read_upright(self._files[index], shorter_side)

    def prepared(self, index: int) -> NDArray[np.uint8]:
        path = self._files[index]
        try:
            return read_pixels(path.read_bytes(), self._preprocessing, LIMITS)
        except (ImageError, OSError) as error:
            raise DataError(f"{path}: {error}") from None

    def subset(self, indices: NDArray[np.int64]) -> Self:
        files, ids = [self._files[i] for i in indices], [self.ids[i] for i in indices]
        return type(self)(files, self.labels[indices], ids, self._preprocessing)


class GreyPhotos(Items):
    """Small grey photos in memory: uint8 (n, h, w)."""

    def __init__(
        self, pixels: NDArray[np.uint8], labels: NDArray[np.int64], ids: list[str], preprocessing: Preprocessing
    ) -> None:
        super().__init__(labels, ids)
        self._pixels = pixels
        self._preprocessing = preprocessing

    def raw(self, index: int) -> NDArray[np.uint8]:
        return _three_channels(self._pixels[index])

    def prepared(self, index: int) -> NDArray[np.uint8]:
        return _three_channels(prepare(Image.fromarray(self._pixels[index]), self._preprocessing))

    def batch(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        # One channel is resized, and all of the batch is made of three at once.
        grey = [prepare(Image.fromarray(self._pixels[index]), self._preprocessing) for index in indices]
        return _three_channels(np.stack(grey))

    def subset(self, indices: NDArray[np.int64]) -> Self:
        ids = [self.ids[i] for i in indices]
        return type(self)(self._pixels[indices], self.labels[indices], ids, self._preprocessing)


class Rows(Items):
    """Rows of features in memory: float32 (n, k)."""

    def __init__(self, values: NDArray[np.float32], labels: NDArray[np.int64], ids: list[str]) -> None:
        super().__init__(labels, ids)
        self.values = values

    def raw(self, index: int) -> NDArray[np.float32]:
        return self.values[index]

    def prepared(self, index: int) -> NDArray[np.float32]:
        return self.values[index]

    def batch(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.values[indices]

    def subset(self, indices: NDArray[np.int64]) -> Self:
        return type(self)(self.values[indices], self.labels[indices], [self.ids[i] for i in indices])


@dataclass(frozen=True)
class Found:
    """What a source holds, before it is split.

    Attributes:
        digests: sha256 of each item's content, in the order of the items; without its class.
        own_test: whether each item is of the test split that the data bring along; None where they bring none.
    """

    items: Items
    classes: list[str]
    digests: list[bytes]
    feature_names: list[str]
    own_test: NDArray[np.bool_] | None = None

    @property
    def digest(self) -> str:
        """Return "sha256:..." over content and class of all items, in any order and under any names."""
        named = (
            digest + hashlib.sha256(self.classes[label].encode()).digest()
            for digest, label in zip(self.digests, self.items.labels, strict=True)
        )
        return f"sha256:{hashlib.sha256(b''.join(sorted(named))).hexdigest()}"


def read_upright(path: Path, shorter_side: int | None = None) -> Image.Image:
    """Read a photo upright, in the service's colours.

    Args:
        shorter_side: a JPEG may be decoded at a half, a quarter or an eighth of its size, while this much is left.

    Raises:
        DataError: it is no photo that the service would accept; or pixels are missing, which only a whole reading finds.
    """
    try:
        header = inspect(path.read_bytes(), LIMITS)
        with Image.open(io.BytesIO(header.essential), formats=(header.kind,)) as stored:
            if shorter_side:
                stored.draft(None, (shorter_side, shorter_side))
            stored.load()
            if not shorter_side and is_cut_off(header, stored):
                raise UndecodableError("The image is cut off.")
            image: Image.Image = stored
            if stored.mode == "I;16":
                image = Image.fromarray((np.asarray(stored) >> 8).astype(np.uint8))
            image.getexif()[_ORIENTATION_TAG] = header.orientation
            return ImageOps.exif_transpose(image).convert("RGB")
    except (ImageError, OSError) as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # whatever Pillow's parsers stumble on
        raise DataError(f"{path}: {UndecodableError('the image is damaged or cut off')}") from error


def _three_channels(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(grey[..., None], 3, axis=-1)
