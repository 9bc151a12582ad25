"""Which files below a folder are photos: for training, and for the samples of an export or an import alike."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from PIL import Image

from bundle.image_headers import Kind
from training.data.items import DataError

# Whatever Pillow calls files of the formats that the service takes: .jfif is what Chrome on Windows makes of a JPEG.
SUFFIXES = frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in get_args(Kind))
# What systems lay beside photos, in lower case, besides what begins with a dot: macOS, Windows, Synology (thumbnails), Linux.
# https://github.com/github/gitignore/blob/main/Global/Windows.gitignore
_OF_SYSTEMS = frozenset(
    {"__macosx", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin"}
    | {"system volume information", "@eadir", "#recycle", "lost+found"}
)
_NAMED = 5


@dataclass(frozen=True)
class Listing:
    """What is below a folder, sorted.

    Attributes:
        others: files that are no photos by their names, and links to folders, which are not followed.
    """

    photos: list[Path]
    others: list[Path]


def photos_below(folder: Path) -> Listing:
    """List the photos in a folder and its subfolders. What systems lay beside them is passed over.

    Raises:
        DataError: a folder cannot be read, or a name is not UTF-8: neither reports nor bundles could name the photo.
    """
    photos: list[Path] = []
    others: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not passed_over(name)]
        for path in (Path(parent, name) for name in files if not passed_over(name)):
            (photos if path.suffix.lower() in SUFFIXES else others).append(path)
        others += [path for path in (Path(parent, name) for name in folders) if path.is_symlink()]
    check_names(photos, folder)
    return Listing(sorted(photos), sorted(others))


def passed_over(name: str) -> bool:
    """Return whether a file or folder of that name is a system's or a tool's, and nobody's photo."""
    return name.startswith(".") or name.lower() in _OF_SYSTEMS


def check_names(paths: Iterable[Path], folder: Path) -> None:
    """See that the names of what is below a folder are text.

    Raises:
        DataError: it names the first that is not UTF-8.
    """
    for path in paths:
        try:
            str(path.relative_to(folder)).encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{shown(path)}: this name is not UTF-8, as of a file that was packed on another system: rename it"
            ) from None


def shown(path: Path) -> str:
    r"""Return a path as text; bytes that are none in UTF-8 become \xNN."""
    return os.fsencode(path).decode(errors="backslashreplace")


def named(paths: list[Path], folder: Path) -> str:
    """Return the first few of what is below a folder, and how many more there are."""
    return some([shown(path.relative_to(folder)) for path in paths])


def some(names: list[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def left_out(others: list[Path], folder: Path) -> list[str]:
    """Return a line that names what is no photo, where there is any."""
    if not others:
        return []
    return [f"{len(others):,} files are no JPEG, PNG or WebP by their names: left out ({named(others, folder)})"]


def _refuse(error: OSError) -> None:
    raise DataError(f"{shown(Path(error.filename))} cannot be read: {error.strerror}") from None
