"""What every contender gets: two photos, the eager network's weights, and the bundle. Made once, kept in .cache/bench."""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.load import Request, body_of
from benchmarks.serving.photos import SIZES, write_photo
from benchmarks.serving.processes import REPOSITORY

CACHE = REPOSITORY / ".cache" / "bench"


@dataclass(frozen=True)
class Inputs:
    """Paths of what is served and sent."""

    bundle: Path
    weights: Path
    photos: dict[str, Path]

    def request(self, photo: str, port: int, path: str, form_field: str | None) -> Request:
        """Return the request that posts a photo, with its body in a file."""
        body, content_type = body_of(self.photos[photo].read_bytes(), form_field)
        file = self.photos[photo].with_suffix(f".{form_field or 'raw'}")
        if not file.exists() or file.read_bytes() != body:
            file.write_bytes(body)
        return Request(f"http://127.0.0.1:{port}{path}", file, content_type)


def prepare(bundle: Path | None = None) -> Inputs:
    """Make what is missing; the export takes a minute, and is made anew when the code that exports has changed.

    Args:
        bundle: a bundle of the same network that is there already.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    weights, bundle = CACHE / "resnet-50.safetensors", bundle or CACHE / f"resnet-50-{_revision()}"
    if not bundle.exists():
        for outdated in CACHE.glob("resnet-50-*"):
            shutil.rmtree(outdated)
    if not bundle.exists() or not weights.exists():
        subprocess.run(
            [sys.executable, "-m", "benchmarks.serving.export", str(weights), str(bundle)], check=True, cwd=REPOSITORY
        )
    return Inputs(bundle, weights, {name: write_photo(name, CACHE / f"{name}.jpg") for name in SIZES})


def _revision() -> str:
    content = hashlib.sha256()
    for pattern in ("bundle/**/*.py", "training/**/*.py", "benchmarks/serving/network.py", "benchmarks/serving/export.py"):
        for path in sorted(REPOSITORY.glob(pattern)):
            content.update(path.read_bytes())
    return content.hexdigest()[:12]
