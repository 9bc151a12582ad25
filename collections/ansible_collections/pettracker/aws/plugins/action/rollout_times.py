"""Works out how long the stops of an instance refresh have to be; see module_utils/rollout/times.py."""

import dataclasses
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.rollout.times import Times

# What `times` holds.
ARGUMENTS = {
    field.name: {"type": "int", "required": field.default is dataclasses.MISSING} for field in dataclasses.fields(Times)
}


class ActionModule(ActionBase):
    """Takes `times`, the fields of Times, and returns the derived seconds by name; runs on the controller without a process."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            argument_spec={"times": {"type": "dict", "options": ARGUMENTS, "required": True}}
        )
        return result | {"changed": False} | Times(**arguments["times"]).derived()
