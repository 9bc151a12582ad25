"""Follows an instance refresh: prints its progress, and sends the heartbeats that let it go on."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import boto3
from ansible.errors import AnsibleActionFail

from ..module_utils.polling import PATIENCE, poll
from ..module_utils.rollout.alarm_states import describe
from ..module_utils.rollout.instance_refreshes import GOING_BACK, GOING_ON, hosts_at, progress, split
from ..module_utils.rollout.lock import Lock
from ..module_utils.scaling_groups.client import instances_of
from ..plugin_utils.progress import ProgressAction, report

# What AWS does while it cannot be reached.
MEANWHILE = "without heartbeats it takes the rollout back by itself"


@dataclass(frozen=True)
class Heartbeat:
    """The metric that says that a controller follows the refresh."""

    namespace: str
    metric: str
    dimensions: dict[str, str]

    def datum(self) -> dict[str, Any]:
        """Returns one beat; with a resolution of one second, so that alarms on it may be quick."""
        return {
            "MetricName": self.metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in sorted(self.dimensions.items())],
            "Value": 1.0,
            "Unit": "Count",
            "StorageResolution": 1,
        }


@dataclass(frozen=True)
class Goal:
    """Until when a refresh is followed.

    Attributes:
        until: `now` (observed once), `vouched` (the dead man's alarm hears the heartbeats), `checkpoint`, `time` or `end`.
        percentage: of the checkpoint.
        seconds: for `time`, how long; otherwise when to give up.
        hosts: for `checkpoint`, how many hosts have to be new, where the percentage would not tell; 0 goes by the percentage.
        vouch_until: when heartbeats end, in seconds since 1970; 0 is never.
    """

    until: str
    percentage: int = 100
    seconds: float = 3600.0
    hosts: int = 0
    vouch_until: float = 0.0

    def reached(self, refresh: Mapping[str, Any], waited: float, new: int = 0) -> bool:
        """Tells whether it is, with `new` hosts in place; what goes back is always followed until it has ended."""
        status = refresh["Status"]
        if self.until == "now" or status not in GOING_ON + GOING_BACK:
            return True
        if self.until == "time":
            return status in GOING_ON and waited >= self.seconds
        if self.until == "checkpoint":
            there = new >= self.hosts if self.hosts else refresh.get("PercentageComplete", 0) >= self.percentage
            return (status == "InProgress" and there) or status == "Baking"
        return False


def reached_at(launches: Sequence[float], hosts: int, begin: float) -> float:
    """Returns a time before which a checkpoint of so many new hosts cannot have been reached, in seconds since 1970.

    Whoever did not see it happen, such as a controller that takes over, must not think that it has just happened: the refresh
    waits from then on.

    Args:
        launches: when each new host was launched.
        begin: of the refresh, where its new hosts are not known.
    """
    ordered = sorted(launches)
    return ordered[min(hosts, len(ordered)) - 1] if ordered else begin


class Watch:
    """Observes one group, and sends heartbeats."""

    def __init__(self, group: str, region: str, heartbeat: Heartbeat, lock: Lock, identity: str) -> None:
        self._group, self._heartbeat, self._lock, self._identity = group, heartbeat, lock, identity
        self._scaling: Any = boto3.client("autoscaling", region_name=region)
        self._cloudwatch: Any = boto3.client("cloudwatch", region_name=region)
        self._ec2: Any = boto3.client("ec2", region_name=region)

    def beat(self) -> None:
        """Sends a heartbeat.

        Raises:
            LockLostError: somebody else has the lock.
        """
        self._lock.beat(self._identity)
        self._cloudwatch.put_metric_data(Namespace=self._heartbeat.namespace, MetricData=[self._heartbeat.datum()])

    def is_vouched_for(self, alarm: str) -> bool:
        """Tells whether the dead man's alarm is silent."""
        state: str = describe(self._cloudwatch, [alarm]).get(alarm, {}).get("StateValue", "")
        return state == "OK"

    def refresh(self, identity: str) -> dict[str, Any]:
        """Returns the refresh as Auto Scaling describes it."""
        arguments = {"AutoScalingGroupName": self._group, "InstanceRefreshIds": [identity]}
        found: dict[str, Any] = self._scaling.describe_instance_refreshes(**arguments)["InstanceRefreshes"][0]
        return found

    def hosts(self, template_id: str, version: str) -> tuple[list[str], list[str]]:
        """Returns the new and the old hosts in service."""
        groups = self._scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self._group])["AutoScalingGroups"]
        new, old = split(groups[0], template_id, version)
        return new, old

    def launches(self, hosts: list[str]) -> list[float]:
        """Returns when each of the hosts was launched, in seconds since 1970."""
        return [instance["LaunchTime"].timestamp() for instance in instances_of(self._ec2, hosts).values()]


def wait_for_alarm(watch: Watch, goal: Goal, interval: float, alarm: str) -> None:
    """Sends heartbeats until the alarm has heard of them."""

    def beat() -> str | None:
        watch.beat()
        return "OK" if watch.is_vouched_for(alarm) else None

    report(f"waiting until the alarm {alarm} hears the heartbeats")
    if poll(beat, report, interval, goal.seconds, MEANWHILE) is None:
        raise AnsibleActionFail(
            f"The alarm {alarm} is not silent after {goal.seconds:.0f} seconds of heartbeats. Without CloudWatch there is "
            "no rollout: see whether the alarm is there and whether this controller may write metrics. Nothing was changed."
        )


def follow(
    watch: Watch, goal: Goal, interval: float, identity: str, template: tuple[str, str], *, report: Callable[[str], None]
) -> dict[str, Any]:
    """Sends heartbeats until the goal is reached; returns the fields of the result."""
    begin, refresh, said = time.monotonic(), dict[str, Any](), ""
    hosts: tuple[list[str], list[str]] = ([], [])
    before = 0.0  # when the goal was last seen not to be reached

    def observe() -> str | None:
        nonlocal refresh, said, hosts, before
        now, refresh = time.time(), watch.refresh(identity)
        if refresh["Status"] in GOING_ON:
            _refuse_late(goal, now)
            watch.beat()
        hosts = watch.hosts(*template)
        if goal.until != "now" and progress(refresh) != said:
            said = progress(refresh)
            report(said)
        if goal.reached(refresh, time.monotonic() - begin, len(hosts[0])):
            return "reached"
        before = now
        return None

    # A bake ends by its own goal; the refresh may be going back by then.
    patience = PATIENCE + goal.seconds if goal.until == "time" else goal.seconds
    if poll(observe, report, interval, patience, MEANWHILE) is None:
        raise AnsibleActionFail(
            f"The instance refresh {identity} has not come so far within {patience:.0f} seconds ({progress(refresh)}). The "
            "group's latest activities and the hosts' logs say what it waits for."
        )
    new, old = hosts
    found = {"status": refresh["Status"], "percentage": refresh.get("PercentageComplete", 0), "progress": progress(refresh)}
    found |= {"going_on": refresh["Status"] in GOING_ON, "new": new, "old": old}
    if goal.until == "checkpoint" and found["going_on"]:
        wanted = goal.hosts or hosts_at(goal.percentage, len(new) + len(old))
        found["reached"] = before or reached_at(watch.launches(new), wanted, refresh["StartTime"].timestamp())
    return found


def _refuse_late(goal: Goal, now: float) -> None:
    """Ends the heartbeats when the alarm could not ring any more before the refresh goes on by itself."""
    if goal.vouch_until and now > goal.vouch_until:
        raise AnsibleActionFail(
            "There was no verdict in time: the refresh would go on by itself before the alarm could stop it. Raise "
            "rollout_evidence_seconds if looking at a host takes longer than that, or rollout_checkpoint_delay."
        )


class ActionModule(ProgressAction):
    """Takes ARGUMENTS; returns `status`, `percentage`, `progress`, `going_on`, and the instances `new` and `old`.

    Of a checkpoint, `reached` says when that was at the earliest, in seconds since 1970. Of the goal `vouched`, nothing.
    """

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        **{name: {"type": "str", "required": True} for name in ("group", "region", "until")},
        **{name: {"type": "str"} for name in ("launch_template_id", "launch_template_version", "refresh_id", "alarm")},
        "percentage": {"type": "int", "default": 100},
        "hosts": {"type": "int", "default": 0},
        "seconds": {"type": "float", "default": 3600.0},
        "vouch_until": {"type": "float", "default": 0.0},
        "interval": {"type": "float", "required": True},
        "heartbeat": {"type": "dict", "required": True},
        "lock": {"type": "dict", "required": True},
    }
    SUBJECT = "the instance refresh of {group}"

    def follow(self, arguments: dict[str, Any]) -> dict[str, Any]:
        region, lock = arguments["region"], arguments["lock"]
        goal = Goal(**{name: arguments[name] for name in ("until", "percentage", "seconds", "hosts", "vouch_until")})
        held = Lock(boto3.client("s3", region_name=region), lock["bucket"], lock["key"])
        watch = Watch(arguments["group"], region, Heartbeat(**arguments["heartbeat"]), held, lock["identity"])
        if goal.until == "vouched":
            wait_for_alarm(watch, goal, arguments["interval"], arguments["alarm"])
            return {}
        template = arguments["launch_template_id"], arguments["launch_template_version"]
        return follow(watch, goal, arguments["interval"], arguments["refresh_id"], template, report=report)
