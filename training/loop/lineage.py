"""Where a run's weights come from, and what of it may not change while it lasts."""

import secrets
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from training.config import ProjectConfig
from training.loop.errors import TrainingError

_LIBRARIES = ("numpy", "pillow", "safetensors", "scikit-learn", "torch", "torchvision")
# What decides where the data are read and how fast. The digest says whether they are the same.
_FREE = {"data.path", "data.download", "training.workers"}


def now() -> str:
    """Return the time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_run_id() -> str:
    """Return a name that sorts by time and is given once."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def library_versions() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}


def git_revision() -> str:
    """Return the commit of the work tree that this code is in, "+changes" where it was changed; "" outside of one."""
    tree = Path(__file__).parents[2]
    try:
        commit = _git(tree, "rev-parse", "HEAD")
        changed = _git(tree, "status", "--porcelain", "--", "training", "bundle")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit}+changes" if changed else commit


def check_same(before: dict[str, Any], now: ProjectConfig, digests: tuple[str, str] | None = None) -> None:
    """Compare what a run was started with, and what it is to go on with.

    Args:
        before: the configuration as JSON has it.
        digests: of the data, before and now.

    Raises:
        TrainingError: they differ; the message names the keys.
    """
    old, new = _flat(before), _flat(now.model_dump(mode="json"))
    changed = sorted(key for key in old.keys() | new.keys() if key not in _FREE and old.get(key) != new.get(key))
    differences = [f"{key} was {old.get(key)!r} and is {new.get(key)!r}" for key in changed]
    if digests and digests[0] != digests[1]:
        differences.append(f"the data were {digests[0][:19]}… and are {digests[1][:19]}…")
    if differences:
        raise TrainingError(f"this run was started otherwise: {'; '.join(differences)}. Choose another --output")


def _flat(document: Any, key: str = "") -> dict[str, Any]:
    if not isinstance(document, dict):
        return {key: document}
    return {
        name: value
        for child, content in document.items()
        for name, value in _flat(content, f"{key}.{child}" if key else child).items()
    }


def _git(tree: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(tree), *arguments], check=True, capture_output=True, text=True).stdout.strip()
