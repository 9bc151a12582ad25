"""Looks on while an instance refresh goes on: prints its progress, and sends the heartbeats that let it go on."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from botocore.exceptions import BotoCoreError, ClientError

from ..module_utils.polling import PATIENCE, poll
from ..module_utils.rollout.instance_refreshes import GOING_BACK, GOING_ON, hosts_at, progress, split
from ..module_utils.rollout.lock import Lock, LockLostError

# What AWS does while it cannot be reached.
MEANWHILE = "without heartbeats it takes the rollout back by itself"

display = Display()


@dataclass(frozen=True)
class Heartbeat:
    """The metric that says that somebody looks on."""

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
    """Until when to look on.

    Attributes:
        until: `now` (one look), `vouched` (the dead man's alarm has heard of the heartbeats), `checkpoint`, `time` or `end`.
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
        """Says whether it is, with so many `new` hosts; a refresh that goes back is always looked on until it has ended."""
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
    """Looks at one group, and beats."""

    def __init__(self, group: str, region: str, heartbeat: Heartbeat, lock: Lock, identity: str) -> None:
        self._group, self._heartbeat, self._lock, self._identity = group, heartbeat, lock, identity
        self._scaling: Any = boto3.client("autoscaling", region_name=region)
        self._cloudwatch: Any = boto3.client("cloudwatch", region_name=region)
        self._ec2: Any = boto3.client("ec2", region_name=region)

    def beat(self) -> None:
        """Says that somebody looks on.

        Raises:
            LockLostError: somebody else does.
        """
        self._lock.beat(self._identity)
        self._cloudwatch.put_metric_data(Namespace=self._heartbeat.namespace, MetricData=[self._heartbeat.datum()])

    def is_vouched_for(self, alarm: str) -> bool:
        """Says whether the dead man's alarm is silent."""
        alarms = self._cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
        return bool(alarms) and alarms[0]["StateValue"] == "OK"

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
        # By a filter: one that EC2 does not show any more is no error.
        chosen = [{"Name": "instance-id", "Values": hosts}]
        found = self._ec2.describe_instances(Filters=chosen)["Reservations"] if hosts else []
        return [instance["LaunchTime"].timestamp() for one in found for instance in one["Instances"]]


class ActionModule(ActionBase):
    """Runs on the controller.

    Arguments: group, region, launch_template_id, launch_template_version, refresh_id, until, percentage, hosts, seconds,
    vouch_until, interval, alarm, heartbeat (namespace, metric, dimensions), lock (bucket, key, identity). Returns `status`,
    `percentage`, `progress`, `going_on`, the instances `new` and `old`, and of a checkpoint `reached`, when that was at
    the earliest, in seconds since 1970. Fails, with `lock_lost`, when somebody else has taken the lock over.
    """

    _VALID_ARGS = frozenset(
        {
            *("group", "region", "launch_template_id", "launch_template_version", "refresh_id", "until", "percentage"),
            *("seconds", "interval", "alarm", "heartbeat", "lock", "hosts", "vouch_until"),
        }
    )

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        goal = Goal(
            arguments["until"],
            int(arguments.get("percentage", 100)),
            float(arguments.get("seconds", 3600)),
            int(arguments.get("hosts", 0)),
            float(arguments.get("vouch_until", 0)),
        )
        region, lock = arguments["region"], arguments["lock"]
        try:
            held = Lock(boto3.client("s3", region_name=region), lock["bucket"], lock["key"])
            watch = Watch(arguments["group"], region, Heartbeat(**arguments["heartbeat"]), held, lock["identity"])
            if goal.until == "vouched":
                found = self._vouch(watch, goal, float(arguments["interval"]), arguments["alarm"])
            else:
                template = arguments["launch_template_id"], str(arguments["launch_template_version"])
                found = self._follow(watch, goal, float(arguments["interval"]), arguments["refresh_id"], template)
        except LockLostError as error:
            return result | {"failed": True, "lock_lost": True, "msg": f"{error} This run ends; that one goes on."}
        except (BotoCoreError, ClientError) as error:
            raise AnsibleActionFail(f"Cannot look on while {arguments['group']} is refreshed: {error}") from None
        return result | {"changed": False} | found

    @staticmethod
    def _say(text: str) -> None:
        display.display(f"    {text}")

    def _vouch(self, watch: Watch, goal: Goal, interval: float, alarm: str) -> dict[str, Any]:
        def look() -> str | None:
            watch.beat()
            return "OK" if watch.is_vouched_for(alarm) else None

        self._say(f"waiting until the alarm {alarm} hears the heartbeats")
        if poll(look, self._say, interval, goal.seconds, MEANWHILE) is None:
            raise AnsibleActionFail(
                f"The alarm {alarm} is not silent after {goal.seconds:.0f} seconds of heartbeats. Without CloudWatch there is "
                "no rollout: see whether the alarm is there and whether this controller may write metrics. Nothing was changed."
            )
        return {}

    def _follow(self, watch: Watch, goal: Goal, interval: float, identity: str, template: tuple[str, str]) -> dict[str, Any]:
        begin, said, seen = time.monotonic(), "", {}
        new: list[str] = []
        old: list[str] = []
        before = 0.0  # when the goal was last seen not to be reached

        def look() -> str | None:
            nonlocal said, seen, new, old, before
            now, seen = time.time(), watch.refresh(identity)
            if seen["Status"] in GOING_ON:
                _refuse_late(goal, now)
                watch.beat()
            new, old = watch.hosts(*template)
            if goal.until != "now" and progress(seen) != said:
                said = progress(seen)
                self._say(said)
            if goal.reached(seen, time.monotonic() - begin, len(new)):
                return "reached"
            before = now
            return None

        # A bake ends by its own goal; the refresh may be going back by then.
        patience = PATIENCE + goal.seconds if goal.until == "time" else goal.seconds
        if poll(look, self._say, interval, patience, MEANWHILE) is None:
            raise AnsibleActionFail(
                f"The instance refresh {identity} has not come so far within {patience:.0f} seconds ({progress(seen)}). The "
                "group's latest activities and the hosts' logs say what it waits for."
            )
        found = {
            "status": seen["Status"],
            "percentage": seen.get("PercentageComplete", 0),
            "progress": progress(seen),
            "going_on": seen["Status"] in GOING_ON,
            **{"new": new, "old": old},
        }
        if goal.until == "checkpoint" and found["going_on"]:
            wanted = goal.hosts or hosts_at(goal.percentage, len(new) + len(old))
            found["reached"] = before or reached_at(watch.launches(new), wanted, seen["StartTime"].timestamp())
        return found


def _refuse_late(goal: Goal, now: float) -> None:
    """Ends the heartbeats when the alarm could not ring any more before the refresh goes on by itself."""
    if goal.vouch_until and now > goal.vouch_until:
        raise AnsibleActionFail(
            "There was no verdict in time: the refresh would go on by itself before the alarm could stop it. Raise "
            "rollout_evidence_seconds if looking at a host takes longer than that, or rollout_checkpoint_delay."
        )
