"""Which items are trained, validated and tested with.

The sha256 of an item's content (its pixels or numbers) and of the seed is a number between 0 and 1. Below `test` it is tested
with, below `test + validation` validated with, otherwise trained with. So the same content is on the same side under every
name, and no item changes sides when others come or go. In return, a class of n items has about `n x share` of them on a
side, give or take the root of that, and not to the item. Where that leaves a side of a class empty, the data are refused.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.config import Split
from training.data.items import DataError, Found, Items

_SIDES = ("train", "validation", "test")
_VERBS = {"train": "train with", "validation": "validate with", "test": "test with"}


@dataclass(frozen=True)
class Data:
    """Items on three sides.

    Attributes:
        digest: "sha256:..." over content and class of all items, in any order and under any names.
        feature_names: of rows of features; empty for photos.
    """

    train: Items
    validation: Items
    test: Items
    classes: list[str]
    digest: str
    feature_names: list[str]


def divide(found: Found, split: Split, say: Callable[[str], None]) -> Data:
    """Split what was found.

    Raises:
        DataError: a class has no item on one of the sides.
    """
    positions = np.array([position(digest, split.seed) for digest in found.digests])
    labels = found.items.labels
    if found.own_test is None:
        test = positions < split.test
        validation = ~test & (positions < split.test + split.validation)
        train = ~test & ~validation
    else:
        test = found.own_test
        tested = {digest for digest, is_test in zip(found.digests, test, strict=True) if is_test}
        repeated = ~test & np.array([digest in tested for digest in found.digests])
        if repeated.any():
            say(f"{repeated.sum():,} items of the training part are in the test part as well: left out of training")
        validation = ~test & ~repeated & (positions < split.validation)
        train = ~test & ~repeated & ~validation
    sides = dict(zip(_SIDES, (train, validation, test), strict=True))
    _check_sides(sides, labels, found.classes)
    counts = ", ".join(f"{chosen.sum():,} to {_VERBS[side]}" for side, chosen in sides.items())
    say(f"{len(labels):,} items of {len(found.classes):,} classes: {counts}")
    parts = {side: found.items.subset(np.flatnonzero(chosen)) for side, chosen in sides.items()}
    return Data(**parts, classes=found.classes, digest=found.digest, feature_names=found.feature_names)


def position(digest: bytes, seed: int) -> float:
    """Return where between 0 and 1 an item lies."""
    salted = hashlib.sha256(b"%d:" % seed + digest).digest()
    return int.from_bytes(salted[:8], "big") / 2**64


def _check_sides(sides: dict[str, NDArray[np.bool_]], labels: NDArray[np.int64], classes: list[str]) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    for side, chosen in sides.items():
        empty = np.flatnonzero(np.bincount(labels[chosen], minlength=len(classes)) == 0)
        if len(empty):
            named = ", ".join(f"{classes[index]} ({counts[index]:,} items)" for index in empty[:3])
            more = f" and {len(empty) - 3} more" if len(empty) > 3 else ""
            raise DataError(
                f"nothing to {_VERBS[side]} of {named}{more}: give more items, a larger share in split.validation or "
                "split.test, or another split.seed"
            )
