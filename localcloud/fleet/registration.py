"""A member's place in its group's target groups."""

from typing import Any

from localcloud import backends


def register(group: Any, member: Any) -> None:
    """Put a member whose instance runs into the group's target groups, unless AddToLoadBalancer is suspended."""
    if "AddToLoadBalancer" in group._suspended_processes or member.instance.state != "running":
        return
    for arn in group.target_group_arns:
        target_group = backends.elbv2().target_groups.get(arn)
        if target_group is not None and member.instance.id not in target_group.targets:
            target_group.register([{"Id": member.instance.id}])


def deregister(target_group_arns: list[str], instance_ids: list[str]) -> None:
    """Take instances out of target groups; connections drain."""
    for arn in target_group_arns:
        target_group = backends.elbv2().target_groups.get(arn)
        if target_group is not None:
            target_group.deregister([{"Id": one} for one in instance_ids])


def is_draining(group: Any, member: Any) -> bool:
    """Say whether a member that was taken out still answers requests."""
    groups = backends.elbv2().target_groups
    return any(member.instance.id in groups[arn].draining for arn in group.target_group_arns if arn in groups)
