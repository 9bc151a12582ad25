"""Files of photos: every one is decoded once, to find the damaged ones and the same photo under several names."""

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from bundle.preprocessing import Preprocessing
from training.data.items import DataError, Found, PhotoFiles, read_upright
from training.data.progress import progress

Say = Callable[[str], None]

# A few damaged photos among many are left out with a warning; more than that says that something is wrong with all of them.
MOST_DAMAGED = 0.01


@dataclass(frozen=True)
class _Examined:
    file: str
    pixels: str
    problem: str = ""


def examined(
    files: list[Path],
    labels: list[int],
    ids: list[str],
    classes: list[str],
    *,
    preprocessing: Preprocessing,
    cache: Path,
    say: Say,
    own_test: NDArray[np.bool_] | None = None,
) -> Found:
    """Return the photos that can be decoded, with the digests of their pixels.

    Args:
        cache: directory in which the digests are kept, so that the second reading decodes nothing.

    Raises:
        DataError: more than one photo of a hundred is damaged.
    """
    known_file = cache / f"pixels-of-whole-photos-pillow-{PIL.__version__}.json"
    known = _known(known_file)
    with ThreadPoolExecutor(os.cpu_count()) as threads, progress("Reading photos", len(files)) as advance:
        results = []
        for result in threads.map(lambda path: _examine(path, known), files):
            results.append(result)
            advance(1)
    _remember(known_file, known, {result.file: result.pixels for result in results if result.pixels})
    problems = [result.problem for result in results if result.problem]
    if len(problems) > MOST_DAMAGED * len(files):
        named = "; ".join(problems[:3])
        raise DataError(f"{len(problems):,} of {len(files):,} photos cannot be used: {named}")
    if problems:
        say(f"{len(problems):,} photos cannot be used and are left out: {'; '.join(problems[:10])}")
    kept = np.array([not result.problem for result in results])
    items = PhotoFiles(files, labels, ids, preprocessing).subset(np.flatnonzero(kept))
    digests = [bytes.fromhex(result.pixels) for result in results if not result.problem]
    return Found(items, classes, digests, [], None if own_test is None else own_test[kept])


def _examine(path: Path, known: dict[str, str]) -> _Examined:
    try:
        file = hashlib.sha256(path.read_bytes()).hexdigest()
        return _Examined(file, known.get(file) or _pixels_digest(path))
    except OSError as error:
        return _Examined("", "", f"{path}: {error.strerror}")
    except DataError as error:
        return _Examined("", "", str(error))


def _pixels_digest(path: Path) -> str:
    image = read_upright(path)
    return hashlib.sha256(b"%dx%d:" % image.size + image.tobytes()).hexdigest()


def _known(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(path: Path, known: dict[str, str], found: dict[str, str]) -> None:
    if found.items() <= known.items():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(known | found))
    part.replace(path)
