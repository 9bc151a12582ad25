"""Zalando's photos of clothes (Fashion-MNIST), as Debian's package installs them."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.preprocessing import Preprocessing
from training.data.items import DataError, Found, GreyPhotos

# Debian's dataset-fashion-mnist (Expat): 60,000 photos to train with and 10,000 others, grey, 28x28 (Xiao et al., 2017).
PACKAGE = "dataset-fashion-mnist"
CLASSES = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
# Magic numbers of the IDX format: unsigned bytes in one dimension (labels) and in three (photos); big-endian sizes follow.
_LABELS, _PHOTOS = bytes.fromhex("00000801"), bytes.fromhex("00000803")


def read(path: Path, preprocessing: Preprocessing) -> Found:
    """Read both parts; the test part is the test split.

    Args:
        path: directory of `train-images-idx3-ubyte.gz` and its three kin.

    Raises:
        DataError
    """
    parts = [_read_part(path, part) for part in ("train", "t10k")]
    pixels = np.concatenate([photos for photos, _ in parts])
    labels = np.concatenate([labels for _, labels in parts]).astype(np.int64)
    if labels.max() >= len(CLASSES):
        raise DataError(f"{path}: there are labels beyond the {len(CLASSES)} classes")
    (trained, _), (tested, _) = parts
    ids = [f"train-{index:05}" for index in range(len(trained))] + [f"test-{index:05}" for index in range(len(tested))]
    digests = [hashlib.sha256(photo.tobytes()).digest() for photo in pixels]
    own_test = np.arange(len(pixels)) >= len(trained)
    return Found(GreyPhotos(pixels, labels, ids, preprocessing), list(CLASSES), digests, [], own_test)


def _read_part(path: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    photos = _read_array(path / f"{part}-images-idx3-ubyte.gz", _PHOTOS)
    labels = _read_array(path / f"{part}-labels-idx1-ubyte.gz", _LABELS)
    if len(photos) != len(labels) or not len(photos):
        raise DataError(f"{path}: the {part} part has {len(photos)} photos and {len(labels)} labels")
    return photos, labels


def _read_array(path: Path, magic: bytes) -> NDArray[np.uint8]:
    try:
        content = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path} is missing: install the Debian package {PACKAGE}") from None
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    sizes = np.frombuffer(content[4 : 4 + 4 * magic[3]], ">u4")
    values = np.frombuffer(content, np.uint8, offset=min(4 + 4 * magic[3], len(content)))
    if content[:4] != magic or values.size != sizes.prod(dtype=np.int64):
        raise DataError(f"{path} is no such file of Fashion-MNIST, or is cut off")
    return values.reshape(sizes)
