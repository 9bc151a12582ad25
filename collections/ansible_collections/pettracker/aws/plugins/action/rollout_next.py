"""Decides what a rollout does next; see module_utils/rollout/next_step.py."""

import dataclasses
import time
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.rollout.next_step import next_step
from ..module_utils.rollout.steps import State
from ..module_utils.rollout.strategies import BlueGreen, Rolling
from ..module_utils.rollout.times import Times
from .rollout_times import ARGUMENTS

STRATEGIES: dict[str, type[Rolling] | type[BlueGreen]] = {"rolling": Rolling, "blue_green": BlueGreen}


class ActionModule(ActionBase):
    """Runs on the controller without a process, and changes nothing.

    Arguments: strategy, times (the fields of Times), state (those of State), and arrival, when the percentage was reached that
    is judged, in seconds since 1970. Returns the fields of Step.
    """

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            argument_spec={
                "strategy": {"type": "str", "choices": sorted(STRATEGIES), "required": True},
                "times": {"type": "dict", "options": ARGUMENTS, "required": True},
                "state": {"type": "dict", "required": True},
                "arrival": {"type": "float", "default": 0.0},
            }
        )
        elapsed = time.time() - arguments["arrival"]
        state = State(**arguments["state"], elapsed_seconds=elapsed)
        step = next_step(state, STRATEGIES[arguments["strategy"]](Times(**arguments["times"])))
        return result | {"changed": False} | dataclasses.asdict(step)
