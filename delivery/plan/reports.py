"""The reports that `make plan` and `make drift` leave of an environment."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from delivery.errors import DeliveryError

# What Ansible calls a colour, as click calls it.
COLOURS: dict[str | None, str | None] = {"purple": "magenta", "bright red": "bright_red"}


def report_directory(environment: str) -> Path:
    """Return their directory."""
    return Path(os.environ.get("PLAN_DIRECTORY") or Path(".cache/plan") / environment)


def read_report(environment: str, name: str) -> tuple[dict[str, Any], str]:
    """Return the report of `make plan` or `make drift`, as data and as Markdown."""
    directory = report_directory(environment)
    try:
        report = json.loads((directory / f"{name}.json").read_text())
        return report, (directory / f"{name}.md").read_text()
    except FileNotFoundError:
        raise DeliveryError(f"there is no {name} of {environment} yet: make {name} ENV={environment}") from None


def join(parts: Sequence[Path]) -> tuple[dict[str, str], list[tuple[str, str | None]]]:
    """Make one plan of parts that were made side by side. Raises DeliveryError where a part is missing.

    Returns:
        The reports by the names of their files, and what a terminal shows: lines with click's colours, or "bold".
    """
    from ansible_collections.pettracker.aws.plugins.module_utils.plan import changes, text  # noqa: PLC0415 - Ansible starts first

    missing = [path.stem for path in parts if not path.exists()]
    if missing:
        raise DeliveryError(f"the plan of {' and '.join(missing)} ended before it was written; what it said is above")
    whole = changes.joined([changes.from_json(json.loads(path.read_text())) for path in parts])
    return text.reports(whole, "plan"), [(line, COLOURS.get(colour, colour)) for line, colour in text.terminal(whole)]
