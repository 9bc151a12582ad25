"""What may be done with the members and the size of an Auto Scaling group, and what a person sees of them. Pure functions only.

Everything that AWS would refuse is refused here first, also in check mode, in words that say what to do instead. The documents:
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html,
https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-enter-exit-standby.html and
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-detach-attach-instances.html
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .client import missing

Group = Mapping[str, Any]
# ELB's TargetHealthDescriptions by the ARN of the target group.
Targets = Mapping[str, list[dict[str, Any]]]

# Calls that take a member away from the capacity, and may take the capacity down with it.
SHRINKING = ("enter_standby", "detach", "terminate")


class RefusedError(ValueError):
    """What was asked for cannot be done; the message says what can."""


def lifecycle_of(group: Group, instance_id: str) -> str | None:
    """Returns the life-cycle state of a member, None for an instance that is none."""
    return next((item["LifecycleState"] for item in group.get("Instances", []) if item["InstanceId"] == instance_id), None)


def target_states(targets: Targets, instance_id: str) -> list[dict[str, Any]]:
    """Returns what each target group that knows the instance says of it."""
    return [
        item["TargetHealth"]
        for descriptions in targets.values()
        for item in descriptions
        if item["Target"]["Id"] == instance_id
    ]


def moment(time: datetime | None) -> str:
    """Returns a time of AWS as text; "" for none."""
    return time.isoformat(timespec="seconds") if time else ""


def rows(group: Group, targets: Targets, instances: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """Returns one row for each member, for a person: state in the group, what the balancer says and why, and what EC2 knows.

    `instances` are EC2's descriptions by id; of one that EC2 does not show, image and time are empty.
    """
    found = []
    for item in sorted(group.get("Instances", []), key=lambda one: (one["AvailabilityZone"], one["InstanceId"])):
        states = target_states(targets, item["InstanceId"])
        found.append(
            {
                "instance_id": item["InstanceId"],
                "zone": item["AvailabilityZone"],
                "state": item["LifecycleState"],
                "target": ", ".join(sorted({state["State"] for state in states})),
                "reason": "; ".join(filter(None, (state.get("Description", "") for state in states))),
                "version": (item.get("LaunchTemplate") or {}).get("Version", ""),
                "image": instances.get(item["InstanceId"], {}).get("ImageId", ""),
                "launched": moment(instances.get(item["InstanceId"], {}).get("LaunchTime")),
            }
        )
    return found


def unsettled(group: Group, targets: Targets) -> list[str]:
    """Returns what keeps the group from standing still at its desired capacity, one sentence each; nothing when it does.

    Members in Standby are no part of the capacity and stay as they are.
    """
    sentences = missing(group, targets)
    leaving = [
        item
        for item in group.get("Instances", [])
        if item["LifecycleState"].startswith(("Terminating", "Detaching", "EnteringStandby"))
    ]
    sentences += [f"{item['InstanceId']} is {item['LifecycleState']}." for item in leaving]
    in_service = sum(item["LifecycleState"] == "InService" for item in group.get("Instances", []))
    if in_service > group["DesiredCapacity"]:
        sentences.append(f"{in_service} instances are in service, and {group['DesiredCapacity']} are desired.")
    return sentences


def call_for(group: Group, instance_id: str, state: str, decrement: bool, to_be_added: int = 0) -> str:
    """Returns the call that brings an instance to `state`: enter_standby, exit_standby, attach, detach, terminate, or "".

    `decrement` takes the desired capacity down with the member; `to_be_added` counts hosts that the group would have got
    before, in check mode.

    Raises:
        RefusedError: the group's limits or the instance's state do not allow it.
    """
    found = lifecycle_of(group, instance_id)
    if found is not None and found.startswith("Terminat") and state != "terminated":
        raise RefusedError(f"{instance_id} is on its way out ({found}).")
    call = {
        "in_service": _into_service,
        "standby": _into_standby,
        "detached": lambda _, found: "detach" if found else "",
        "terminated": lambda _, found: "terminate" if found and not found.startswith("Terminat") else "",
    }[state](instance_id, found)
    name, desired = group["AutoScalingGroupName"], group["DesiredCapacity"]
    if call in ("exit_standby", "attach") and desired + 1 > group["MaxSize"]:
        raise RefusedError(
            f"{name} has {desired} hosts and may have no more (max {group['MaxSize']}), but {instance_id} would be one more: "
            "scale to fewer first, or raise the maximum."
        )
    counts = found is not None and not found.endswith("Standby")
    if call in SHRINKING and counts and decrement and desired + to_be_added - 1 < group["MinSize"]:
        raise RefusedError(
            f"{name} has {desired} hosts and may have no fewer (min {group['MinSize']}): let another one take the place of "
            f"{instance_id}, or lower the minimum."
        )
    return call


def _into_service(instance_id: str, found: str | None) -> str:
    if found == "EnteringStandby":
        raise RefusedError(f"{instance_id} is still on its way into Standby: try again in a minute.")
    return {None: "attach", "Standby": "exit_standby"}.get(found, "")


def _into_standby(instance_id: str, found: str | None) -> str:
    if found in ("Standby", "EnteringStandby"):
        return ""
    if found != "InService":
        raise RefusedError(f"{instance_id} is {found or 'not in the group'}: only a host in service is put into Standby.")
    return "enter_standby"


def request_for(group: Group, call: str, instance_id: str, decrement: bool) -> dict[str, Any]:
    """Returns the parameters of a call of `call_for`. A member in Standby leaves the capacity as it is."""
    counts = not str(lifecycle_of(group, instance_id)).endswith("Standby")
    if call == "terminate":
        return {"InstanceId": instance_id, "ShouldDecrementDesiredCapacity": decrement and counts}
    request: dict[str, Any] = {"AutoScalingGroupName": group["AutoScalingGroupName"], "InstanceIds": [instance_id]}
    if call in ("enter_standby", "detach"):
        request["ShouldDecrementDesiredCapacity"] = decrement and counts
    return request


def arrived(group: Group, targets: Targets, instance_id: str, state: str) -> str:
    """Returns what an instance still lacks to have reached `state`, a sentence; "" when it has.

    In service means that every target group finds it healthy; in Standby or detached, that the balancer has let go of it.
    """
    found = lifecycle_of(group, instance_id)
    health = target_states(targets, instance_id)
    if state == "in_service":
        if found != "InService":
            return f"{instance_id} is {found or 'not in the group'}."
        sick = [one for one in health if one["State"] != "healthy"]
        if sick or len(health) < len(targets):
            reason = (sick[0].get("Description") or sick[0]["State"]) if sick else "not registered"
            return f"{instance_id} is not a healthy target: {reason}."
        return ""
    wanted = {"standby": "Standby", "detached": None, "terminated": None}[state]
    if found != wanted:
        return f"{instance_id} is {found or 'not in the group'}."
    if any(one["State"] != "unused" for one in health):
        return f"The balancer still knows {instance_id} ({health[0]['State']})."
    return ""


def wanted_size(group: Group, minimum: int | None, maximum: int | None, desired: int | None) -> dict[str, int]:
    """Returns the sizes that a group gets; None leaves one as it is, but moves the desired capacity into the limits.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html

    Raises:
        RefusedError: they contradict each other.
    """
    low = group["MinSize"] if minimum is None else minimum
    high = group["MaxSize"] if maximum is None else maximum
    if low < 0 or low > high:
        raise RefusedError(f"A group cannot have at least {low} and at most {high} hosts.")
    if desired is None:
        desired = min(max(group["DesiredCapacity"], low), high)
    if not low <= desired <= high:
        raise RefusedError(
            f"{group['AutoScalingGroupName']} may have {low} to {high} hosts, not {desired}: change the limits as well."
        )
    return {"min_size": low, "max_size": high, "desired_capacity": desired}


def found_size(group: Group) -> dict[str, int]:
    """Returns the sizes of a group in the fields of `wanted_size`."""
    return {"min_size": group["MinSize"], "max_size": group["MaxSize"], "desired_capacity": group["DesiredCapacity"]}
