"""EC2 Auto Scaling: members that a user takes aside or back, out of the group or into it, or protects from scaling in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend

from localcloud.corrections.patching import NOT_REPORTED, Difference, Seam, correction
from localcloud.fleet.registration import deregister

if TYPE_CHECKING:
    from localcloud.account import Account
    from localcloud.fleet.groups import Fleet

PROTECTED_STRANGERS = Difference(
    "ignores instances that are not members when it is to protect them",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceProtection.html",
    upstream=NOT_REPORTED,
)
STANDBY = Difference(
    "changes the desired capacity below the minimum and above the maximum as instances enter and leave Standby",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-enter-exit-standby.html",
    upstream=NOT_REPORTED,
)
ATTACHED = Difference(
    "sets the desired capacity to the number of all members, those in Standby included, when instances are attached",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AttachInstances.html",
    upstream=NOT_REPORTED,
)
DETACHED = Difference(
    "ignores instances that are not members when it is to detach them, and the minimum",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-detach-attach-instances.html",
    upstream=NOT_REPORTED,
)
REQUESTS = Seam("the balancer drains an instance that is taken aside, and checks one that comes back")


def apply(account: Account) -> None:
    """Correct Standby, detaching, attaching and scale-in protection."""
    _correct_standby(account.fleet)
    _correct_membership(account.fleet)


def _correct_standby(fleet: Fleet) -> None:
    @correction(AutoScalingBackend, "set_instance_protection", PROTECTED_STRANGERS)
    def refuse_strangers(original: Any, self: Any, group_name: str, instance_ids: list[str], protected: Any) -> None:
        _check_members(self.autoscaling_groups[group_name], instance_ids)
        original(self, group_name, instance_ids, protected)

    @correction(AutoScalingBackend, "enter_standby_instances", STANDBY, REQUESTS)
    def leave_the_balancer(original: Any, self: Any, group_name: str, instance_ids: list[str], should_decrement: bool) -> Any:
        # An instance in Standby gets no requests from the balancer, and is on its way there while it drains.
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
        with fleet.held():
            activities = original(self, group_name, instance_ids, should_decrement)
            for member in group.instance_states:
                if member.instance.id in instance_ids:
                    member.lifecycle_state = "EnteringStandby"
        deregister(group.target_group_arns, instance_ids)
        return activities

    @correction(AutoScalingBackend, "exit_standby_instances", STANDBY, REQUESTS)
    def begin_anew(original: Any, self: Any, group_name: str, instance_ids: list[str]) -> Any:
        group = self.autoscaling_groups[group_name]
        _check_members(group, instance_ids)
        returning = [member for member in group.instance_states if member.instance.id in instance_ids]
        for member in returning:
            if member.lifecycle_state != "Standby":
                raise ValidationError(f"The instance {member.instance.id} is not in Standby.")
        _check_room(group, len(instance_ids))
        with fleet.held():
            activities = original(self, group_name, instance_ids)
            for member in returning:
                # It is in service when the fleet has registered it, after Pending, and has its grace period once more:
                # https://docs.aws.amazon.com/autoscaling/ec2/userguide/health-check-grace-period.html
                member.lifecycle_state = "Pending"
            return activities


def _correct_membership(fleet: Fleet) -> None:
    @correction(AutoScalingBackend, "attach_instances", ATTACHED, REQUESTS)
    def join(original: Any, self: Any, group_name: str, instance_ids: list[str]) -> None:
        group = self.autoscaling_groups[group_name]
        members = {one.instance.id for each in self.autoscaling_groups.values() for one in each.instance_states}
        for instance_id in instance_ids:
            if instance_id in members:
                raise ValidationError(f"Instance {instance_id} is already part of an Auto Scaling group.")
            if self.ec2_backend.get_instance(instance_id).state != "running":
                message = f"Instance {instance_id} is not in correct state. Instance must be in running state."
                raise ValidationError(message)
        _check_room(group, len(instance_ids))
        desired, most = group.desired_capacity, group.max_size
        with fleet.held():
            # Moto's own limit counts all members as well.
            group.max_size = len(group.instance_states) + len(instance_ids)
            try:
                original(self, group_name, instance_ids)
            finally:
                group.desired_capacity, group.max_size = desired, most
            for member in group.instance_states:
                if member.instance.id in instance_ids:
                    member.in_service_since = fleet.clock()
            group.set_desired_capacity(desired + len(instance_ids))

    @correction(AutoScalingBackend, "detach_instances", DETACHED, REQUESTS)
    def leave(original: Any, self: Any, group_name: str, instance_ids: list[str], should_decrement: bool) -> Any:
        group = self.autoscaling_groups[group_name]
        _check_members(group, instance_ids)
        if should_decrement and group.desired_capacity - len(instance_ids) < group.min_size:
            raise ValidationError(
                f"AutoScalingGroup {group_name} has min-size={group.min_size}, and desired-size={group.desired_capacity}. "
                f"To detach {len(instance_ids)} instances, please update the AutoScalingGroup sizes appropriately."
            )
        with fleet.held():
            activities = original(self, group_name, instance_ids, should_decrement)
        deregister(group.target_group_arns, instance_ids)
        return activities


def _check_room(group: Any, count: int) -> None:
    if group.desired_capacity + count > group.max_size:
        raise ValidationError(
            f"AutoScalingGroup {group.name} has max-size={group.max_size}, and desired-size={group.desired_capacity}. "
            f"To add {count} instances, please update the AutoScalingGroup sizes appropriately."
        )


def _check_members(group: Any, instance_ids: list[str]) -> None:
    known = {one.instance.id for one in group.instance_states}
    for instance_id in instance_ids:
        if instance_id not in known:
            raise ValidationError(f"The instance {instance_id} is not part of Auto Scaling group {group.name}.")
