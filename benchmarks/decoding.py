"""Milliseconds of CPU from a photo's bytes to the model's input: this project's decoding against Pillow used plainly.

"Plain" is what examples of serving show, and what torchvision's Resize and CenterCrop do with a Pillow image: decode all of
it, turn it upright, resize all of it, then crop. Both take turns within one run, in one thread.
"""

import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.serving import photos
from bundle.images import Limits, read_pixels
from bundle.preprocessing import FILTERS, Preprocessing


def plain(data: bytes, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Decode as most services do: uint8 of shape (crop, crop, 3)."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    scale = preprocessing.resize_shorter_side / min(image.size)
    size = (int(image.width * scale), int(image.height * scale))
    image = image.resize(size, FILTERS[preprocessing.interpolation])
    left, top = (round((side - preprocessing.crop) / 2) for side in image.size)
    return np.asarray(image.crop((left, top, left + preprocessing.crop, top + preprocessing.crop)))


def sideways(jpeg: bytes) -> bytes:
    """Return the photo as a phone writes it that was held upright: EXIF says that it lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.open(io.BytesIO(jpeg)).save(stream, "JPEG", quality="keep", exif=exif)
    return stream.getvalue()


def paired_milliseconds(calls: list[Callable[[], object]], runs: int) -> list[float]:
    """Return the median milliseconds of this thread's CPU that each call takes; the calls take turns."""
    spent: list[list[float]] = [[] for _ in calls]
    for run in range(runs + 1):
        for call, times in zip(calls, spent, strict=True):
            started = time.thread_time()
            call()
            if run:  # the first warms up
                times.append((time.thread_time() - started) * 1e3)
    return [statistics.median(times) for times in spent]


@click.command(help=__doc__)
@click.option("--runs", default=30, show_default=True, type=click.IntRange(1, 1000))
@click.option("--interpolation", default="bilinear", show_default=True, type=click.Choice(sorted(FILTERS)))
def main(runs: int, interpolation: str) -> None:
    """Print both medians for each photo, and how many times faster this project's decoding is."""
    preprocessing = Preprocessing(resize_shorter_side=256, interpolation=interpolation, crop=224)
    with tempfile.TemporaryDirectory() as directory:
        small, large = (photos.write_photo(name, Path(directory) / name).read_bytes() for name in ("small", "large"))
    click.echo(f"{'photo':26} {'MB':>5} {'plain':>9} {'here':>9} {'times faster':>13}")
    for name, photo in (("640x480", small), ("4000x3000", large), ("4000x3000, held upright", sideways(large))):
        calls = [lambda p=photo: plain(p, preprocessing), lambda p=photo: read_pixels(p, preprocessing, Limits())]
        theirs, ours = paired_milliseconds(calls, runs)
        click.echo(f"{name:26} {len(photo) / 1e6:5.1f} {theirs:6.1f} ms {ours:6.1f} ms {theirs / ours:13.2f}")


if __name__ == "__main__":
    main()
