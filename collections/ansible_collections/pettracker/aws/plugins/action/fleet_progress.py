"""Follows requests that move from one fleet to another: prints how far that is, and keeps the rollout's lock."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import boto3
from ansible.errors import AnsibleActionFail

from ..module_utils.polling import PATIENCE, poll
from ..module_utils.rollout.alarm_states import describe
from ..module_utils.rollout.blue_green import in_service, lacks, standing, trouble
from ..module_utils.rollout.blue_green_client import Fleets
from ..module_utils.rollout.lock import Lock
from ..module_utils.scaling_groups.client import UNHEALTHY_HINT, latest_activities
from ..plugin_utils.progress import ProgressAction, report

# What AWS does while it cannot be reached.
MEANWHILE = "the weights stay as they are"


@dataclass(frozen=True)
class Goal:
    """Until when a rollout is followed.

    Attributes:
        until: `now` (observed once), `healthy` (the incoming fleet is), `time`, or `empty` (the incoming group is, or is gone).
        seconds: for `time`, how long; otherwise when to give up.
        share: percentage of the requests that the incoming fleet has to have meanwhile.
        alarms: names of those that end it when they ring.
    """

    until: str
    seconds: float = 3600.0
    share: int = 0
    alarms: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Observation:
    """Both fleets at one moment.

    Attributes:
        progress: how far it is, for people.
        trouble: why it cannot go on, "" if it can.
        lacks: what keeps the incoming fleet from serving.
        new, old: instances in service.
        left: instances of the incoming group, in whatever state.
    """

    progress: str
    trouble: str = ""
    lacks: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    old: list[str] = field(default_factory=list)
    left: int = 0

    def reached(self, goal: Goal, waited: float) -> bool:
        """Tells whether the goal is reached, or cannot be: trouble ends all of them but that a fleet is emptied."""
        if goal.until == "empty":
            return not self.left
        if goal.until == "now" or self.trouble:
            return True
        return not self.lacks if goal.until == "healthy" else waited >= goal.seconds


class Watch:
    """Observes both fleets, and sends heartbeats."""

    def __init__(self, region: str, colours: list[dict[str, str]], listener_arn: str, lock: Lock, identity: str) -> None:
        self._scaling: Any = boto3.client("autoscaling", region_name=region)
        self._cloudwatch: Any = boto3.client("cloudwatch", region_name=region)
        balancing = boto3.client("elbv2", region_name=region)
        self._fleets, self._listener_arn = Fleets(self._scaling, balancing, colours), listener_arn
        self._lock, self._identity = lock, identity

    def observe(self, goal: Goal) -> Observation:
        """Returns how both fleets are.

        Raises:
            LockLostError: somebody else has the lock.
        """
        self._lock.beat(self._identity)
        old, new = self._fleets.read(self._fleets.actions(self._listener_arn))
        health = self._fleets.health(new)
        left = len(new.found["Instances"]) if new.found else 0
        progress = f"{new.group} has {left} hosts left" if goal.until == "empty" else standing(old, new, health)
        problem = trouble(old, new, goal.share) or self._ringing(goal.alarms)
        return Observation(progress, problem, lacks(new, health), in_service(new), in_service(old), left)

    def activities(self, group: str) -> str:
        """Returns the latest activities of a group, for people."""
        return latest_activities(self._scaling, group)

    def _ringing(self, names: list[str]) -> str:
        states = describe(self._cloudwatch, names)
        rings = sorted(name for name, alarm in states.items() if alarm["StateValue"] == "ALARM")
        return f"The alarm {rings[0]} rings." if rings else ""


def follow(watch: Watch, goal: Goal, interval: float, report: Callable[[str], None]) -> tuple[Observation, bool]:
    """Observes until the goal is reached; returns the last observation, and whether it was.

    Raises:
        BotoCoreError, ClientError: AWS does not answer for ten minutes.
        LockLostError: somebody else has the lock.
    """
    begin, seen = time.monotonic(), Observation("")

    def observe() -> str | None:
        nonlocal seen
        latest = watch.observe(goal)
        if goal.until != "now" and latest.progress != seen.progress:
            report(latest.progress)
        seen = latest
        return "reached" if seen.reached(goal, time.monotonic() - begin) else None

    patience = PATIENCE + goal.seconds if goal.until == "time" else goal.seconds
    reached = poll(observe, report, interval, patience, MEANWHILE) is not None
    return seen, reached


class ActionModule(ProgressAction):
    """Takes ARGUMENTS; returns `going_on`, `progress`, and the instances `new` and `old`.

    `colours` are the live fleet and the incoming one, each with `group` and `target_group`.
    """

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        **{name: {"type": "str", "required": True} for name in ("region", "listener_arn", "until")},
        "colours": {"type": "list", "elements": "dict", "required": True},
        "share": {"type": "int", "default": 0},
        "seconds": {"type": "float", "default": 3600.0},
        "interval": {"type": "float", "required": True},
        "alarms": {"type": "list", "elements": "str", "default": []},
        "lock": {"type": "dict", "required": True},
    }
    SUBJECT = "the fleet that comes behind {listener_arn}"

    def follow(self, arguments: dict[str, Any]) -> dict[str, Any]:
        region, lock, colours = arguments["region"], arguments["lock"], arguments["colours"]
        goal = Goal(arguments["until"], arguments["seconds"], arguments["share"], arguments["alarms"])
        held = Lock(boto3.client("s3", region_name=region), lock["bucket"], lock["key"])
        watch = Watch(region, colours, arguments["listener_arn"], held, lock["identity"])
        seen, reached = follow(watch, goal, arguments["interval"], report)
        if not reached:
            incoming = colours[1]["group"]
            raise AnsibleActionFail(
                f"{incoming} has not come so far within {goal.seconds:.0f} seconds. {' '.join(seen.lacks) or seen.progress} "
                f"Latest activities: {watch.activities(incoming)}. {UNHEALTHY_HINT}"
            )
        progress = seen.trouble or seen.progress
        return {"going_on": not seen.trouble, "progress": progress, "new": seen.new, "old": seen.old}
