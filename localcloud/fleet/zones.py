"""Availability Zone rebalancing: a zone that has become poorer gets a member before a richer one gives one up.

Source: Amazon EC2 Auto Scaling user guide, "Benefits of Auto Scaling for application architecture", rebalancing activities: a
group becomes unbalanced when instances are terminated or detached by hand or put into Standby, and the process AZRebalance
"launches new instances before terminating the earlier ones, so that rebalancing does not compromise the performance"; it may
go above the maximum by one or by 10 percent.
"""

from collections import Counter
from typing import Any
from weakref import WeakSet

from localcloud.fleet.members import is_active, is_leaving, lacking


class ZoneRebalancing:
    """The rebalancing of all groups."""

    def __init__(self) -> None:
        # Groups that run one more until it serves.
        self._under_way: WeakSet[Any] = WeakSet()

    def surplus(self, group: Any) -> int:
        """Return how many instances above its desired capacity a group runs just now: one, until it serves in the poor zone.

        Who ends then is the termination policies' choice, which takes the richest zone.
        """
        if "AZRebalance" in group._suspended_processes:
            self._under_way.discard(group)
            return 0
        active = [one for one in group.instance_states if is_active(one)]
        serve = all(lacking(group, one) is None for one in active)
        if group in self._under_way:
            if serve and len(active) > group.desired_capacity:
                self._under_way.discard(group)
        elif serve and len(active) == group.desired_capacity and self._is_unbalanced(group, active):
            self._under_way.add(group)
        return int(group in self._under_way)

    @staticmethod
    def _is_unbalanced(group: Any, active: list[Any]) -> bool:
        if any(is_leaving(one) for one in group.instance_states):
            return False
        crowd = Counter(dict.fromkeys(group.availability_zones, 0))
        crowd.update(one.availability_zone for one in active)
        return max(crowd.values(), default=0) - min(crowd.values(), default=0) > 1
