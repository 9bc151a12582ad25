"""Preprocessing is torchvision's geometry, whatever the shape of the image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bundle.preprocessing import Preprocessing, crop_box, prepare
from tests.bundles import CAT

PREPROCESSING = Preprocessing(resize_shorter_side=256, interpolation="bicubic", crop=224)


@pytest.mark.parametrize("size", [(300, 451), (451, 300), (256, 256), (224, 224), (640, 427), (100, 333), (257, 1999)])
def test_the_crop_is_what_resizing_everything_and_cropping_gives(size: tuple[int, int]) -> None:
    photo = Image.open(CAT).resize(size)
    shorter = min(size)
    width, height = (256 if side == shorter else int(256 * side / shorter) for side in size)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    expected = photo.resize((width, height), Image.Resampling.BICUBIC).crop((left, top, left + 224, top + 224))

    prepared = prepare(photo, PREPROCESSING)

    assert (prepared.dtype, prepared.shape) == (np.uint8, (224, 224, 3))
    # Pillow rounds between its two passes, and chooses their order by the size of the result.
    steps = np.abs(prepared.astype(int) - np.asarray(expected))
    assert steps.max() <= 3
    assert steps.mean() <= 0.2


@pytest.mark.parametrize("size", [(1, 900_000), (900_000, 1), (1, 1)])
def test_an_extreme_shape_costs_no_more_than_a_square(size: tuple[int, int]) -> None:
    # Resizing all of it would take 180 GB.
    assert prepare(Image.new("RGB", size), PREPROCESSING).shape == (224, 224, 3)


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(1, 600), st.floats(0, 1))
def test_the_crop_lies_within_the_image(width: int, height: int, shorter: int, part: float) -> None:
    preprocessing = Preprocessing(resize_shorter_side=shorter, interpolation="bilinear", crop=max(1, round(shorter * part)))
    left, top, right, bottom = crop_box((width, height), preprocessing)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
