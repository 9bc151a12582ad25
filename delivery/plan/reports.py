"""The reports that `make plan` and `make drift` leave of an environment."""

import json
import os
from pathlib import Path
from typing import Any

from delivery.errors import DeliveryError


def reports(environment: str) -> Path:
    """Return their directory."""
    return Path(os.environ.get("PLAN_DIRECTORY") or Path(".cache/plan") / environment)


def written(environment: str, name: str) -> tuple[dict[str, Any], str]:
    """Return the report of `make plan` or `make drift`, as data and as Markdown."""
    directory = reports(environment)
    try:
        report = json.loads((directory / f"{name}.json").read_text())
        return report, (directory / f"{name}.md").read_text()
    except FileNotFoundError:
        raise DeliveryError(f"there is no {name} of {environment} yet: make {name} ENV={environment}") from None
