"""EC2 Auto Scaling: members that a user takes aside, into Standby or under scale-in protection."""

from __future__ import annotations

from typing import Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend

from localcloud.corrections.patching import correction
from localcloud.fleet.registration import deregister


def apply() -> None:
    """Correct Standby and scale-in protection."""

    @correction(AutoScalingBackend, "set_instance_protection")
    def refuse_strangers(original: Any, self: Any, group_name: str, instance_ids: list[str], protected: Any) -> None:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceProtection.html; moto ignores what it
        # does not know.
        _check_members(self.autoscaling_groups[group_name], instance_ids)
        original(self, group_name, instance_ids, protected)

    @correction(AutoScalingBackend, "enter_standby_instances")
    def leave_the_balancer(
        original: Any, self: Any, group_name: str, instance_ids: list[str], should_decrement: bool
    ) -> Any:
        # https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-enter-exit-standby.html: an instance in Standby gets no
        # requests from the balancer, and the desired capacity does not go below the minimum.
        group = self.autoscaling_groups[group_name]
        _check_members(group, instance_ids)
        for member in group.instance_states:
            if member.instance.id in instance_ids and member.lifecycle_state != "InService":
                raise ValidationError(f"The instance {member.instance.id} is not in InService.")
        if should_decrement and group.desired_capacity - len(instance_ids) < group.min_size:
            raise ValidationError(
                f"AutoScalingGroup {group_name} has min-size={group.min_size}, and desired-size={group.desired_capacity}. "
                f"To place into standby {len(instance_ids)} instances, please update the AutoScalingGroup sizes appropriately."
            )
        activities = original(self, group_name, instance_ids, should_decrement)
        deregister(group.target_group_arns, instance_ids)
        return activities


def _check_members(group: Any, instance_ids: list[str]) -> None:
    known = {one.instance.id for one in group.instance_states}
    for instance_id in instance_ids:
        if instance_id not in known:
            raise ValidationError(f"The instance {instance_id} is not part of Auto Scaling group {group.name}.")
