"""EC2 Auto Scaling: scaling policies, and the alarms of target tracking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeScalingPolicy
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from localcloud.corrections.patching import NOT_REPORTED, Difference, Seam, addition, correction
from localcloud.scaling.target_tracking import alarms_of, put_alarms, remove_alarms, tracked_metric

if TYPE_CHECKING:
    from localcloud.account import Account
    from localcloud.settings import Settings

OF_A_GROUP = Difference(
    "knows policies by their names alone, also those of groups that do not exist",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScalingPolicy.html",
    upstream=NOT_REPORTED,
)
ANSWER = Difference(
    "answers with PolicyArn for PolicyARN, which clients do not know, and without alarms",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScalingPolicy.html",
    upstream=NOT_REPORTED,
)
TRACKING = Seam("the alarms of target tracking are made, evaluated and removed with their policies")


def forget_policies(backend: Any, group_name: str) -> None:
    """Remove a group's policies, as DeleteAutoScalingGroup does, and the alarms that were made for them."""
    for key, policy in list(backend.policies.items()):
        if policy.auto_scaling_group_name == group_name:
            remove_alarms(policy)
            backend.policies.pop(key, None)


def _find(backend: Any, response: Any) -> Any:
    """Return the policy that a call names: by ARN, or by name together with its group."""
    name, group_name = response._get_param("PolicyName"), response._get_param("AutoScalingGroupName")
    for policy in backend.policies.values():
        if name == policy.arn or (name == policy.name and group_name in {None, policy.auto_scaling_group_name}):
            return policy
    raise ValidationError(f"ScalingPolicy name not found for AutoScalingGroup {group_name}")


def apply(account: Account) -> None:
    """Correct policies, which scaling carries out."""
    _correct_storage(account.settings)
    _correct_calls()


def _correct_storage(settings: Settings) -> None:
    @correction(AutoScalingBackend, "put_scaling_policy", OF_A_GROUP, TRACKING)
    def put_scaling_policy(original: Any, self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        group = self.autoscaling_groups.get(kwargs["as_name"])
        if group is None:
            raise ValidationError("Group " + kwargs["as_name"] + " not found")
        metric = None
        if kwargs["policy_type"] == "TargetTrackingScaling":
            metric = tracked_metric(kwargs["target_tracking_config"], group, settings.telemetry_period)
        policy = original(self, name, *args, **kwargs)
        before = self.policies.get(policy.arn)
        if before is not None:
            remove_alarms(before)
        self.policies[policy.arn] = self.policies.pop(name)
        policy.enabled = True
        if metric is not None:
            put_alarms(policy, metric, group.name, settings.scale_in_datapoints)
        return policy

    def alarms(self: Any) -> list[dict[str, str]]:
        return [{"AlarmName": one.name, "AlarmARN": one.alarm_arn} for one in alarms_of(self)]

    addition(FakeScalingPolicy, "alarms", TRACKING)(property(alarms))


def _correct_calls() -> None:
    @correction(AutoScalingResponse, "put_scaling_policy", ANSWER)
    def answer_with_arn_and_alarms(original: Any, self: Any) -> Any:
        arn = original(self).result["PolicyArn"]
        policy = self.autoscaling_backend.policies[arn]
        policy.enabled = self._get_bool_param("Enabled", True)
        return ActionResult({"PolicyARN": arn, "Alarms": policy.alarms})

    @addition(AutoScalingResponse, "delete_policy", OF_A_GROUP, TRACKING)
    def delete_policy(self: Any) -> Any:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeletePolicy.html
        policy = _find(self.autoscaling_backend, self)
        remove_alarms(policy)
        self.autoscaling_backend.policies.pop(policy.arn)
        return EmptyResult()
