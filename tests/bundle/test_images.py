"""Decoding takes what people send and nothing else."""

import pytest

from bundle.images import Limits, UndecodableError, UnsupportedFormatError, read_pixels
from bundle.preprocessing import Preprocessing
from tests.bundles import CAT

PREPROCESSING = Preprocessing(resize_shorter_side=256, interpolation="bicubic", crop=224)
LIMITS = Limits(max_pixels=1_000_000, max_side=10_000)


@pytest.mark.parametrize("data", [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x00" * 100])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedFormatError):
        read_pixels(data, PREPROCESSING, LIMITS)


@pytest.mark.parametrize("kept", [4, 20, 200, 20_000])
def test_a_photo_cut_off_is_undecodable(kept: int) -> None:
    with pytest.raises(UndecodableError):
        read_pixels(CAT.read_bytes()[:kept], PREPROCESSING, LIMITS)
