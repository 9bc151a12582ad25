"""Photos in one folder for each class."""

from pathlib import Path

from bundle.preprocessing import Preprocessing
from training.data.items import DataError, Found
from training.data.photos import Say, examined

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")


def read(path: Path, preprocessing: Preprocessing, cache: Path, say: Say) -> Found:
    """Read `<path>/<class>/.../<photo>`. Classes are sorted by name; what begins with a dot is passed over.

    Raises:
        DataError
    """
    if not path.is_dir():
        raise DataError(f"{path} is no folder; it has to hold one folder of photos for each class")
    folders = sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))
    if len(folders) < 2:
        raise DataError(
            f"{path} has to hold one folder of photos for each class, and at least two; it has {len(folders)}"
        )
    files, labels, others = [], [], 0
    for label, folder in enumerate(folders):
        visible = [
            each
            for each in sorted(folder.rglob("*"))
            if each.is_file() and not any(part.startswith(".") for part in each.relative_to(folder).parts)
        ]
        photos = [each for each in visible if each.suffix.lower() in SUFFIXES]
        if not photos:
            raise DataError(f"{folder} holds no JPEG, PNG or WebP photo: remove the folder, or add photos")
        others += len(visible) - len(photos)
        files += photos
        labels += [label] * len(photos)
    if others:
        say(f"{others:,} files are no JPEG, PNG or WebP by their names: left out")
    ids = [each.relative_to(path).as_posix() for each in files]
    return examined(
        files, labels, ids, [each.name for each in folders], preprocessing=preprocessing, cache=cache, say=say
    )
