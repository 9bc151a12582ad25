"""Which code made a bundle."""

import hashlib
import json
from pathlib import Path


def code_revision() -> str:
    """Return a digest of the sources that make bundles: what was exported by the same code has the same revision."""
    content = hashlib.sha256()
    packages = Path(__file__).parents[2]
    for path in sorted([*(packages / "bundle").rglob("*.py"), *(packages / "training").rglob("*.py")]):
        content.update(json.dumps([path.relative_to(packages).as_posix(), path.read_text(encoding="utf-8")]).encode())
    return f"sha256:{content.hexdigest()}"
