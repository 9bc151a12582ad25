"""The labelled items that a project trains, validates and tests with, from wherever its configuration says."""

import os
from collections.abc import Callable
from pathlib import Path

from training.config import CsvData, FashionData, FolderData, ImageConfig, OxfordPetsData, ProjectConfig
from training.data import fashion, folder, oxford_pets, rows, s3
from training.data.doubts import doubts
from training.data.items import DataError, Found, Items
from training.data.splitting import Data, divide

__all__ = ["Data", "DataError", "Items", "load_all", "load_data"]

Say = Callable[[str], None]


def _quiet(_line: str) -> None:
    pass


def default_cache() -> Path:
    """Return where downloads and digests are kept: `pettracker` in the user's cache directory."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pettracker"


def load_data(config: ProjectConfig, override: str | None = None, cache: Path | None = None, say: Say = _quiet) -> Data:
    """Read what a project's configuration names, and split it.

    Args:
        override: directory or file, or s3://bucket/prefix, in place of the configuration's path.
        cache: where downloads are kept; None: `default_cache()`.
        say: takes lines about progress, and about what was left out or is odd.

    Raises:
        DataError: the data are missing, damaged or too few; the message names the file or row.
    """
    return divide(_found(config, override, cache or default_cache(), say), config.split, say)


def load_all(
    config: ProjectConfig, override: str | None = None, cache: Path | None = None, say: Say = _quiet
) -> tuple[Items, list[str], str, list[str]]:
    """Read the same and do not split it: items, classes, digest and names of features, as in Data.

    Raises:
        DataError: as `load_data`, but a class may have one item.
    """
    found = _found(config, override, cache or default_cache(), say)
    return found.items, found.classes, found.digest, found.feature_names


def _found(config: ProjectConfig, override: str | None, cache: Path, say: Say) -> Found:
    found = _find(config, override, cache, say)
    for line in doubts(found):
        say(line)
    return found


def _find(config: ProjectConfig, override: str | None, cache: Path, say: Say) -> Found:
    source = config.data
    location = override or source.path
    if isinstance(source, CsvData):
        return rows.read(_local(location, cache, say) if location else None, source.label)
    if not isinstance(config.input, ImageConfig):
        raise DataError("only csv has rows of features; the other sources are photos")
    preprocessing = config.input.preprocessing
    if isinstance(source, OxfordPetsData) and not location:
        location = str(cache / "oxford-iiit-pet")
    if not location:
        raise DataError("no data: name a folder of photos with --data, or in the configuration's data.path")
    path = _local(location, cache, say)
    match source:
        case FolderData():
            return folder.read(path, preprocessing, cache, say)
        case OxfordPetsData():
            # Never into a directory that --data names: a wrong name would cost 800 MB.
            return oxford_pets.read(path, source.download and not override, preprocessing, cache, say)
        case FashionData():
            return fashion.read(path, preprocessing)


def _local(location: str, cache: Path, say: Say) -> Path:
    return s3.fetch(location, cache, say) if location.startswith(s3.SCHEME) else Path(location).expanduser()
