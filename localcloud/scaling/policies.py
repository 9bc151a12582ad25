"""Carries out scaling policies when an alarm asks for it.

Follows the Amazon EC2 Auto Scaling user guide, "Dynamic scaling": several policies, instance warm-up, cooldown, suspended
AlarmNotification. Predictive scaling is stored and not carried out. The cooldown of simple policies begins when the capacity is
changed, not when the last instance is in service.
"""

import time
from collections.abc import Callable
from typing import Any

from localcloud import backends
from localcloud.fleet.groups import Fleet
from localcloud.fleet.members import is_active
from localcloud.scaling.decisions import Step, adjusted, amount_of_step, stepped, tracked_in, tracked_out
from localcloud.scaling.target_tracking import may_scale_in, tracked_metric, wants_to_scale_in


def warm_up_of(group: Any, policy: Any | None, unset: float | None = None) -> float:
    """Return how many seconds an instance warms up for.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScalingPolicy.html, EstimatedInstanceWarmup: the policy's,
    else the group's default, else (unless `unset` is given) the default cooldown.
    """
    for seconds in (getattr(policy, "estimated_instance_warmup", None), group.default_instance_warmup, unset):
        if seconds is not None:
            return float(seconds)
    return float(group.default_cooldown)


def is_warming_up(member: Any, seconds: float) -> bool:
    """Say whether a member is on its way into service, or has been there for less than `seconds`."""
    if member.lifecycle_state.startswith("Pending"):
        return True
    return member.lifecycle_state == "InService" and time.monotonic() - member.in_service_since < seconds


class Scaling:
    """Changes the desired capacity of `fleet`'s groups; `telemetry_period` is in seconds."""

    def __init__(self, fleet: Fleet, telemetry_period: int) -> None:
        self._fleet = fleet
        self._period = telemetry_period

    def alarmed(self, arn: str, alarm: Any, value: float) -> None:
        """Carry out the policy with this ARN because of an alarm whose metric is `value`."""
        policy: Any = next((one for one in list(backends.autoscaling().policies.values()) if one.arn == arn), None)
        if policy is None or not policy.enabled:
            return
        group = backends.autoscaling().autoscaling_groups[policy.auto_scaling_group_name]
        if getattr(group, "deleting", False):
            return
        if "AlarmNotification" in group._suspended_processes:
            return
        cause = f"a monitor alarm {alarm.name} in state {alarm.state_value} triggered policy {policy.name}"
        if policy.policy_type == "TargetTrackingScaling":
            high = alarm.comparison_operator.startswith("Greater")
            self._change(group, cause, lambda: self._tracked(group, policy, value, high))
        elif policy.policy_type == "StepScaling":
            self._change(group, cause, lambda: self._stepped(group, policy, value - float(alarm.threshold)))
        elif policy.policy_type == "SimpleScaling" and not self._cools_down(group):
            self._simple(group, policy, cause)

    def _change(self, group: Any, cause: str, decide: Callable[[], int]) -> bool:
        """Set the capacity that `decide` returns, within the group's limits; return whether it is another one."""
        wanted = min(max(decide(), group.min_size), group.max_size)
        before = group.desired_capacity
        if wanted == before:
            return False
        self._fleet.change_capacity(group, wanted, f"{cause} changing the desired capacity from {before} to {wanted}.")
        return True

    def _counts(self, group: Any, policy: Any) -> tuple[int, int]:
        """Return how many members are warm in service, and how many are warming up or have yet to be launched."""
        seconds, members = warm_up_of(group, policy), list(group.instance_states)
        warming = [member for member in members if is_warming_up(member, seconds)]
        warm = [member for member in members if member.lifecycle_state == "InService" and member not in warming]
        lacking = int(group.desired_capacity) - sum(is_active(member) for member in members)
        return len(warm), len(warming) + max(0, lacking)

    def _tracked(self, group: Any, policy: Any, value: float, high: bool) -> int:
        metric = tracked_metric(policy.target_tracking_configuration.__dict__, group, self._period)
        warm, warming = self._counts(group, policy)
        desired = int(group.desired_capacity)
        if high:
            return tracked_out(desired, warm, value, metric.target)
        # "Scales in only if all of the target tracking policies (with the scale-in portion enabled) are ready".
        policies = [one for one in list(backends.autoscaling().policies.values()) if one.auto_scaling_group_name == group.name]
        if not all(wants_to_scale_in(one) for one in policies if may_scale_in(one)):
            return desired
        return tracked_in(desired, warming, warm, value, metric.target)

    def _stepped(self, group: Any, policy: Any, breach: float) -> int:
        steps = [
            Step(one.get("MetricIntervalLowerBound"), one.get("MetricIntervalUpperBound"), int(one["ScalingAdjustment"]))
            for one in policy.step_adjustments
        ]
        amount = amount_of_step(steps, breach)
        if amount is None:
            return int(group.desired_capacity)
        _, warming = self._counts(group, policy)
        least = int(policy.min_adjustment_magnitude or 0)
        return stepped(group.desired_capacity, warming, policy.adjustment_type, amount, least)

    def _cools_down(self, group: Any) -> bool:
        return time.monotonic() < getattr(group, "cooldown_until", 0.0) or any(
            member.lifecycle_state.startswith(("Pending", "Terminating")) for member in list(group.instance_states)
        )

    def _simple(self, group: Any, policy: Any, cause: str) -> None:
        least = int(policy.min_adjustment_magnitude or 0)
        amount = int(policy.scaling_adjustment)
        if self._change(group, cause, lambda: adjusted(group.desired_capacity, policy.adjustment_type, amount, least)):
            seconds = group.default_cooldown if policy.cooldown is None else policy.cooldown
            group.cooldown_until = time.monotonic() + float(seconds)
