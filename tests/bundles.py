"""Bundles for tests, exported by the project's own code and kept in .cache/ under the digest of that code.

What exports is imported only when something has to be exported: torch takes seconds.
"""

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
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
def iris_run() -> Path:
    """Return the run of the packaged configuration `iris`, trained and evaluated. Do not change it: copy it."""
    return _cached("run-of-iris", lambda output: _train("iris", output))


@functools.cache
def iris_bundle() -> Path:
    """Return the Iris bundle, exported from its run: four features, three classes."""
    return _cached("iris", lambda output: _export(iris_run(), output))


@functools.cache
def fashion_run() -> Path:
    """Return the run of the packaged configuration `fashion`, trained and evaluated. It takes many minutes."""
    return _cached("run-of-fashion", lambda output: _train("fashion", output))


@functools.cache
def fashion_bundle() -> Path:
    """Return the Fashion-MNIST bundle, exported from its run: small photos, ten classes."""
    return _cached("fashion", lambda output: _export(fashion_run(), output))


@functools.cache
def efficientnet_bundle() -> Path:
    """Return the EfficientNet-Lite0 bundle, which the rehearsal serves too: it is exported once for both."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = REPOSITORY / "scripts" / "export-model"
    return Path(subprocess.run([script], check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout.strip())


def copy_of_tiny(directory: Path) -> Path:
    """Return a copy of the tiny bundle that a test may damage."""
    return Path(shutil.copytree(tiny_bundle(), directory / "copy"))


def export_tiny(output: Path) -> None:
    from tests.models import tiny_model  # noqa: PLC0415 - imports torch, which takes seconds
    from training.export import export  # noqa: PLC0415 - the same

    export(tiny_model(), "0.1.0", output, lambda _: None)


def _train(config: str, output: Path) -> None:
    _command("train", config, "--output", output)
    _command("evaluate", output)


def _export(run: Path, output: Path) -> None:
    _command("export", run, "--version", "1.0.0", "--output", output)


def _command(*arguments: str | Path) -> None:
    # In a process of its own, as people run it; whoever runs the tests sees what it says.
    subprocess.run([sys.executable, "-m", "training", *map(str, arguments)], check=True, cwd=REPOSITORY)


def _cached(name: str, make: Callable[[Path], None]) -> Path:
    path = REPOSITORY / ".cache" / "tests" / f"{name}-{_revision()}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for outdated in path.parent.glob(f"{name}-*"):
                shutil.rmtree(outdated)
            # Until it is whole, it has another name: a training that is interrupted leaves its directory.
            part = path.with_name(f"part-of-{path.name}")
            shutil.rmtree(part, ignore_errors=True)
            make(part)
            part.rename(path)
    return path


def _revision() -> str:
    content = hashlib.sha256()
    for pattern in (
        *("bundle/**/*.py", "training/**/*.py", "training/configs/*.yml"),
        *("tests/bundles.py", "tests/models.py", "pyproject.toml"),
    ):
        for path in sorted(REPOSITORY.glob(pattern)):
            content.update(path.read_bytes())
    return content.hexdigest()[:12]
