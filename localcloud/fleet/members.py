"""What a member of an Auto Scaling group is doing, and what it still lacks to serve.

Source of the states: Amazon EC2 Auto Scaling user guide, "Amazon EC2 Auto Scaling instance lifecycle".
"""

from typing import Any

from localcloud import backends
from localcloud.fleet import mixed


def is_active(member: Any) -> bool:
    """Say whether a member counts towards the group's capacity: in service, or on its way there."""
    return member.lifecycle_state == "InService" or member.lifecycle_state.startswith("Pending")


def is_leaving(member: Any) -> bool:
    """Say whether a member is on its way out."""
    return bool(member.lifecycle_state.startswith("Terminating"))


def market_of(member: Any) -> str:
    """Return the market that a member's instance was bought on, as `localcloud.fleet.mixed` names it."""
    return mixed.SPOT if member.instance.lifecycle == "spot" else mixed.ON_DEMAND


def lacking(group: Any, member: Any) -> str | None:
    """Say what a member lacks to serve, in words that follow its id; None when it serves.

    It serves when it is in service, its instance runs, and, in a group with health checks of type ELB, every target
    group that a balancer uses finds it healthy. Warm-up is not looked at.
    """
    if member.lifecycle_state != "InService":
        return f"is in the {member.lifecycle_state} state"
    if member.health_status != "Healthy" or member.instance.state != "running":
        return "is unhealthy"
    if group.health_check_type != "ELB":
        return None
    groups = backends.elbv2().target_groups
    for arn in group.target_group_arns:
        if arn not in groups or not groups[arn].load_balancer_arns:
            continue
        health = groups[arn].health.get(member.instance.id)
        if health is None or health.state == "initial":
            return "has insufficient data to evaluate its health with Elastic Load Balancing"
        if health.state != "healthy":
            return "is unhealthy in Elastic Load Balancing"
    return None
