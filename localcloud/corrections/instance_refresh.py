"""EC2 Auto Scaling: the calls that start, show and end instance refreshes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import AutoScalingBackend
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult

from localcloud import backends
from localcloud.corrections.autoscaling_request import named_group
from localcloud.corrections.patching import NOT_REPORTED, Difference, addition, correction
from localcloud.fleet import mixed
from localcloud.fleet.configuration import Configuration
from localcloud.fleet.refresh import guards
from localcloud.fleet.refresh.engine import Irreversible, NoActiveRefresh, obstacle_to_rollback
from localcloud.fleet.refresh.preferences import Preferences, parse

if TYPE_CHECKING:
    from localcloud.account import Account
    from localcloud.fleet.groups import Fleet

REFRESHES = Difference(
    "lacks instance refreshes",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_StartInstanceRefresh.html",
    upstream=NOT_REPORTED,
)


def apply(account: Account) -> None:
    """Let the fleet carry instance refreshes out."""
    fleet = account.fleet
    _correct_start(fleet)
    _correct_end(fleet)
    _correct_update(fleet)

    @addition(AutoScalingResponse, "describe_instance_refreshes", REFRESHES)
    def describe_instance_refreshes(self: Any) -> Any:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeInstanceRefreshes.html
        ids = self._get_param("InstanceRefreshIds", [])
        found = [one.describe() for one in fleet.refreshes.of(named_group(self)) if not ids or one.id in ids]
        return ActionResult({"InstanceRefreshes": found[: self._get_int_param("MaxRecords", 50)]})


def _correct_start(fleet: Fleet) -> None:
    @addition(AutoScalingResponse, "start_instance_refresh", REFRESHES)
    def start_instance_refresh(self: Any) -> Any:
        group = named_group(self)
        if self._get_param("Strategy", "Rolling") != "Rolling":
            raise ValidationError("The local cloud carries out instance refreshes with the strategy Rolling only.")
        warmup = getattr(group, "default_instance_warmup", None)
        grace = int(group.health_check_grace_period or 0)
        try:
            preferences = parse(self._get_param("Preferences") or {}, grace if warmup is None else warmup)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        desired = _desired(self._get_param("DesiredConfiguration"))
        _check_guards(group, preferences, desired)
        if fleet.refreshes.active(group):
            message = "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh."
            raise AutoscalingClientError("InstanceRefreshInProgress", message)
        refresh = fleet.refreshes.start(group, preferences, desired)
        fleet.wake()
        return ActionResult({"InstanceRefreshId": refresh.id})


def _correct_end(fleet: Fleet) -> None:
    def missing(group: Any) -> AutoscalingClientError:
        message = f"No in progress or pending Instance Refresh found for Auto Scaling group {group.name}"
        return AutoscalingClientError("ActiveInstanceRefreshNotFound", message)

    @addition(AutoScalingResponse, "cancel_instance_refresh", REFRESHES)
    def cancel_instance_refresh(self: Any) -> Any:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CancelInstanceRefresh.html
        group = named_group(self)
        try:
            refresh = fleet.refreshes.cancel(group, self._get_bool_param("WaitForTransitioningInstances", True))
        except NoActiveRefresh as error:
            raise missing(group) from error
        fleet.wake()
        return ActionResult({"InstanceRefreshId": refresh.id})

    @addition(AutoScalingResponse, "rollback_instance_refresh", REFRESHES)
    def rollback_instance_refresh(self: Any) -> Any:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RollbackInstanceRefresh.html
        group = named_group(self)
        try:
            refresh = fleet.refreshes.roll_back(group)
        except NoActiveRefresh as error:
            raise missing(group) from error
        except Irreversible as error:
            raise AutoscalingClientError("IrreversibleInstanceRefresh", str(error)) from error
        fleet.wake()
        return ActionResult({"InstanceRefreshId": refresh.id})


def _correct_update(fleet: Fleet) -> None:
    @correction(AutoScalingBackend, "update_auto_scaling_group", REFRESHES)
    def keep_configuration_during_refresh(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        # Not documented; AWS answers so to a new launch template while a refresh carries one.
        group = self.autoscaling_groups.get(kwargs["name"])
        refresh = fleet.refreshes.active(group) if group is not None else None
        source = ("launch_template", "launch_config_name", "mixed_instances_policy")
        if refresh and refresh.desired and any(kwargs[one] for one in source):
            raise ValidationError(
                "An active instance refresh with a desired configuration exists. All configuration options derived from "
                "the desired configuration are not available for update while the instance refresh is active."
            )
        return original(self, *args, **kwargs)


def _desired(configuration: dict[str, Any] | None) -> Configuration | None:
    """Return what a desired configuration says. A missing version is `$Default`, as for a group."""
    if not configuration:
        return None
    policy = configuration.get("MixedInstancesPolicy")
    if bool(policy) == ("LaunchTemplate" in configuration):
        raise ValidationError("A DesiredConfiguration must have either a LaunchTemplate or a MixedInstancesPolicy.")
    if policy:
        try:
            mixed.check(policy)
        except ValueError as error:
            raise ValidationError(str(error)) from error
    wanted = policy["LaunchTemplate"]["LaunchTemplateSpecification"] if policy else configuration["LaunchTemplate"]
    template_id, name = wanted.get("LaunchTemplateId"), wanted.get("LaunchTemplateName")
    if bool(template_id) == bool(name):
        raise ValidationError("Valid requests must contain either launchTemplateId or LaunchTemplateName")
    ec2 = backends.ec2()
    try:
        template = ec2.get_launch_template(template_id) if template_id else ec2.get_launch_template_by_name(name)
    except ServiceException as error:
        raise ValidationError(f"You must use a valid fully-formed launch template. {error.message}") from error
    version = str(wanted.get("Version") or "$Default")
    if version not in {"$Default", "$Latest", *(str(one.number) for one in template.versions)}:
        raise ValidationError(
            "You must use a valid fully-formed launch template. Could not find launch template version "
            f"'{version}' of launch template {template.id}."
        )
    return Configuration(template, version, policy)


def _check_guards(group: Any, preferences: Preferences, desired: Configuration | None) -> None:
    """Refuse an automatic rollback that could not be carried out, and alarms that are not OK or that nobody raises.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-rollback.html, "Considerations": "If the alarm state
    is INSUFFICIENT_DATA or ALARM, you receive an error when you try to start the instance refresh". Its text is not
    documented; nor is that AWS takes unknown alarms for an error, but no rehearsal shall pass with a guard that is misspelt.
    """
    if preferences.auto_rollback and desired is None:
        raise ValidationError(
            "The request isn't valid. The AutoRollback parameter cannot be set to true when the DesiredConfiguration "
            "parameter is empty. Set AutoRollback to false or specify a desired configuration and try again."
        )
    obstacle = obstacle_to_rollback(group, desired) if preferences.auto_rollback else None
    if obstacle:
        raise ValidationError(f"The AutoRollback parameter cannot be set to true. {obstacle}")
    states = {name: guards.state_of(name) for name in preferences.alarms}
    unknown = [name for name, state in states.items() if state is None]
    if unknown:
        raise ValidationError(f"AlarmSpecification names alarms that do not exist: {', '.join(sorted(unknown))}.")
    wrong = [f"{name} is in the {state} state" for name, state in sorted(states.items()) if state != "OK"]
    if wrong:
        raise ValidationError(f"All CloudWatch alarms of AlarmSpecification must be in the OK state: {', '.join(wrong)}.")
