"""Refuses variables that would be silently ignored, before anything is touched.

These look like a role's but no role documents them. Or an inventory sets a role's variable for some hosts only: a plan,
which knows no hosts yet, would be made without it.
"""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase

# How alike (0 to 1, difflib's ratio) a name must be to a documented one to be taken for a slip of the keyboard. At 0.92
# `vcp_nat_per_zone` is one for `vpc_nat_per_zone`, while `service_port` is none for `inference_service_port`.
SLIP = 0.92


def documented_variables(roles: Path) -> dict[str, set[str]]:
    """Returns, for each role below `roles`, the variables of every entry point of its `meta/argument_specs.yml`."""
    documented: dict[str, set[str]] = {}
    for specification in sorted(roles.glob("*/meta/argument_specs.yml")):
        entry_points = yaml_load(specification.read_text())["argument_specs"].values()
        documented[specification.parent.parent.name] = {
            option for entry_point in entry_points for option in entry_point.get("options", {})
        }
    return documented


def complaints(names: Iterable[str], documented: Mapping[str, set[str]]) -> list[str]:
    """Returns one sentence for each of `names` that is a mistake.

    A mistake begins with a role's name and is not documented, or is a documented name with letters exchanged. What a
    role publishes for the roles after it is named `<role>_result` and is no mistake.
    """
    every = sorted({name for variables in documented.values() for name in variables})
    allowed = set(every) | {f"{role}_result" for role in documented}
    found = []
    for name in sorted(set(names) - allowed):
        owner = next((role for role in sorted(documented, key=len, reverse=True) if name.startswith(f"{role}_")), None)
        near = difflib.get_close_matches(name, every, n=1, cutoff=0.6 if owner else SLIP)
        if owner:
            advice = f"write {near[0]}" if near else f"see roles/{owner}/meta/argument_specs.yml"
            found.append(f"{name} is not a variable of the role {owner}: {advice}.")
        elif near:
            found.append(f"{name} is not a known variable: write {near[0]}.")
    return found


def misplaced(inventory: Mapping[str, Iterable[str]], documented: Mapping[str, set[str]]) -> list[str]:
    """Returns one sentence for each role's variable that an inventory's files, by their names, set for some hosts only."""
    every = {name for variables in documented.values() for name in variables}
    return [
        f"{name} in {file} is seen by those hosts alone, and not by a plan: move it to group_vars/all."
        for file, names in sorted(inventory.items())
        for name in sorted(set(names) & every)
    ]


class ActionModule(ActionBase):
    """Runs on the controller without starting a module; takes no arguments."""

    _VALID_ARGS: frozenset[str] = frozenset()

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        names = {name for name in task_vars or {} if not name.startswith(("ansible_", "__"))}
        documented: dict[str, set[str]] = {}
        for directory in C.config.get_config_value("DEFAULT_ROLES_PATH"):
            documented |= documented_variables(Path(directory))
        mistakes = complaints(names, documented) + misplaced(self._for_some_hosts(), documented)
        if mistakes:
            raise AnsibleActionFail(" ".join(mistakes))
        return result | {"changed": False}

    def _for_some_hosts(self) -> dict[str, set[str]]:
        """Returns the variables of each of the inventories' files for some hosts only."""
        files: set[Path] = set()
        for source in map(Path, context.CLIARGS["inventory"]):
            directory = source if source.is_dir() else source.parent
            of_groups = set(directory.glob("group_vars/**/*.yml"))
            of_groups -= {*directory.glob("group_vars/all/*.yml"), directory / "group_vars/all.yml"}
            files |= of_groups | set(directory.glob("host_vars/**/*.yml"))
        return {str(file): set(self._loader.load_from_file(str(file)) or {}) for file in files}
