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
    import torch  # noqa: PLC0415

    from bundle.manifest import ImageInput  # noqa: PLC0415
    from bundle.preprocessing import Preprocessing  # noqa: PLC0415
    from training.export import ModelToExport, export  # noqa: PLC0415
    from training.model_card import ModelCard  # noqa: PLC0415

    torch.manual_seed(3)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 5, stride=2),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU6(),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(32, len(TINY_CLASSES)),
    ).eval()
    card = ModelCard("Tiny", "For tests.", "Tests.", "anything else.", "None.", "None.", "None.")
    model = ModelToExport(
        name="tiny",
        network=network,
        classes=TINY_CLASSES,
        input=ImageInput(
            kind="image", preprocessing=Preprocessing(resize_shorter_side=36, interpolation="bilinear", crop=32)
        ),
        mean=(0.5, 0.4, 0.3),
        std=(0.2, 0.25, 0.3),
        weights_origin=Path(__file__),
        source="seeded random numbers",
        training_data="none",
        licence="CC0-1.0",
        metrics={},
        card=card,
    )
    export(model, "0.1.0", output, lambda _: None)


def _export(name: str, output: Path) -> None:
    from training.catalogue import MODELS  # noqa: PLC0415
    from training.export import export  # noqa: PLC0415

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
    for pattern in ("bundle/**/*.py", "training/**/*.py", "tests/bundles.py", "pyproject.toml"):
        for path in sorted(REPOSITORY.glob(pattern)):
            content.update(path.read_bytes())
    return content.hexdigest()[:12]
