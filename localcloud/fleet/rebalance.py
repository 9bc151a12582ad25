"""Capacity Rebalancing: a member that is about to be interrupted is replaced before it is, or at the same time.

Source: Amazon EC2 Auto Scaling user guide, "Capacity Rebalancing in Auto Scaling to replace at-risk Spot Instances". The
notices are those of the Fault Injection Service, which strike any instance here, not only Spot instances.
"""

from typing import Any

from localcloud.fleet.members import lacking
from localcloud.metadata.spot import interruptions

CAUSE = "an instance was taken out of service in response to an EC2 instance rebalance recommendation."
# "Amazon EC2 Auto Scaling can exceed the specified maximum size limit by 10 percent of the desired capacity."
PERCENT_ABOVE_MAXIMUM = 10


def at_risk(group: Any) -> list[Any]:
    """Return the members in service that have been told of their end, if the group rebalances its capacity."""
    if not group.capacity_rebalance:
        return []
    return [
        one
        for one in group.instance_states
        if one.lifecycle_state == "InService" and interruptions.recommended(one.instance.id) is not None
    ]


def noticed(risky: list[Any]) -> list[Any]:
    """Return those at risk whose two minutes have begun: they go at once, and are replaced at the same time.

    "If both signals arrive at the same time", Auto Scaling does not wait for the replacement. Capacity is one short meanwhile.
    """
    return [one for one in risky if interruptions.announced(one.instance.id) is not None]


def surplus(group: Any, risky: list[Any]) -> int:
    """Return how many instances above the desired capacity a group runs to replace those at risk."""
    allowance = -(-PERCENT_ABOVE_MAXIMUM * group.desired_capacity // 100)
    return max(0, min(len(risky), group.max_size + allowance - group.desired_capacity))


def replaced(group: Any, risky: list[Any]) -> list[Any]:
    """Return those at risk whose replacements serve: they may go."""
    safe = sum(lacking(group, one) is None for one in group.instance_states if one not in risky)
    return risky[: max(0, safe + len(risky) - group.desired_capacity)]
