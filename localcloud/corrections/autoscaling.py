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
from localcloud.corrections.autoscaling_settings import keep_settings
from localcloud.corrections.ec2_instances import refuse_new_profile
from localcloud.corrections.lifecycle_hooks import drop_hooks, put_hook
from localcloud.corrections.patching import NOT_REPORTED, Difference, Seam, addition, correction
from localcloud.corrections.scaling_policies import forget_policies
from localcloud.corrections.scheduled_actions import forget_schedules

if TYPE_CHECKING:
    from localcloud.account import Account
    from localcloud.consistency import Consistency
    from localcloud.fleet.groups import Fleet

API = "https://docs.aws.amazon.com/autoscaling/ec2/APIReference/"
CAPACITY = Difference(
    "takes a desired capacity below the minimum or above the maximum",
    aws=API + "API_SetDesiredCapacity.html",
    upstream=NOT_REPORTED,
)
LIMITS = Difference(
    "takes a minimum above the maximum, and holds both against the number of members for the desired capacity",
    aws=API + "API_UpdateAutoScalingGroup.html",
    upstream=NOT_REPORTED,
)
KEPT_POLICY = Difference(
    "takes a mixed instances policy that is not given for one that is taken away",
    aws=API + "API_UpdateAutoScalingGroup.html",
    upstream=NOT_REPORTED,
)
UPDATED = Difference(
    "leaves most settings as they were made, such as the warm-up and capacity rebalancing",
    aws=API + "API_UpdateAutoScalingGroup.html",
    upstream=NOT_REPORTED,
)
CREATED = Difference(
    "leaves out the warm-up and the life-cycle hooks that a group is made with",
    aws=API + "API_CreateAutoScalingGroup.html",
    upstream=NOT_REPORTED,
)
# CreateAutoScalingGroup tries the template out.
TRIED_OUT = Difference(
    "knows a new launch template and a new instance profile at once",
    aws="https://github.com/eksctl-io/eksctl/issues/8039",
    upstream=NOT_REPORTED,
)
LAUNCHED_VERSION = Difference(
    "says of each member the template's default version, whichever it was launched from",
    aws=API + "API_Instance.html",
    upstream=NOT_REPORTED,
)
METRICS = Difference(
    "enables no metrics where none is named, and forgets those that were enabled before",
    aws=API + "API_EnableMetricsCollection.html",
    upstream=NOT_REPORTED,
)
IN_USE = Difference(
    "deletes a group with its instances without being forced to",
    aws=API + "API_DeleteAutoScalingGroup.html",
    upstream=NOT_REPORTED,
)
MEMBERS = Seam("the fleet launches, registers, replaces and terminates members in its own time, and writes down why")

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


def apply(account: Account) -> None:
    """Correct groups, and hand their instances to the fleet."""
    _correct_capacity(account.fleet, account.consistency)
    _correct_members(account.fleet)
    _correct_deletion(account.fleet)
    _correct_metrics()
    _correct_answers(account.fleet)


def _correct_capacity(fleet: Fleet, consistency: Consistency) -> None:
    @addition(FakeAutoScalingGroup, "set_desired_capacity", MEMBERS, CAPACITY)
    def set_desired_capacity(self: Any, new_capacity: int | None) -> None:
        wanted = self.min_size if new_capacity is None else new_capacity
        if wanted < self.min_size:
            raise ValidationError(f"New SetDesiredCapacity value {wanted} is below min value {self.min_size} for the ASG")
        if wanted > self.max_size:
            raise ValidationError(f"New SetDesiredCapacity value {wanted} is above max value {self.max_size} for the ASG")
        self.desired_capacity = wanted
        self.capacity_reason = ""
        fleet.wake()

    @correction(FakeAutoScalingGroup, "update", LIMITS, KEPT_POLICY)
    def keep_within_limits(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        low = self.min_size if kwargs["min_size"] is None else kwargs["min_size"]
        high = self.max_size if kwargs["max_size"] is None else kwargs["max_size"]
        if low > high:
            raise ValidationError(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
        if kwargs["desired_capacity"] is None:
            kwargs["desired_capacity"] = min(max(self.desired_capacity, low), high)
        policy = self.mixed_instances_policy
        original(self, *args, **kwargs)
        if not any(kwargs[one] for one in ("launch_template", "launch_config_name", "mixed_instances_policy")):
            self.mixed_instances_policy = policy

    @correction(AutoScalingResponse, "update_auto_scaling_group", UPDATED)
    def update_settings(original: Any, self: Any) -> Any:
        result = original(self)
        group = self.autoscaling_backend.autoscaling_groups[self._get_param("AutoScalingGroupName")]
        group.capacity_rebalance = self._get_bool_param("CapacityRebalance", group.capacity_rebalance)
        warmup = self._get_int_param("DefaultInstanceWarmup")
        if warmup is not None:
            # -1 takes the setting away: DefaultInstanceWarmup on the same page.
            group.default_instance_warmup = None if warmup == -1 else warmup
        keep_settings(group, self._get_params())
        return result

    @correction(AutoScalingResponse, "create_auto_scaling_group", CREATED, TRIED_OUT)
    def keep_warmup_and_hooks(original: Any, self: Any) -> Any:
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
        template = getattr(self, "launched_from", self.auto_scaling_group.ec2_launch_template)
        if template is None:
            return None
        version = getattr(self, "launch_template_version", template.default_version_number)
        return {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "Version": str(version)}

    addition(InstanceState, "launch_template", LAUNCHED_VERSION)(property(launch_template))

    @addition(AutoScalingBackend, "update_attached_target_groups", MEMBERS)
    def leave_registration_to_fleet(self: Any, group_name: str) -> None:
        # Instances are registered when they are running; moto registers them at once and keeps stale ones.
        fleet.wake()

    @addition(AutoScalingBackend, "notify_terminate_instances", MEMBERS)
    def leave_replacement_to_fleet(self: Any, instance_ids: list[str]) -> None:
        # A terminated member is noticed by the group's health check, as on AWS.
        fleet.wake()

    @addition(AutoScalingBackend, "terminate_instance", MEMBERS)
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
    @addition(AutoScalingResponse, "delete_auto_scaling_group", MEMBERS, IN_USE)
    def delete_when_empty(self: Any) -> Any:
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
    @correction(FakeAutoScalingGroup, "enable_metrics_collection", METRICS)
    def enable_all_unless_named(original: Any, self: Any, metrics: list[str] | None) -> None:
        enabled = metrics or list(GROUP_METRICS)
        original(self, [*self.metrics, *(one for one in enabled if one not in self.metrics)])


def _correct_answers(fleet: Fleet) -> None:
    @addition(AutoScalingResponse, "describe_scaling_activities", MEMBERS)
    def describe_scaling_activities(self: Any) -> Any:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html
        activities = fleet.activities.of(self._get_param("AutoScalingGroupName"), self._get_param("ActivityIds", []))
        return ActionResult({"Activities": activities[: self._get_int_param("MaxRecords", 100)]})
