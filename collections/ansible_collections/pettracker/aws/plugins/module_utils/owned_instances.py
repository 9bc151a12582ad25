"""Single instances of an environment that a person starts, stops, reboots or ends. Pure functions only."""

from collections.abc import Iterable, Mapping
from typing import Any

from .scaling_groups.members import RefusedError, moment
from .state import tags_to_dict

Instance = Mapping[str, Any]
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html
GONE = ("shutting-down", "terminated")
REACHED = {"running": "running", "stopped": "stopped", "rebooted": "running", "terminated": "terminated"}


def summary(instance: Instance) -> dict[str, str]:
    """Returns what a person knows an instance by."""
    tags = tags_to_dict(instance.get("Tags", []))
    return {
        "instance_id": instance["InstanceId"],
        "state": instance["State"]["Name"],
        "role": tags.get("Role", ""),
        "name": tags.get("Name", ""),
        "zone": instance.get("Placement", {}).get("AvailabilityZone", ""),
        "image": instance.get("ImageId", ""),
        "launched": moment(instance.get("LaunchTime")),
    }


def chosen(instances: Iterable[Instance], instance_id: str) -> Instance:
    """Returns the instance of that id. Raises RefusedError, which names those there are."""
    there = [each for each in instances if each["State"]["Name"] not in GONE or each["InstanceId"] == instance_id]
    for each in there:
        if each["InstanceId"] == instance_id:
            return each
    known = [f"{one['instance_id']} ({one['role'] or 'no role'}, {one['state']})" for one in map(summary, there)]
    raise RefusedError(
        f"There is no host {instance_id or 'without a name'} here. There are: {', '.join(sorted(known)) or 'none'}."
    )


def refuse_member(instance_id: str, lifecycle: str, state: str) -> None:
    """Raises RefusedError where the group that an instance belongs to would undo the change; `lifecycle` is its state there.

    A group replaces a member that does not run, and heeds no member in Standby: user guide of EC2 Auto Scaling, "Health
    checks for instances" and "Temporarily remove instances".
    """
    if not lifecycle or state == "present":
        return
    if state == "terminated":
        raise RefusedError(
            f"{instance_id} belongs to a group, which would start another one: replace it, or scale to fewer hosts."
        )
    if lifecycle != "Standby":
        raise RefusedError(
            f"{instance_id} belongs to a group ({lifecycle}), which replaces a host that is down: drain it first, or detach it."
        )


def call_for(instance: Instance, state: str) -> str:
    """Returns the EC2 call that brings an instance to `state`: `start`, `stop`, `reboot`, `terminate`, or "".

    Raises:
        RefusedError: it is gone, or on its way to another state.
    """
    found, instance_id = instance["State"]["Name"], instance["InstanceId"]
    if state == "terminated":
        return "" if found in GONE else "terminate"
    if found in GONE:
        raise RefusedError(f"{instance_id} is {found}.")
    if state == "rebooted" and found != "running":
        raise RefusedError(f"{instance_id} is {found}: only a running host is rebooted.")
    if state == "running" and found == "stopping":
        raise RefusedError(f"{instance_id} is still stopping: try again in a minute.")
    calls = {
        "rebooted": "reboot",
        "running": "start" if found == "stopped" else "",
        "stopped": "" if found in ("stopping", "stopped") else "stop",
    }
    return calls.get(state, "")
