"""Which members of an Auto Scaling group fail their health checks, and how many of them are replaced at a time.

Source: Amazon EC2 Auto Scaling user guide, "About the health checks for your Auto Scaling group", with "How Amazon EC2 Auto
Scaling minimizes downtime". AWS does not say how often it looks; the pace here is an estimate.
"""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from localcloud import backends
from localcloud.fleet.members import is_active

# Minutes of AWS between two looks at the health of a group.
CHECK_MINUTES = 0.5
# Minutes of AWS that an instance may fail its status checks: they are made once a minute, and Auto Scaling "waits a few minutes
# for AWS to fix the issue".
IMPAIRED_MINUTES = 5
# "Amazon EC2 Auto Scaling only replaces up to 10 percent of the group's desired capacity at a time", one at least.
PERCENT_AT_A_TIME = 10

Failure = tuple[Any, str]


class HealthChecks:
    """The periodic health checks of all groups."""

    def __init__(self, clock: Callable[[], float], minute: float) -> None:
        """`clock` tells seconds that never go back; `minute` is how many of them stand for one of AWS's minutes."""
        self._clock = clock
        self.interval = CHECK_MINUTES * minute
        self._patience = IMPAIRED_MINUTES * minute
        self._next: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
        # When an instance was first seen to fail its status checks.
        self._impaired: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    def to_replace(self, group: Any) -> list[Failure]:
        """Return the members to be replaced now, each with the check that it fails in the words of AWS's activity causes.

        What a user has called unhealthy goes at once, what does not run with the next look. Of the others, which may be a
        passing trouble or a wrong health check, only a few go at a time, and none while replacements are still on their way.
        """
        serving = [one for one in group.instance_states if one.lifecycle_state == "InService"]
        failing = [(one, "a user health-check") for one in serving if one.health_status == "Unhealthy"]
        if self._clock() < self._next.get(group, 0.0):
            return failing
        self._next[group] = self._clock() + self.interval
        doubtful: list[Failure] = []
        for member in serving:
            if member.health_status == "Unhealthy":
                continue
            if member.instance.state != "running":
                failing.append((member, "an EC2 health check indicating it has been terminated or stopped"))
            elif reason := self._doubt(group, member):
                doubtful.append((member, reason))
        return failing + doubtful[: self._at_a_time(group)]

    def _doubt(self, group: Any, member: Any) -> str | None:
        """Say which check a running member fails; the balancer's verdict counts after the grace period only."""
        if self._is_impaired(member.instance):
            return "EC2 instance status checks failure"
        if group.health_check_type != "ELB":
            return None
        if self._clock() - member.in_service_since < float(group.health_check_grace_period or 0):
            return None
        groups = backends.elbv2().target_groups
        states = [groups[arn].health.get(member.instance.id) for arn in group.target_group_arns if arn in groups]
        if any(one is not None and one.state == "unhealthy" for one in states):
            return "an ELB system health check failure"
        return None

    def _is_impaired(self, instance: Any) -> bool:
        if not getattr(instance, "impaired", False):
            self._impaired.pop(instance, None)
            return False
        since = self._impaired.setdefault(instance, self._clock())
        return self._clock() - since >= self._patience

    def _at_a_time(self, group: Any) -> int:
        """Return how many doubtful members may go now: none while others arrive and a tenth or more still has to warm up."""
        warmup = float(group.default_instance_warmup or 0)
        active = [one for one in group.instance_states if is_active(one)]
        warm = [one for one in active if one.lifecycle_state == "InService" and self._clock() - one.in_service_since >= warmup]
        desired = group.desired_capacity
        if len(warm) < len(active) and 100 * len(warm) <= (100 - PERCENT_AT_A_TIME) * desired:
            return 0
        return max(1, PERCENT_AT_A_TIME * desired // 100)
