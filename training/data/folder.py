"""Photos in one folder for each class."""

import re
from pathlib import Path

from bundle.preprocessing import Preprocessing
from training.data.items import DataError, Found
from training.data.listing import check_names, left_out, named, passed_over, photos_below, shown, some
from training.data.photos import Say, examined

# What the parts of a split are called where people split photos themselves: train, test_set, Validation Data, val2017.
_PART = re.compile(
    r"([^\W_]+[ _-])?(train|training|val|valid|validation|dev|test|testing|eval|evaluation)([ _-]?(set|data|images|split))?\d*",
    re.IGNORECASE,
)


def read(path: Path, preprocessing: Preprocessing, cache: Path, say: Say) -> Found:
    """Read `<path>/<class>/.../<photo>`. Classes are sorted by name; what systems lay beside photos is passed over.

    Raises:
        DataError
    """
    if not path.is_dir():
        raise DataError(f"{shown(path)} is no folder; it has to hold one folder of photos for each class")
    folders, others = _look(path)
    for line in _alike_inside(folders):
        say(line)
    files, labels = [], []
    for label, folder in enumerate(folders):
        listing = photos_below(folder)
        if not listing.photos:
            instead = f" but {named(listing.others, folder)}" if listing.others else ""
            raise DataError(f"{folder} holds no JPEG, PNG or WebP photo{instead}: remove the folder, or add photos")
        others += listing.others
        files += listing.photos
        labels += [label] * len(listing.photos)
    for line in left_out(others, path):
        say(line)
    ids = [each.relative_to(path).as_posix() for each in files]
    return examined(files, labels, ids, [each.name for each in folders], preprocessing=preprocessing, cache=cache, say=say)


def is_part(name: str) -> bool:
    """Return whether the parts of a split are called so."""
    return _PART.fullmatch(name) is not None


def _look(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders of the classes, and what lies beside them and belongs to no class.

    Raises:
        DataError: there are too few, one has a name that is no text, or they are the parts of a split.
    """
    try:
        found = sorted(each for each in path.iterdir() if not passed_over(each.name))
    except OSError as error:
        raise DataError(f"{shown(path)} cannot be read: {error.strerror}") from None
    folders = [each for each in found if each.is_dir()]
    check_names(folders, path)
    if parts := _parts(folders):
        largest = next((each for each in parts if "train" in each.name.lower()), parts[0])
        raise DataError(
            f"{path} holds {some([each.name for each in parts])}: parts of a split, and no classes. Photos are split here by "
            f"their content (split.validation and split.test): name one part with --data {largest}, or put the photos of "
            "each class from all parts into one folder"
        )
    if len(folders) < 2:
        inside = f"; is it --data {folders[0]}?" if folders and _folders_in(folders[0]) else ""
        raise DataError(
            f"{path} has to hold one folder of photos for each class, and at least two; it has {len(folders)}{inside}"
        )
    return folders, [each for each in found if not each.is_dir()]


def _parts(folders: list[Path]) -> list[Path]:
    """Return the folders that are parts of a split: all are called so, or some are that hold folders of the same names."""
    called = [each for each in folders if is_part(each.name)]
    if called == folders:
        return called if any(map(_folders_in, called)) else []
    return called if len(called) > 1 and set.intersection(*map(_folders_in, called)) else []


def _alike_inside(folders: list[Path]) -> list[str]:
    """Say that classes hold the same folders, as parts of a split do whatever they are called."""
    inside = [_folders_in(each) for each in folders]
    if len(inside) < 2 or len(inside[0]) < 2 or any(names != inside[0] for names in inside):
        return []
    return [
        f"{some([each.name for each in folders])} are taken for the classes, and each holds {some(sorted(inside[0]))}: "
        "if those are the classes, name one folder that holds them with --data"
    ]


def _folders_in(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir() if each.is_dir() and not passed_over(each.name)}
