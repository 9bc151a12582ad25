"""Bundles for tests, exported by the project's own code and kept in .cache/ under the digest of that code.

What exports is imported only when something has to be exported: torch takes seconds.
"""

import fcntl
import functools
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
CAT = REPOSITORY / "tests" / "data" / "cat.jpg"
TINY_CLASSES = ["cat", "dog", "ferret", "goose", "hamster", "iguana"]


@functools.cache
def tiny_bundle() -> Path:
    """Return a real bundle of a network with some hundred weights, for 32x32 pixels and six classes."""
    return _cached("tiny", export_tiny)


@functools.cache
def iris_bundle() -> Path:
    """Return the real Iris bundle: four features, three classes."""
    return _cached("iris", lambda output: _export("iris", output))


@functools.cache
def fashion_bundle() -> Path:
    """Return the real Fashion-MNIST bundle: small photos, ten classes. Training it takes minutes."""
    return _cached("fashion", lambda output: _export("fashion", output))


@functools.cache
def efficientnet_bundle() -> Path:
    """Return the real EfficientNet-Lite0 bundle."""
    return _cached("efficientnet-lite0", lambda output: _export("efficientnet-lite0", output))


def copy_of_tiny(directory: Path) -> Path:
    """Return a copy of the tiny bundle that a test may damage."""
    return Path(shutil.copytree(tiny_bundle(), directory / "copy"))


def export_tiny(output: Path) -> None:
    from tests.models import tiny_model  # noqa: PLC0415 - imports torch, which takes seconds
    from training.export import export  # noqa: PLC0415 - the same

    export(tiny_model(), "0.1.0", output, lambda _: None)


def _export(name: str, output: Path) -> None:
    from training.export import export  # noqa: PLC0415 - the same
    from training.export.pretrained import MODELS  # noqa: PLC0415 - the same

    export(MODELS[name](), "1.0.0", output, print)


def _cached(name: str, make: Callable[[Path], None]) -> Path:
    path = REPOSITORY / ".cache" / "tests" / f"{name}-{_revision()}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for outdated in path.parent.glob(f"{name}-*"):
                shutil.rmtree(outdated)
            make(path)
    return path


def _revision() -> str:
    content = hashlib.sha256()
    for pattern in ("bundle/**/*.py", "training/**/*.py", "tests/bundles.py", "tests/models.py", "pyproject.toml"):
        for path in sorted(REPOSITORY.glob(pattern)):
            content.update(path.read_bytes())
    return content.hexdigest()[:12]
