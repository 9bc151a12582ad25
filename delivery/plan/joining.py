"""The parts of a plan that were made side by side, as one plan; the rules are the collection's."""

import json
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.pettracker.aws.plugins.module_utils.plan.changes import from_json, joined
from ansible_collections.pettracker.aws.plugins.module_utils.plan.text import reports, terminal

from delivery.errors import DeliveryError

# What Ansible calls a colour, as click calls it.
COLOURS: dict[str | None, str | None] = {"purple": "magenta", "bright red": "bright_red"}
Line = tuple[str, str | None]


def join(parts: Sequence[Path]) -> tuple[dict[str, str], list[Line]]:
    """Return the reports by the names of their files, and what a terminal shows: lines with click's colours, or "bold".

    Raises:
        DeliveryError: a part is missing.
    """
    missing = [path.stem for path in parts if not path.exists()]
    if missing:
        raise DeliveryError(f"the plan of {' and '.join(missing)} ended before it was written; what it said is above")
    plan = joined([from_json(json.loads(path.read_text())) for path in parts])
    return reports(plan, "plan"), [(line, COLOURS.get(colour, colour)) for line, colour in terminal(plan)]
