"""Preprocessing is torchvision's geometry, and decoding takes what people send and nothing else."""

import io
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bundle import images
from bundle.preprocessing import Preprocessing, prepare
from tests.bundles import CAT

PREPROCESSING = Preprocessing(
    resize_shorter_side=256, interpolation="bicubic", crop=224, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)
)
MAX_PIXELS = 1_000_000


def _photo(width: int, height: int) -> Image.Image:
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("size", [(300, 451), (451, 300), (256, 256), (224, 224), (640, 427), (100, 333), (257, 1999)])
def test_the_crop_is_what_resizing_everything_and_cropping_gives(size: tuple[int, int]) -> None:
    photo = images.decode(CAT.read_bytes(), MAX_PIXELS).resize(size)
    shorter = min(size)
    width, height = (256 if side == shorter else int(256 * side / shorter) for side in size)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    whole = photo.resize((width, height), Image.Resampling.BICUBIC).crop((left, top, left + 224, top + 224))
    expected = (np.asarray(whole, np.float32) / 255 - [0.1, 0.2, 0.3]) / [0.5, 0.6, 0.7]

    prepared = prepare(photo, PREPROCESSING)

    assert prepared.dtype == np.float32
    assert prepared.shape == (3, 224, 224)
    # Steps of an 8-bit pixel: Pillow rounds between its two passes, and chooses their order by the size of the result.
    steps = np.abs(prepared - expected.transpose(2, 0, 1)) * np.array([0.5, 0.6, 0.7])[:, None, None] * 255
    assert steps.max() <= 3.01
    assert steps.mean() <= 0.2


@pytest.mark.parametrize("size", [(1, 900_000), (900_000, 1), (1, 1)])
def test_an_extreme_shape_costs_no_more_than_a_square(size: tuple[int, int]) -> None:
    started = time.perf_counter()
    assert prepare(Image.new("RGB", size), PREPROCESSING).shape == (3, 224, 224)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_accepted_formats(kind: str) -> None:
    image = images.decode(_encoded(_photo(40, 30), kind), MAX_PIXELS)
    assert (image.mode, image.size) == ("RGB", (40, 30))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_every_pixel_type_becomes_rgb(mode: str) -> None:
    data = _encoded(Image.new(mode, (8, 8)), "JPEG" if mode == "CMYK" else "PNG")
    assert images.decode(data, MAX_PIXELS).mode == "RGB"


def test_a_photo_taken_sideways_is_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert images.decode(_encoded(_photo(40, 30), "JPEG", exif=exif), MAX_PIXELS).size == (30, 40)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(images.UnsupportedFormatError, match="JPEG, PNG or WebP"):
        images.decode(_encoded(_photo(8, 8), kind), MAX_PIXELS)


@pytest.mark.parametrize("data", [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x00" * 100])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(images.UnsupportedFormatError):
        images.decode(data, MAX_PIXELS)


@pytest.mark.parametrize("kept", [4, 20, 200, 20_000])
def test_a_photo_cut_off_is_undecodable(kept: int) -> None:
    with pytest.raises(images.UndecodableError):
        images.decode(CAT.read_bytes()[:kept], MAX_PIXELS)


@pytest.mark.parametrize("size", [(1001, 1000), (9_000, 9_000)])
def test_too_many_pixels_are_refused_by_the_header(size: tuple[int, int]) -> None:
    data = _encoded(Image.new("1", size), "PNG")
    started = time.perf_counter()
    with pytest.raises(images.TooManyPixelsError):
        images.decode(data, MAX_PIXELS)
    assert time.perf_counter() - started < 0.2
