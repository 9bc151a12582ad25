"""EC2 Auto Scaling: life-cycle hooks that really hold instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import LifecycleHook
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import EmptyResult

from localcloud.corrections.autoscaling_request import named_group
from localcloud.corrections.patching import NOT_REPORTED, Difference, Seam, addition, correction
from localcloud.fleet.hooks import ABANDON, CONTINUE, LAUNCHING, TERMINATING, longest_wait

if TYPE_CHECKING:
    from localcloud.account import Account
    from localcloud.fleet.groups import Fleet

FIELDS = Difference(
    "makes up a queue and a role for each hook",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_LifecycleHook.html",
    upstream=NOT_REPORTED,
)
CHECKED = Difference(
    "takes any transition, time and result, and forgets what is left out of an existing hook",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutLifecycleHook.html",
    upstream=NOT_REPORTED,
)
ACTIONS = Difference(
    "holds no instance for a hook, and lacks the calls that end it",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CompleteLifecycleAction.html",
    upstream="getmoto/moto#4259",
)
MEMBERS = Seam("the fleet holds the members, and lets them go when their hook is gone")

# API reference, PutLifecycleHook, HeartbeatTimeout (seconds).
SHORTEST_TIMEOUT = 30
LONGEST_TIMEOUT = 7200
RESULTS = (CONTINUE, ABANDON)
# Parameters of a hook that would notify somebody.
NOTIFICATION = ("NotificationTargetARN", "RoleARN", "NotificationMetadata")


def apply(account: Account) -> None:
    """Let the fleet carry life-cycle actions out."""
    _correct_hooks(account.fleet)
    _correct_actions(account.fleet)


def drop_hooks(backend: Any, group_name: str) -> None:
    """Forget the hooks of a group that is deleted; moto would give them to the next group of its name."""
    for key in [key for key, hook in backend.lifecycle_hooks.items() if hook.auto_scaling_group_name == group_name]:
        backend.lifecycle_hooks.pop(key, None)


def put_hook(backend: Any, group_name: str, given: dict[str, Any]) -> None:
    """Make or change a hook of a group, with what PutLifecycleHook or a LifecycleHookSpecification says of it.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutLifecycleHook.html: what is left out of an existing hook
    stays as it is.
    """
    name = given["LifecycleHookName"]
    before = backend.lifecycle_hooks.get(f"{group_name}_{name}")
    transition = given.get("LifecycleTransition") or (before.lifecycle_transition if before else None)
    timeout = given.get("HeartbeatTimeout", before.heartbeat_timeout if before else None)
    result = given.get("DefaultResult") or (before.default_result if before else None)
    if transition not in {LAUNCHING, TERMINATING}:
        raise ValidationError(f"LifecycleTransition of {name} must be {LAUNCHING} or {TERMINATING}.")
    if timeout is not None and not SHORTEST_TIMEOUT <= timeout <= LONGEST_TIMEOUT:
        raise ValidationError(f"HeartbeatTimeout must be from {SHORTEST_TIMEOUT} to {LONGEST_TIMEOUT} seconds.")
    if result is not None and result not in RESULTS:
        raise ValidationError(f"DefaultResult must be one of {', '.join(RESULTS)}.")
    if any(given.get(one) for one in NOTIFICATION):
        raise ValidationError(f"The local cloud notifies nobody of life-cycle actions: leave out {', '.join(NOTIFICATION)}.")
    backend.create_lifecycle_hook(name, group_name, transition, timeout, result)


def _correct_hooks(fleet: Fleet) -> None:
    @correction(LifecycleHook, "__init__", FIELDS)
    def keep_what_was_given(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.role_arn = self.notification_target_arn = None
        self.global_timeout = longest_wait(self.heartbeat_timeout)

    @addition(AutoScalingResponse, "put_lifecycle_hook", CHECKED)
    def put_lifecycle_hook(self: Any) -> Any:
        put_hook(self.autoscaling_backend, named_group(self).name, self._get_params())
        return EmptyResult()

    @addition(AutoScalingResponse, "delete_lifecycle_hook", MEMBERS)
    def delete_lifecycle_hook(self: Any) -> Any:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteLifecycleHook.html
        group, name = named_group(self), self._get_param("LifecycleHookName")
        hook = self.autoscaling_backend.lifecycle_hooks.pop(f"{group.name}_{name}", None)
        if hook is None:
            raise ValidationError(f"No Lifecycle Hook found: {name} of Auto Scaling group {group.name}")
        fleet.hooks.settle(group, hook)
        fleet.wake()
        return EmptyResult()


def _correct_actions(fleet: Fleet) -> None:
    def subject(self: Any) -> tuple[str | None, str | None]:
        token, instance_id = self._get_param("LifecycleActionToken"), self._get_param("InstanceId")
        if not token and not instance_id:
            raise ValidationError("Valid requests must contain either LifecycleActionToken or InstanceId.")
        return token, instance_id

    @addition(AutoScalingResponse, "complete_lifecycle_action", ACTIONS)
    def complete_lifecycle_action(self: Any) -> Any:
        result = self._get_param("LifecycleActionResult")
        if result not in RESULTS:
            raise ValidationError(f"LifecycleActionResult must be one of {', '.join(RESULTS)}.")
        try:
            fleet.hooks.complete(named_group(self), self._get_param("LifecycleHookName"), result, *subject(self))
        except LookupError as error:
            raise ValidationError(str(error)) from error
        fleet.wake()
        return EmptyResult()

    @addition(AutoScalingResponse, "record_lifecycle_action_heartbeat", ACTIONS)
    def record_lifecycle_action_heartbeat(self: Any) -> Any:
        # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RecordLifecycleActionHeartbeat.html
        try:
            fleet.hooks.heartbeat(named_group(self), self._get_param("LifecycleHookName"), *subject(self))
        except LookupError as error:
            raise ValidationError(str(error)) from error
        return EmptyResult()
