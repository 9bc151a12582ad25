"""Life-cycle actions: what holds an instance in a wait state until somebody completes it or its time is over.

Source: Amazon EC2 Auto Scaling user guide, "How lifecycle hooks work in Auto Scaling groups" and "Complete a lifecycle
action"; API reference, PutLifecycleHook and DeleteLifecycleHook. Nobody is notified of an action: an instance learns of it
from the state that its metadata names, or from the API.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from localcloud import backends

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
CONTINUE = "CONTINUE"
ABANDON = "ABANDON"
# Seconds; API reference, LifecycleHook: at most 48 hours or 100 times the heartbeat timeout in a wait state.
LONGEST_WAIT = 172800
LONGEST_HEARTBEATS = 100


def longest_wait(heartbeat_timeout: int) -> int:
    """Return the seconds that an instance may stay in a wait state, however often a heartbeat is recorded."""
    return min(LONGEST_WAIT, LONGEST_HEARTBEATS * heartbeat_timeout)


@dataclass
class Action:
    """One hook's action on one instance. `deadline` and `end` are times of the clock in seconds."""

    hook: Any
    deadline: float
    end: float
    token: str = field(default_factory=lambda: str(uuid.uuid4()))
    result: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Outcome:
    """How the wait ended: `result` is CONTINUE or ABANDON, `reason` says why it was abandoned."""

    result: str
    reason: str = ""


class LifecycleActions:
    """The actions of the instances that are in a wait state, or have just left it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` tells seconds that never go back."""
        self._clock = clock
        self._actions: WeakKeyDictionary[Any, list[Action]] = WeakKeyDictionary()

    def begin(self, group: Any, member: Any, transition: str) -> bool:
        """Start an action for every hook of a transition; say whether there is any to wait for."""
        now = self._clock()
        self._actions[member] = [
            Action(one, now + one.heartbeat_timeout, now + longest_wait(one.heartbeat_timeout))
            for one in list(backends.autoscaling().lifecycle_hooks.values())
            if one.auto_scaling_group_name == group.name and one.lifecycle_transition == transition
        ]
        return bool(self._actions[member])

    def outcome(self, member: Any) -> Outcome | None:
        """Return how an instance's wait ended, None while it lasts.

        ABANDON ends it at once, whatever other hooks wait for; CONTINUE only when all hooks are done.
        """
        actions = self._actions.get(member, [])
        for action in actions:
            if action.result is None and self._clock() >= min(action.deadline, action.end):
                self._decide(action, action.hook.default_result, "Heartbeat Timeout")
        for action in actions:
            if action.result == ABANDON:
                return Outcome(ABANDON, action.reason)
        return Outcome(CONTINUE) if all(action.result for action in actions) else None

    def complete(self, group: Any, hook_name: str, result: str, token: str | None, instance_id: str | None) -> None:
        """End an action; LookupError says which one is not there."""
        action = self._find(group, hook_name, token, instance_id)
        self._decide(action, result, f"Lifecycle Action Completed with {result} Result")

    def heartbeat(self, group: Any, hook_name: str, token: str | None, instance_id: str | None) -> None:
        """Give an action its time once more, counted from now; LookupError says which one is not there."""
        action = self._find(group, hook_name, token, instance_id)
        action.deadline = self._clock() + action.hook.heartbeat_timeout

    def settle(self, group: Any, hook: Any) -> None:
        """End the actions of a hook that is deleted: ABANDON for launching instances, CONTINUE for terminating ones."""
        result = ABANDON if hook.lifecycle_transition == LAUNCHING else CONTINUE
        for member in group.instance_states:
            for action in self._waiting(member, hook.name):
                self._decide(action, result, "Lifecycle Hook Deleted")

    def _decide(self, action: Action, result: str, reason: str) -> None:
        action.reason = f"Lifecycle Action with token {action.token} was abandoned: {reason}"
        action.result = result

    def _waiting(self, member: Any, hook_name: str) -> list[Action]:
        if not member.lifecycle_state.endswith(":Wait"):
            return []
        actions = self._actions.get(member, [])
        return [one for one in actions if one.hook.name == hook_name and one.result is None]

    def _find(self, group: Any, hook_name: str, token: str | None, instance_id: str | None) -> Action:
        for member in list(group.instance_states):
            for action in self._waiting(member, hook_name):
                if action.token == token or (token is None and member.instance.id == instance_id):
                    return action
        which = f"token {token}" if token else f"instance ID {instance_id}"
        raise LookupError(f"No active Lifecycle Action found with {which}")
