"""Samples are read as the service reads photos, and no photo both calibrates and measures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundle.images import Limits, read_pixels
from bundle.preprocessing import Preprocessing
from tests.bundles import CAT
from training.export.samples import Samples, images_below

PREPROCESSING = Preprocessing(resize_shorter_side=36, interpolation="bicubic", crop=32)


def _photos(directory: Path, count: int) -> list[Path]:
    """Cut different pieces out of the cat."""
    photo = Image.open(CAT).convert("RGB")
    for index in range(count):
        photo.crop((index, index, index + 200, index + 150)).save(directory / f"{index}.png")
    return images_below(directory)


def test_pixels_are_those_that_the_service_makes(tmp_path: Path) -> None:
    paths = [*_photos(tmp_path, 20), CAT]
    samples = Samples.from_images(paths, PREPROCESSING)
    known = {item.tobytes() for item in (*samples.calibration, *samples.evaluation)}
    assert known == {read_pixels(path.read_bytes(), PREPROCESSING, Limits()).tobytes() for path in paths}
    assert samples.calibration.dtype == np.uint8
    assert samples.evaluation.shape[1:] == (32, 32, 3)


def test_a_copy_of_a_photo_counts_once(tmp_path: Path) -> None:
    paths = _photos(tmp_path, 20)
    (tmp_path / "copy.png").write_bytes(paths[3].read_bytes())
    samples = Samples.from_images(images_below(tmp_path), PREPROCESSING)
    items = [item.tobytes() for item in (*samples.calibration, *samples.evaluation)]
    assert len(items) == len(set(items)) == 20


def test_the_split_does_not_depend_on_the_order(tmp_path: Path) -> None:
    paths = _photos(tmp_path, 20)
    forth, back = (Samples.from_images(order, PREPROCESSING) for order in (paths, paths[::-1]))
    assert np.array_equal(forth.calibration, back.calibration)
    assert np.array_equal(forth.evaluation, back.evaluation)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ValueError, match=r"broken\.jpg"):
        Samples.from_images(images_below(tmp_path), PREPROCESSING)


def test_one_photo_is_too_few() -> None:
    with pytest.raises(ValueError, match="too few"):
        Samples.from_images([CAT], PREPROCESSING)
