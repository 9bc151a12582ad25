"""Looks on while requests move from one fleet to another: prints how far that is, and keeps the rollout's lock."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import boto3
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from botocore.exceptions import BotoCoreError, ClientError

from ..module_utils.polling import PATIENCE, poll
from ..module_utils.rollout.blue_green import in_service, lacks, standing, trouble
from ..module_utils.rollout.blue_green_client import Fleets
from ..module_utils.rollout.lock import Lock, LockLostError

# What AWS does while it cannot be reached.
MEANWHILE = "the weights stay as they are"
# How many of a group's latest activities a failure quotes.
ACTIVITIES = 4

display = Display()


@dataclass(frozen=True)
class Goal:
    """Until when to look on.

    Attributes:
        until: `now` (one look), `healthy` (the incoming fleet is), `time`, or `empty` (the incoming group is, or is gone).
        seconds: for `time`, how long; otherwise when to give up.
        share: percentage of the requests that the incoming fleet has to have meanwhile.
        alarms: names of those that end it when they ring.
    """

    until: str
    seconds: float = 3600.0
    share: int = 0
    alarms: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sight:
    """What one look has seen.

    Attributes:
        said: how far it is, for people.
        trouble: why it cannot go on, "" if it can.
        lacks: what keeps the incoming fleet from serving.
        new, old: instances in service.
        left: instances of the incoming group, in whatever state.
    """

    said: str
    trouble: str = ""
    lacks: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    old: list[str] = field(default_factory=list)
    left: int = 0

    def reached(self, goal: Goal, waited: float) -> bool:
        """Says whether this is it; a rollout that cannot go on is not looked on at, but one that is emptied."""
        if goal.until == "empty":
            return not self.left
        if goal.until == "now" or self.trouble:
            return True
        return not self.lacks if goal.until == "healthy" else waited >= goal.seconds


class Watch:
    """Looks at both fleets, and beats."""

    def __init__(self, region: str, colours: list[dict[str, str]], listener_arn: str, lock: Lock, identity: str) -> None:
        self._scaling: Any = boto3.client("autoscaling", region_name=region)
        self._cloudwatch: Any = boto3.client("cloudwatch", region_name=region)
        balancing = boto3.client("elbv2", region_name=region)
        self._fleets, self._listener_arn = Fleets(self._scaling, balancing, colours), listener_arn
        self._lock, self._identity = lock, identity

    def look(self, goal: Goal) -> Sight:
        """Looks once.

        Raises:
            LockLostError: somebody else looks on.
        """
        self._lock.beat(self._identity)
        old, new = self._fleets.read(self._fleets.actions(self._listener_arn))
        health = self._fleets.health(new)
        left = len(new.found["Instances"]) if new.found else 0
        said = f"{new.group} has {left} hosts left" if goal.until == "empty" else standing(old, new, health)
        problem = trouble(old, new, goal.share) or self._ringing(goal.alarms)
        return Sight(said, problem, lacks(new, health), in_service(new), in_service(old), left)

    def activities(self, group: str) -> str:
        """Returns the latest activities of a group, for people."""
        latest = self._scaling.describe_scaling_activities(AutoScalingGroupName=group, MaxRecords=ACTIVITIES)
        said = [f"{one['Description']} {one.get('StatusMessage', '')}".strip() for one in latest["Activities"]]
        return "; ".join(said) or "none"

    def _ringing(self, names: Iterable[str]) -> str:
        names = list(names)
        if not names:
            return ""
        kinds = ["MetricAlarm", "CompositeAlarm"]
        found = self._cloudwatch.describe_alarms(AlarmNames=names, AlarmTypes=kinds)
        alarms = found.get("MetricAlarms", []) + found.get("CompositeAlarms", [])
        rings = sorted(alarm["AlarmName"] for alarm in alarms if alarm["StateValue"] == "ALARM")
        return f"The alarm {rings[0]} rings." if rings else ""


def follow(watch: Watch, goal: Goal, interval: float, say: Callable[[str], None]) -> tuple[Sight, bool]:
    """Looks until the goal is reached; returns the last sight, and whether it was.

    Raises:
        BotoCoreError, ClientError: AWS does not answer for ten minutes.
        LockLostError: somebody else looks on.
    """
    begin, seen = time.monotonic(), Sight("")

    def look() -> str | None:
        nonlocal seen
        latest = watch.look(goal)
        if goal.until != "now" and latest.said != seen.said:
            say(latest.said)
        seen = latest
        return "reached" if seen.reached(goal, time.monotonic() - begin) else None

    patience = PATIENCE + goal.seconds if goal.until == "time" else goal.seconds
    reached = poll(look, say, interval, patience, MEANWHILE) is not None
    return seen, reached


class ActionModule(ActionBase):
    """Runs on the controller.

    Arguments: region, colours (the live one and the incoming one, each with group and target_group), listener_arn, until,
    share, seconds, interval, alarms, lock (bucket, key, identity). Returns `going_on`, `progress`, and the instances `new` and
    `old`. Fails, with `lock_lost`, when somebody else has taken the lock over.
    """

    _VALID_ARGS = frozenset({"region", "colours", "listener_arn", "until", "share", "seconds", "interval", "alarms", "lock"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        goal = Goal(
            arguments["until"],
            float(arguments.get("seconds", 3600)),
            int(arguments.get("share", 0)),
            list(arguments.get("alarms") or []),
        )
        region, lock, colours = arguments["region"], arguments["lock"], arguments["colours"]
        incoming = colours[1]["group"]
        try:
            held = Lock(boto3.client("s3", region_name=region), lock["bucket"], lock["key"])
            watch = Watch(region, colours, arguments["listener_arn"], held, lock["identity"])
            seen, reached = follow(watch, goal, float(arguments["interval"]), self._say)
            if not reached:
                raise AnsibleActionFail(
                    f"{incoming} has not come so far within {goal.seconds:.0f} seconds. {' '.join(seen.lacks) or seen.said} "
                    f"Latest activities: {watch.activities(incoming)}. A host that does not become healthy says why in "
                    "its journal: look at the unit pettracker-inference.service and at cloud-init's output."
                )
        except LockLostError as error:
            return result | {"failed": True, "lock_lost": True, "msg": f"{error} This run ends; that one goes on."}
        except (BotoCoreError, ClientError) as error:
            raise AnsibleActionFail(f"Cannot look on while {incoming} comes: {error}") from None
        return result | {
            "changed": False,
            "going_on": not seen.trouble,
            "progress": seen.trouble or seen.said,
            "new": seen.new,
            "old": seen.old,
        }

    @staticmethod
    def _say(text: str) -> None:
        display.display(f"    {text}")
