"""Refuses variables that would be silently ignored, before anything is touched.

These look like a role's but no role documents them, or an inventory sets what the playbooks' own variables decide: Ansible
prefers those beside a playbook to those beside an inventory. Or an inventory sets a role's variable for some hosts only: a
plan, which knows no hosts yet, would be made without it.
https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_variables.html#understanding-variable-precedence
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants as C
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


def overruled(inventory: Mapping[str, Iterable[str]], decided: Iterable[str]) -> list[str]:
    """Returns one sentence for each variable of an inventory's files, by their names, that the playbooks decide for all."""
    return [
        f"{name} in {file} is ignored, for playbooks/group_vars/all.yml decides it: change it there, or give it with -e."
        for file, names in sorted(inventory.items())
        for name in sorted(set(names) & set(decided))
    ]


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
        for_all, for_some = self._files_of_inventory(task_vars or {})
        mistakes = (
            complaints(names, documented)
            + overruled(for_all, self._decided_by_playbooks(task_vars or {}))
            + misplaced(for_some, documented)
        )
        if mistakes:
            raise AnsibleActionFail(" ".join(mistakes))
        return result | {"changed": False}

    def _decided_by_playbooks(self, task_vars: Mapping[str, Any]) -> set[str]:
        """Returns the variables that stand beside the playbooks."""
        of_playbooks = Path(task_vars["playbook_dir"]) / "group_vars/all.yml"
        return self._names_in(of_playbooks) if of_playbooks.exists() else set()

    def _files_of_inventory(self, task_vars: Mapping[str, Any]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """Returns the variables of each of the inventory's files for all hosts, and of each of those for some."""
        directory = Path(task_vars.get("inventory_dir") or "/nonexistent")
        for_all = set(directory.glob("group_vars/all/*.yml"))
        for_some = {*directory.glob("group_vars/**/*.yml"), *directory.glob("host_vars/**/*.yml")} - for_all
        for_some.discard(directory / "group_vars/all.yml")
        return {str(file): self._names_in(file) for file in for_all}, {
            str(file): self._names_in(file) for file in for_some
        }

    def _names_in(self, file: Path) -> set[str]:
        return set(self._loader.load_from_file(str(file)) or {})
