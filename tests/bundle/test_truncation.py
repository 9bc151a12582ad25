"""A JPEG that was cut off and closed again is found, and no whole one is taken for it."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bundle.images import Limits, inspect
from bundle.truncation import is_cut_off
from tests.image_builders import encoded, picture

END = b"\xff\xd9"
WAYS = {
    "baseline": {},
    "grey": {"mode": "L"},
    "CMYK": {"mode": "CMYK"},
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_blocks": 5},
    "no subsampling": {"subsampling": 0},
    "RGB": {"keep_rgb": True},
}


def written(ways: dict[str, Any]) -> bytes:
    """Return a photo with details everywhere: where there are none, compressed pixels may well be missing."""
    noise = np.random.default_rng(0).integers(0, 256, (100, 150, 3), np.uint8)
    options = dict(ways)
    image = Image.blend(picture(), Image.fromarray(noise), 0.3).convert(options.pop("mode", "RGB"))
    return encoded(image, "JPEG", **options)


def looks_cut_off(data: bytes) -> bool:
    """Return whether the decoder or, where it is content, `is_cut_off` finds it."""
    header = inspect(data, Limits())
    with Image.open(io.BytesIO(header.essential), formats=(header.kind,)) as image:
        try:
            image.load()
        except OSError:  # within a segment between two scans
            return True
        return is_cut_off(header, image)


@pytest.mark.parametrize("way", WAYS)
def test_what_was_cut_off_and_closed_is_found(way: str) -> None:
    whole = written(WAYS[way])
    pixels = whole.index(b"\xff\xda") + 20
    assert not looks_cut_off(whole)
    for share in (0.03, 0.04, 0.1, 0.3, 0.6, 0.8, 0.95):
        cut = pixels + int(share * (len(whole) - pixels))
        cut -= whole[cut - 1] == 0xFF
        assert looks_cut_off(whole[:cut] + END), share


def test_what_was_cut_off_where_a_restart_marker_was_is_found() -> None:
    whole = written(WAYS["restart markers"])
    assert looks_cut_off(whole[: whole.rindex(b"\xff\xd3")] + END)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(lambda whole: whole + b"\xff\xd8\xff a film of a phone \xff\xda", id="something behind it"),
        pytest.param(lambda whole: whole[:-2] + bytes(5) + END, id="padding behind the pixels"),
        pytest.param(lambda whole: whole[:-2] + b"\xff\xff" + END, id="fill bytes"),
    ],
)
def test_a_whole_photo_may_have_anything_behind_its_pixels(odd: Any) -> None:
    for ways in ({}, {"progressive": True}):
        assert not looks_cut_off(odd(written(ways)))


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_photo_that_ends_in_grey_is_whole(options: dict[str, Any]) -> None:
    image = picture().copy()
    image.paste((128, 128, 128), (0, 40, 150, 100))
    assert not looks_cut_off(encoded(image, "JPEG", **options))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_formats_are_left_to_their_decoders(kind: str) -> None:
    assert not looks_cut_off(encoded(picture(), kind))
