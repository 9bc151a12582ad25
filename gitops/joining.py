"""The parts of a plan that were made side by side, as one plan; the rules are the callback's, in plugins/module_utils."""

import json
from collections.abc import Sequence
from pathlib import Path

import ansible.module_utils

from gitops.errors import GitOpsError

# As inside a module of Ansible, the project's module_utils are part of this package.
ansible.module_utils.__path__.append(str(Path(__file__).parents[1] / "plugins/module_utils"))

from ansible.module_utils.plan import from_json, joined  # noqa: E402 - only now is it found
from ansible.module_utils.plan_text import reports, terminal  # noqa: E402 - the same

# What Ansible calls a colour, as click calls it.
COLOURS = {"purple": "magenta", "bright red": "bright_red"}
Line = tuple[str, str | None]


def join(parts: Sequence[Path]) -> tuple[dict[str, str], list[Line]]:
    """Return the reports by the names of their files, and what a terminal shows: lines with click's colours, or "bold".

    Raises:
        GitOpsError: a part is missing.
    """
    missing = [path.stem for path in parts if not path.exists()]
    if missing:
        raise GitOpsError(f"the plan of {' and '.join(missing)} ended before it was written; what it said is above")
    plan = joined([from_json(json.loads(path.read_text())) for path in parts])
    return reports(plan, "plan"), [(line, COLOURS.get(colour, colour)) for line, colour in terminal(plan)]
