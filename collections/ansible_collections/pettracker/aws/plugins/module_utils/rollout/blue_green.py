"""Two fleets behind one listener: which of them is what, and what a rollout has to do next. Pure functions only.

A colour is an Auto Scaling group and the target group of its hosts. The listener's default action forwards to both by weight:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html#forward-actions
Nothing else holds the state of a rollout: a run that was interrupted is planned from these weights and groups.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..scaling_groups.client import missing
from ..scaling_groups.mixed_instances import template_of
from ..state import tags_to_dict
from .instance_refreshes import GOING_BACK, GOING_ON, in_the_way, serves

# Tag of the group that a rollout brings, and its values: on its way in, or taken back and to be removed.
TAG = "Rollout"
INCOMING, WITHDRAWN = "incoming", "withdrawn"


@dataclass(frozen=True)
class Fleet:
    """One colour as it is.

    Attributes:
        group, target_group: names, whether they are there or not.
        target_group_arn: "" if there is no such target group.
        weight: of the target group in the listener's default action; None if that does not name it.
        found: the group as DescribeAutoScalingGroups tells it; None if there is none.
    """

    group: str
    target_group: str
    target_group_arn: str = ""
    weight: int | None = None
    found: Mapping[str, Any] | None = None

    @property
    def mark(self) -> str:
        """What a rollout has written on the group, "" if nothing."""
        return tags_to_dict(self.found.get("Tags", [])).get(TAG, "") if self.found else ""

    def described(self) -> dict[str, Any]:
        """Returns it for playbooks."""
        return {
            "group": self.group,
            "target_group": self.target_group,
            "target_group_arn": self.target_group_arn,
            "weight": self.weight,
            "exists": self.found is not None,
            "mark": self.mark,
            "launch_template_id": (template_of(self.found)[0] if self.found else "") or "",
            "version": (template_of(self.found)[1] if self.found else "") or "",
            "desired": self.found["DesiredCapacity"] if self.found else 0,
        }


@dataclass(frozen=True)
class Roles:
    """Which fleet is what.

    Attributes:
        live: the one that the service is; one that is still to be made, in an empty account.
        other: the other one.
        incoming: whether a rollout brings the other one.
        leftover: whether the other one is what a rollout has left behind.
    """

    live: Fleet
    other: Fleet
    incoming: bool = False
    leftover: bool = False

    def share(self) -> int:
        """Returns the percentage of requests that the other fleet gets."""
        return share(self.other.weight, self.live.weight)


@dataclass(frozen=True)
class Plan:
    """What a rollout has to do.

    Attributes:
        action: `none`, `start`, `follow` (it goes on already), `clean` (a fleet is left to be removed), `absent` (there is no
            fleet yet) or `refuse`.
        reason: why it is refused.
        checkpoints: percentages of requests at which the incoming fleet has to be judged; 0 is before it gets any.
    """

    action: str
    reason: str = ""
    checkpoints: list[int] = field(default_factory=list)


def share(weight: int | None, beside: int | None) -> int:
    """Returns a weight as a percentage of it and the one beside it, rounded."""
    total = (weight or 0) + (beside or 0)
    return round(100 * (weight or 0) / total) if total else 0


def weights_of(actions: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Returns the weights by target group of a listener's default actions; nothing if they do not forward."""
    for action in actions:
        if action["Type"] != "forward":
            continue
        named = action.get("ForwardConfig", {}).get("TargetGroups") or [{"TargetGroupArn": action["TargetGroupArn"]}]
        return {one["TargetGroupArn"]: one.get("Weight", 1) for one in named}
    return {}


def is_sticky(actions: Iterable[Mapping[str, Any]]) -> bool:
    """Says whether the balancer sends whoever came before to the same target group, whatever its weight is now."""
    return any(
        action.get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {}).get("Enabled", False) for action in actions
    )


def forward(weights: Mapping[str, int], sticky_seconds: int = 0) -> list[dict[str, Any]]:
    """Returns actions with these weights, where clients stay for so many seconds with the target group that they were given."""
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in sorted(weights.items())]
    sticky = {"Enabled": True, "DurationSeconds": sticky_seconds} if sticky_seconds else {"Enabled": False}
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": sticky}}]


def roles(fleets: Iterable[Fleet]) -> Roles:
    """Returns which of the two fleets is what.

    The mark tells: a group that has none was there before. Without any mark, or with two, the one that gets more is live.
    """
    first, second = fleets
    marked = [fleet for fleet in (first, second) if fleet.mark]
    there = [fleet for fleet in (first, second) if fleet.found]
    if len(there) == 2 and len(marked) == 1:
        other = marked[0]
    elif len(there) == 1:
        other = second if there[0] is first else first
    else:
        other = first if (second.weight or 0) > (first.weight or 0) else second
    live = second if other is first else first
    incoming = other.mark == INCOMING and live.found is not None
    return Roles(live, other, incoming, not incoming and bool(other.found or other.target_group_arn))


def checkpoints(reached: int, steps: Iterable[int]) -> list[int]:
    """Returns the percentages that are still to be judged: the one that is reached, and those to come."""
    return [reached] + [step for step in steps if step > reached]


def plan(found: Roles, refreshes: Iterable[Mapping[str, Any]], template_id: str, version: str, steps: Iterable[int]) -> Plan:
    """Returns what a rollout of this version has to do; `refreshes` are the live group's, `steps` percentages up to 100."""
    if found.live.found is None:
        return Plan("absent")
    active = next((refresh for refresh in refreshes if refresh["Status"] in GOING_ON + GOING_BACK), None)
    if active is not None:
        return Plan("refuse", in_the_way(active))
    if found.incoming:
        if template_of(found.other.found or {}) == (template_id, version):
            return Plan("follow", checkpoints=checkpoints(found.share(), steps))
        return Plan("refuse", under_way(found))
    if serves(found.live.found, template_id, version):
        return Plan("clean" if found.leftover else "none")
    return Plan("start", checkpoints=checkpoints(0, steps))


def tied(rules: Iterable[Mapping[str, Any]], target_group_arn: str) -> str:
    """Returns why a target group cannot be left by moving weights: a rule of the listener names it too; "" if none does."""
    for rule in rules:
        if not rule.get("IsDefault") and target_group_arn in weights_of(rule["Actions"]):
            return (
                f"Rule {rule['Priority']} of the listener sends requests to the live fleet by itself, as an A/B experiment "
                "does, and would go on when the fleet is gone. End the experiment first (make experiment-end), or remove "
                "the rule."
            )
    return ""


def under_way(found: Roles) -> str:
    """Returns a sentence about an incoming fleet that is in the way."""
    return (
        f"A blue/green rollout to version {template_of(found.other.found or {})[1]} is under way: {found.other.group} gets "
        f"{found.share()} % of the requests. Run the same rollout again, and it goes on, or take it back with make rollback."
    )


def standing(live: Fleet, incoming: Fleet, health: list[dict[str, Any]]) -> str:
    """Returns how far a rollout is, for people; `health` is ELB's of the incoming fleet's targets."""
    healthy = sum(item["TargetHealth"]["State"] == "healthy" for item in health)
    desired = incoming.found["DesiredCapacity"] if incoming.found else 0
    got = share(incoming.weight, live.weight)
    return f"{incoming.group} gets {got} % of the requests, {healthy} of {desired} hosts are healthy"


def trouble(live: Fleet, incoming: Fleet, expected: int) -> str:
    """Returns why a rollout that has given the incoming fleet `expected` percent cannot go on; "" if it can."""
    if incoming.found is None:
        return f"The group {incoming.group} is gone."
    if incoming.mark != INCOMING:
        return f"Somebody has taken {incoming.group} back."
    if live.found is None:
        return f"The group {live.group} is gone, so there is nothing to go back to."
    if incoming.weight is None or share(incoming.weight, live.weight) != expected:
        got = share(incoming.weight, live.weight)
        return f"Somebody has changed the listener's weights: {incoming.group} gets {got} % instead of {expected} %."
    return ""


def lacks(fleet: Fleet, health: list[dict[str, Any]]) -> list[str]:
    """Returns what keeps a fleet from serving, one sentence each; see `scaling_group.missing`."""
    return missing(fleet.found, {fleet.target_group_arn: health}) if fleet.found else [f"There is no {fleet.group}."]


def in_service(fleet: Fleet) -> list[str]:
    """Returns the instances of a fleet that are in service."""
    instances = (fleet.found or {}).get("Instances", [])
    return sorted(item["InstanceId"] for item in instances if item["LifecycleState"] == "InService")
