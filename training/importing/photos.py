"""The labels and the sample photos that come with a model from elsewhere."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.preprocessing import Preprocessing
from training.data.items import DataError, read_upright
from training.data.listing import left_out, photos_below
from training.export.programs import Say
from training.export.samples import Samples

_GOLDEN_PHOTOS = 6


class SampleError(ValueError):
    """The labels or photos are of no use; the message says why."""


@dataclass(frozen=True)
class Brought:
    """Photos that calibrate and measure, and a few for the golden set: RGB uint8 (height, width, 3), by name."""

    samples: Samples
    golden: dict[str, NDArray[np.uint8]]


def read_labels(path: Path, say: Say) -> list[str]:
    """Read one class a line, in the order of the model's outputs; numbers that only count the lines, from 0, are left out.

    Raises:
        SampleError: fewer than two, or one twice.
    """
    try:
        # Notepad and Excel begin UTF-8 with a byte order mark.
        labels = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise SampleError(f"{path} is no text file of UTF-8; it has to hold one class a line") from None
    if len(labels) < 2:
        raise SampleError(f"{path} has to name at least two classes, one a line")
    # As Teachable Machine writes them: "0 cat", "1 dog".
    counted = [re.fullmatch(rf"{number}\s+(\S.*)", label) for number, label in enumerate(labels)]
    names = [found[1] for found in counted if found]
    if len(set(names)) == len(labels):
        say(f"{path} counts its lines: {labels[0]!r} is taken for {names[0]!r}, and so on")
        labels = names
    alike = Counter(_form(label) for label in labels)
    repeated = sorted({label for label in labels if alike[_form(label)] > 1})
    if repeated:
        raise SampleError(f"{path} names {', '.join(repeated[:3])} more than once")
    return labels


def _form(name: str) -> str:
    """Return a name in one of the ways in which Unicode writes it: macOS writes an accent apart from its letter."""
    return unicodedata.normalize("NFC", name)


def read_photos(directory: Path, labels: list[str], preprocessing: Preprocessing, say: Say) -> Brought:
    """Read the photos below a directory. Where it holds folders, they have to be named for classes: that labels the photos.

    Raises:
        SampleError: a folder is named for no class, or a photo cannot be read, or there are too few.
    """
    try:
        listing = photos_below(directory)
        for line in left_out(listing.others, directory):
            say(line)
        paths = listing.photos
        samples = Samples.from_images(paths, preprocessing)
        files = samples.evaluation_files
        chosen = sorted({int(index) for index in np.linspace(0, len(files) - 1, min(_GOLDEN_PHOTOS, len(files)))})
        golden = {f"photo-{number}": np.asarray(read_upright(files[index])) for number, index in enumerate(chosen)}
    except (DataError, ValueError) as error:
        raise SampleError(str(error)) from None
    if any(len(path.relative_to(directory).parts) > 1 for path in paths):
        samples = samples.labelled([_label(path.relative_to(directory), directory, labels) for path in files])
    return Brought(samples, golden)


def _label(path: Path, directory: Path, labels: list[str]) -> int:
    folder = path.parts[0]
    # Folders may be named as a file of labels counts its lines.
    counted = {_form(f"{index} {label}"): index for index, label in enumerate(labels)}
    index = (counted | {_form(label): index for index, label in enumerate(labels)}).get(_form(folder))
    if len(path.parts) == 1 or index is None:
        where = f"{directory / path} is in no folder" if len(path.parts) == 1 else f"{directory / folder} is no class"
        raise SampleError(
            f"{where}: folders of sample photos are named for the classes ({', '.join(labels[:3])}, …); photos without "
            "labels lie in the directory itself"
        )
    return index
