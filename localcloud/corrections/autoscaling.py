"""EC2 Auto Scaling: calls state what is wanted, the fleet carries it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, InstanceState
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError

from localcloud import backends
from localcloud.corrections.autoscaling_request import named_group
from localcloud.corrections.ec2_instances import refuse_new_profile
from localcloud.corrections.lifecycle_hooks import drop_hooks, put_hook
from localcloud.corrections.patching import addition, correction
from localcloud.corrections.scaling_policies import forget_policies
from localcloud.corrections.scheduled_actions import forget_schedules

if TYPE_CHECKING:
    from localcloud.consistency import Consistency
    from localcloud.fleet.groups import Fleet


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_EnableMetricsCollection.html
GROUP_METRICS = (
    "GroupMinSize",
    "GroupMaxSize",
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
    "GroupInServiceCapacity",
    "GroupPendingCapacity",
    "GroupStandbyCapacity",
    "GroupTerminatingCapacity",
    "GroupTotalCapacity",
    "WarmPoolDesiredCapacity",
    "WarmPoolWarmedCapacity",
    "WarmPoolPendingCapacity",
    "WarmPoolTerminatingCapacity",
    "WarmPoolTotalCapacity",
    "GroupAndWarmPoolDesiredCapacity",
    "GroupAndWarmPoolTotalCapacity",
)


def apply(fleet: Fleet, consistency: Consistency) -> None:
    """Correct groups, and hand their instances to `fleet`."""
    _correct_capacity(fleet, consistency)
    _correct_members(fleet)
    _correct_deletion(fleet)
    _correct_metrics()
    _correct_answers(fleet)


def _correct_capacity(fleet: Fleet, consistency: Consistency) -> None:
    @addition(FakeAutoScalingGroup, "set_desired_capacity")
    def set_desired_capacity(self: Any, new_capacity: int | None) -> None:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetDesiredCapacity.html: between minimum and maximum.
        # Moto launches and terminates here, all in the first subnet; the fleet does that in its own time.
        wanted = self.min_size if new_capacity is None else new_capacity
        if wanted < self.min_size:
            raise ValidationError(
                f"New SetDesiredCapacity value {wanted} is below min value {self.min_size} for the ASG"
            )
        if wanted > self.max_size:
            raise ValidationError(
                f"New SetDesiredCapacity value {wanted} is above max value {self.max_size} for the ASG"
            )
        self.desired_capacity = wanted
        self.capacity_reason = ""
        fleet.wake()

    @correction(FakeAutoScalingGroup, "update")
    def keep_within_limits(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html: a new minimum above
        # or a new maximum below the desired capacity moves it, if the call does not set it.
        low = self.min_size if kwargs["min_size"] is None else kwargs["min_size"]
        high = self.max_size if kwargs["max_size"] is None else kwargs["max_size"]
        if low > high:
            raise ValidationError(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
        if kwargs["desired_capacity"] is None:
            kwargs["desired_capacity"] = min(max(self.desired_capacity, low), high)
        policy = self.mixed_instances_policy
        original(self, *args, **kwargs)
        if not any(kwargs[one] for one in ("launch_template", "launch_config_name", "mixed_instances_policy")):
            # Moto takes a policy that is not given for one that is taken away.
            self.mixed_instances_policy = policy

    @correction(AutoScalingResponse, "update_auto_scaling_group")
    def update_warmup_and_rebalancing(original: Any, self: Any) -> Any:
        # Moto leaves out the warm-up and capacity rebalancing.
        result = original(self)
        group = self.autoscaling_backend.autoscaling_groups[self._get_param("AutoScalingGroupName")]
        group.capacity_rebalance = self._get_bool_param("CapacityRebalance", group.capacity_rebalance)
        warmup = self._get_int_param("DefaultInstanceWarmup")
        if warmup is not None:
            # -1 takes the setting away: API_UpdateAutoScalingGroup.html, DefaultInstanceWarmup.
            group.default_instance_warmup = None if warmup == -1 else warmup
        return result

    @correction(AutoScalingResponse, "create_auto_scaling_group")
    def keep_warmup_and_hooks(original: Any, self: Any) -> Any:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html; moto leaves them out.
        name = self._get_param("AutoScalingGroupName")
        try:
            _refuse_new_template(self, consistency)
            # Before the group is there: its first instances have them too.
            for hook in self._get_param("LifecycleHookSpecificationList") or []:
                put_hook(self.autoscaling_backend, name, hook)
            result = original(self)
        except ServiceException:
            if name not in self.autoscaling_backend.autoscaling_groups:
                drop_hooks(self.autoscaling_backend, name)
            raise
        group = self.autoscaling_backend.autoscaling_groups[name]
        group.default_instance_warmup = self._get_int_param("DefaultInstanceWarmup")
        return result


def _refuse_new_template(request: Any, consistency: Consistency) -> None:
    # CreateAutoScalingGroup tries the template out: https://github.com/eksctl-io/eksctl/issues/8039
    policy = request._get_param("MixedInstancesPolicy") or {}
    wanted = request._get_param("LaunchTemplate") or policy.get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
    if not wanted:
        return
    ec2, name = backends.ec2(), wanted.get("LaunchTemplateName")
    template = ec2.get_launch_template_by_name(name) if name else ec2.get_launch_template(wanted["LaunchTemplateId"])
    incomplete = "You must use a valid fully-formed launch template."
    if consistency.is_new(template.id):
        which = f"with template ID {template.id}"
        raise ValidationError(f"{incomplete} The specified launch template, {which}, does not exist.")
    version = template.get_version(wanted.get("Version") or "$Default")
    try:
        refuse_new_profile(version.data.get("IamInstanceProfile") or {}, consistency)
    except EC2ClientError as error:
        raise ValidationError(f"{incomplete} {error.message}") from error


def _correct_members(fleet: Fleet) -> None:
    def launch_template(self: Any) -> dict[str, Any] | None:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_Instance.html: the version that the instance was
        # launched from; moto gives the template's default version.
        template = getattr(self, "launched_from", self.auto_scaling_group.ec2_launch_template)
        if template is None:
            return None
        version = getattr(self, "launch_template_version", template.default_version_number)
        return {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "Version": str(version)}

    addition(InstanceState, "launch_template")(property(launch_template))

    @addition(AutoScalingBackend, "update_attached_target_groups")
    def leave_registration_to_fleet(self: Any, group_name: str) -> None:
        # Instances are registered when they are running; moto registers them at once and keeps stale ones.
        fleet.wake()

    @addition(AutoScalingBackend, "notify_terminate_instances")
    def leave_replacement_to_fleet(self: Any, instance_ids: list[str]) -> None:
        # A terminated member is noticed by the group's health check, as on AWS.
        fleet.wake()

    @addition(AutoScalingBackend, "terminate_instance")
    def terminate_instance(self: Any, instance_id: str, should_decrement: bool) -> Any:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_TerminateInstanceInAutoScalingGroup.html

        for group in self.autoscaling_groups.values():
            for member in group.instance_states:
                if member.instance.id == instance_id:
                    if should_decrement:
                        group.set_desired_capacity(group.desired_capacity - 1)
                    activity = fleet.terminate(
                        group, member, "an instance was taken out of service in response to a user request."
                    )
                    fleet.wake()
                    return activity
        raise ValidationError(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")


def _correct_deletion(fleet: Fleet) -> None:
    @addition(AutoScalingResponse, "delete_auto_scaling_group")
    def delete_when_empty(self: Any) -> Any:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html: a group with
        # instances needs ForceDelete, and stays until they are terminated.
        backend = self.autoscaling_backend
        group = named_group(self)
        name = group.name
        if group.instance_states and not self._get_bool_param("ForceDelete", False):
            raise AutoscalingClientError(
                "ResourceInUse", "You cannot delete an AutoScalingGroup while there are instances still in the group."
            )
        group.deleting = True
        group.status = "Delete in progress"
        drop_hooks(backend, name)
        forget_policies(backend, name)
        forget_schedules(backend, name)
        if not group.instance_states:
            backend.autoscaling_groups.pop(name)
        fleet.wake()
        return EmptyResult()


def _correct_metrics() -> None:
    @correction(FakeAutoScalingGroup, "enable_metrics_collection")
    def enable_all_unless_named(original: Any, self: Any, metrics: list[str] | None) -> None:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_EnableMetricsCollection.html: no names, all metrics;
        # what was enabled before stays so. Moto then enables none.
        enabled = metrics or list(GROUP_METRICS)
        original(self, [*self.metrics, *(one for one in enabled if one not in self.metrics)])


def _correct_answers(fleet: Fleet) -> None:
    @addition(AutoScalingResponse, "describe_scaling_activities")
    def describe_scaling_activities(self: Any) -> Any:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html; moto has none.
        activities = fleet.activities.of(self._get_param("AutoScalingGroupName"), self._get_param("ActivityIds", []))
        return ActionResult({"Activities": activities[: self._get_int_param("MaxRecords", 100)]})
