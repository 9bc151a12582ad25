"""Decoding takes what people send, says what is wrong with the rest, and never spends more than the limits allow."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bundle.images import SCALING_MARGIN, ImageError, Limits, TooManyPixelsError, UndecodableError, inspect, read_pixels
from bundle.preprocessing import Preprocessing, prepare
from inference.settings import Settings
from tests.bundles import CAT, REPOSITORY
from tests.hostile_images import everything, hostile_images, odd_images
from tests.image_builders import encoded, exif, jpeg_segment, picture, png, with_segments

PREPROCESSING = Preprocessing(resize_shorter_side=64, interpolation="bilinear", crop=56)
PHOTOS = sorted((REPOSITORY / "training" / "golden_images").glob("*.jpg"))
SIDEWAYS = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


@pytest.mark.parametrize("name", odd_images())
def test_an_odd_image_gives_what_it_shows(name: str) -> None:
    sample = odd_images()[name]
    assert sample.picture is not None

    pixels = read_pixels(sample.data, PREPROCESSING, Limits())

    assert (pixels.dtype, pixels.shape) == (np.uint8, (56, 56, 3))
    assert _difference(pixels, prepare(sample.picture, PREPROCESSING)).mean() <= sample.tolerance


@pytest.mark.parametrize("name", hostile_images())
def test_a_hostile_file_is_refused_for_what_it_is(name: str) -> None:
    sample = hostile_images()[name]
    with pytest.raises(ImageError) as raised:
        read_pixels(sample.data, PREPROCESSING, Limits())
    assert raised.type is sample.error


def test_no_file_makes_decoding_spend_memory(tmp_path: Path) -> None:
    for number, sample in enumerate(everything().values()):
        (tmp_path / f"{number:03}").write_bytes(sample.data)
    program = """
import pathlib, resource, sys
from bundle.images import SCALING_MARGIN, ImageError, Limits, read_pixels
from bundle.preprocessing import Preprocessing
from PIL import Image
Image.init()
preprocessing = Preprocessing(resize_shorter_side=64, interpolation="bilinear", crop=56)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        read_pixels(path.read_bytes(), preprocessing, Limits())
    except ImageError:
        pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    ran = subprocess.run([sys.executable, "-c", program, tmp_path], cwd=REPOSITORY, capture_output=True, check=True)
    assert int(ran.stdout) < 50  # MB; the 81 megapixels in 10 KB would take more
    assert ran.stderr == b""


@given(
    data=st.data(),
    name=st.sampled_from(sorted(everything())),
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from(["set", "cut", "insert", "repeat"]), st.binary(min_size=1, max_size=8)),
        min_size=1,
        max_size=8,
    ),
)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_the_bytes_the_answer_is_pixels_or_an_image_error(
    data: st.DataObject, name: str, edits: list[tuple[float, str, bytes]]
) -> None:
    mutated = bytearray(everything()[name].data[:20_000])
    # Headers are the interesting part: half of the edits go there.
    reach = min(len(mutated), data.draw(st.sampled_from([64, 700, 20_000])))
    for where, edit, new in edits:
        at = int(where * reach)
        if edit == "set":
            mutated[at : at + len(new)] = new
        elif edit == "cut":
            del mutated[at : at + len(new) ** 3]
        elif edit == "insert":
            mutated[at:at] = new
        else:
            mutated[at:at] = mutated[at : at + len(new) ** 3]
    try:
        pixels = read_pixels(bytes(mutated), PREPROCESSING, Limits(max_pixels=1_000_000, max_side=5000))
    except ImageError as error:
        assert str(error).endswith(".")
    else:
        assert (pixels.dtype, pixels.shape) == (np.uint8, (56, 56, 3))


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
def test_a_photo_that_needs_no_scaling_gives_what_pillow_gives(photo: Path) -> None:
    preprocessing = Preprocessing(resize_shorter_side=256, interpolation="bicubic", crop=224)
    expected = prepare(Image.open(photo).convert("RGB"), preprocessing)
    assert np.array_equal(read_pixels(photo.read_bytes(), preprocessing, Limits()), expected)


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
def test_scaled_decoding_is_close_to_full_decoding(photo: Path, interpolation: str, factor: int) -> None:
    image = Image.open(photo).convert("RGB")
    # The least that the decoder may leave for resizing; the more it leaves, the closer to full decoding.
    shorter = int(min(image.size) // factor / SCALING_MARGIN)
    preprocessing = Preprocessing(resize_shorter_side=shorter, interpolation=interpolation, crop=shorter * 7 // 8)
    difference = _difference(read_pixels(photo.read_bytes(), preprocessing, Limits()), prepare(image, preprocessing))
    assert 0 < difference.mean() <= 2.5
    assert np.quantile(difference, 0.99) <= 15


@pytest.mark.parametrize("orientation", SIDEWAYS)
@pytest.mark.parametrize("size", [(640, 427), (427, 640), (451, 300), (333, 100)])
def test_a_photo_taken_sideways_gives_the_pixels_of_the_upright_one(orientation: int, size: tuple[int, int]) -> None:
    preprocessing = Preprocessing(resize_shorter_side=64, interpolation="bicubic", crop=57)
    upright = Image.open(CAT).resize(size)
    stored = encoded(upright.transpose(SIDEWAYS[orientation]), "PNG", exif=b"Exif\0\0" + exif(orientation))
    # Pillow rounds between its two passes, of which a turned picture swaps the order.
    assert _difference(read_pixels(stored, preprocessing, Limits()), prepare(upright, preprocessing)).max() <= 2


def test_a_scaled_photo_taken_sideways_gives_the_pixels_of_the_upright_one() -> None:
    # 1203x803 is no multiple of the scale: the decoder pads, on other sides of the upright photo.
    preprocessing = Preprocessing(resize_shorter_side=100, interpolation="bilinear", crop=99)
    upright = Image.open(CAT).resize((1203, 803), Image.Resampling.BICUBIC)
    for orientation, turn in SIDEWAYS.items():
        jpeg = encoded(upright.transpose(turn), "JPEG", quality=95, subsampling=0)
        sideways = with_segments(jpeg, jpeg_segment(0xE1, b"Exif\0\0" + exif(orientation)))
        difference = _difference(read_pixels(sideways, preprocessing, Limits()), prepare(upright, preprocessing))
        assert difference.mean() <= 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_limits_are_the_largest_that_is_accepted(kind: str) -> None:
    data = encoded(picture(60, 40), kind)
    read_pixels(data, PREPROCESSING, Limits(max_pixels=2400, max_side=60))
    with pytest.raises(TooManyPixelsError, match=r"60x40 pixels; at most 2,399"):
        read_pixels(data, PREPROCESSING, Limits(max_pixels=2399, max_side=60))
    with pytest.raises(TooManyPixelsError, match=r"60x40 pixels; a side may have at most 59"):
        read_pixels(data, PREPROCESSING, Limits(max_pixels=2400, max_side=59))


@pytest.mark.parametrize("size", [(8160, 6144), (8192, 6144), (8688, 5792), (8272, 6200)])
def test_photos_of_cameras_of_50_megapixels_are_not_too_large(size: tuple[int, int]) -> None:
    served = Settings()
    assert inspect(png(size, b""), Limits(served.max_pixels, served.max_side)).pixels <= Limits().max_pixels


def test_limits_beyond_pillows_own_end_at_those() -> None:
    with pytest.raises(TooManyPixelsError):
        read_pixels(png((20_000, 9000), b""), PREPROCESSING, Limits(max_pixels=10**9))


def test_the_error_says_what_is_wrong() -> None:
    with pytest.raises(UndecodableError, match="more than 50 scans"):
        read_pixels(hostile_images()["jpeg-scan-bomb"].data, PREPROCESSING, Limits())


def _difference(pixels: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return by how many of 255 steps each value differs."""
    return np.abs(pixels.astype(int) - expected)
