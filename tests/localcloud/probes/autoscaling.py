"""Probes of EC2 Auto Scaling."""

from datetime import UTC, datetime, timedelta
from typing import Any

from localcloud.corrections import (
    autoscaling,
    autoscaling_members,
    autoscaling_settings,
    instance_refresh,
    lifecycle_hooks,
    mixed_instances,
    scaling_policies,
    scheduled_actions,
)
from tests.localcloud.conftest import eventually
from tests.localcloud.probing import LACKING, Api, probe, taken

OWN = {"AutoScalingGroupName": "g"}
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
HOOK = {"LifecycleHookName": "h", "LifecycleTransition": LAUNCHING}
SOURCE = {"LaunchTemplateName": "hosts", "Version": "1"}
MIXED = {
    "LaunchTemplate": {"LaunchTemplateSpecification": SOURCE},
    "InstancesDistribution": {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 0},
}
SIMPLE = {"PolicyName": "p", "AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1}
ACTION = {"ScheduledActionName": "a", "DesiredCapacity": 1}


def template(api: Api) -> None:
    data = {"ImageId": api.image, "InstanceType": "c5.large"}
    api("ec2").create_launch_template(LaunchTemplateName="hosts", LaunchTemplateData=data)


def group(api: Api, desired: int = 0, **settings: Any) -> None:
    template(api)
    subnet = api("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    limits = {"MinSize": 0, "MaxSize": 3, "DesiredCapacity": desired, "VPCZoneIdentifier": subnet}
    source = {} if "MixedInstancesPolicy" in settings else {"LaunchTemplate": SOURCE}
    api("autoscaling").create_auto_scaling_group(**OWN | limits | source | settings)
    eventually(lambda: states(api) == ["InService"] * desired)


def described(api: Api) -> dict[str, Any]:
    (found,) = api("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=["g"])["AutoScalingGroups"]
    return dict(found)


def states(api: Api) -> list[str]:
    return [one["LifecycleState"] for one in described(api)["Instances"]]


def members(api: Api) -> list[str]:
    return [one["InstanceId"] for one in described(api)["Instances"]]


@probe(autoscaling.CAPACITY, moto=True, aws="ValidationError")
def more_than_the_maximum(api: Api) -> Any:
    group(api)
    return taken(lambda: api("autoscaling").set_desired_capacity(**OWN, DesiredCapacity=4))


@probe(autoscaling.LIMITS, moto=True, aws="ValidationError")
def a_minimum_above_the_maximum(api: Api) -> Any:
    group(api)
    return taken(lambda: api("autoscaling").update_auto_scaling_group(**OWN, MinSize=2, MaxSize=1))


@probe(autoscaling.KEPT_POLICY, moto=False, aws=True)
def a_policy_that_is_not_given(api: Api) -> Any:
    group(api, MixedInstancesPolicy=MIXED)
    api("autoscaling").update_auto_scaling_group(**OWN, MaxSize=2)
    return "MixedInstancesPolicy" in described(api)


@probe(autoscaling.UPDATED, moto=(None, False), aws=(60, True))
def a_new_warm_up_and_rebalancing(api: Api) -> Any:
    group(api)
    api("autoscaling").update_auto_scaling_group(**OWN, DefaultInstanceWarmup=60, CapacityRebalance=True)
    return described(api).get("DefaultInstanceWarmup"), described(api).get("CapacityRebalance")


@probe(autoscaling_settings.NOTIFICATIONS, moto=LACKING, aws=["autoscaling:TEST_NOTIFICATION"])
def who_is_notified(api: Api) -> Any:
    group(api)
    topic = {"TopicARN": "arn:aws:sns:us-east-1:123456789012:t", "NotificationTypes": ["autoscaling:TEST_NOTIFICATION"]}
    api("autoscaling").put_notification_configuration(**OWN, **topic)
    found = api("autoscaling").describe_notification_configurations(AutoScalingGroupNames=["g"])
    return [one["NotificationType"] for one in found["NotificationConfigurations"]]


@probe(autoscaling.CREATED, moto=(None, []), aws=(60, ["h"]))
def the_warm_up_and_hooks_of_a_new_group(api: Api) -> Any:
    group(api, DefaultInstanceWarmup=60, LifecycleHookSpecificationList=[HOOK])
    hooks = api("autoscaling").describe_lifecycle_hooks(**OWN)["LifecycleHooks"]
    return described(api).get("DefaultInstanceWarmup"), [one["LifecycleHookName"] for one in hooks]


@probe(autoscaling.TRIED_OUT, moto=None, aws="ValidationError")
def a_group_of_a_new_template(api: Api) -> Any:
    api.lag()
    return group(api)


@probe(autoscaling.LAUNCHED_VERSION, moto="1", aws="2")
def the_version_of_a_member(api: Api) -> Any:
    group(api)
    data = {"ImageId": api.image, "InstanceType": "c5.large"}
    api("ec2").create_launch_template_version(LaunchTemplateName="hosts", LaunchTemplateData=data)
    later = SOURCE | {"Version": "2"}
    api("autoscaling").update_auto_scaling_group(**OWN, LaunchTemplate=later, DesiredCapacity=1)
    eventually(lambda: states(api) == ["InService"])
    return described(api)["Instances"][0]["LaunchTemplate"]["Version"]


@probe(autoscaling.METRICS, moto=False, aws=True)
def metrics_without_names(api: Api) -> Any:
    group(api)
    api("autoscaling").enable_metrics_collection(**OWN, Granularity="1Minute")
    return "GroupTotalCapacity" in [one["Metric"] for one in described(api)["EnabledMetrics"]]


@probe(autoscaling.IN_USE, moto=True, aws="ResourceInUse")
def deleting_a_group_with_an_instance(api: Api) -> Any:
    group(api, desired=1)
    return taken(lambda: api("autoscaling").delete_auto_scaling_group(**OWN))


@probe(autoscaling_members.PROTECTED_STRANGERS, moto=True, aws="ValidationError")
def protecting_a_stranger(api: Api) -> Any:
    group(api)
    stranger = {"InstanceIds": ["i-00000000000000000"], "ProtectedFromScaleIn": True}
    return taken(lambda: api("autoscaling").set_instance_protection(**OWN, **stranger))


@probe(autoscaling_members.STANDBY, moto=True, aws="ValidationError")
def standby_below_the_minimum(api: Api) -> Any:
    group(api, desired=1, MinSize=1)
    aside = {"InstanceIds": members(api), "ShouldDecrementDesiredCapacity": True}
    return taken(lambda: api("autoscaling").enter_standby(**OWN, **aside))


@probe(autoscaling_members.ATTACHED, moto=3, aws=2)
def attaching_beside_one_in_standby(api: Api) -> Any:
    group(api, desired=2)
    aside = {"InstanceIds": members(api)[:1], "ShouldDecrementDesiredCapacity": True}
    api("autoscaling").enter_standby(**OWN, **aside)
    made = api("ec2").run_instances(MinCount=1, MaxCount=1, ImageId=api.image)["Instances"][0]["InstanceId"]
    api("ec2").get_waiter("instance_running").wait(InstanceIds=[made])
    api("autoscaling").attach_instances(**OWN, InstanceIds=[made])
    return described(api)["DesiredCapacity"]


@probe(autoscaling_members.DETACHED, moto=True, aws="ValidationError")
def detaching_a_stranger(api: Api) -> Any:
    group(api, desired=1)
    stranger = {"InstanceIds": ["i-00000000000000000"], "ShouldDecrementDesiredCapacity": False}
    return taken(lambda: api("autoscaling").detach_instances(**OWN, **stranger))


@probe(instance_refresh.REFRESHES, moto=LACKING, aws=True)
def an_instance_refresh(api: Api) -> Any:
    group(api)
    return taken(lambda: api("autoscaling").start_instance_refresh(**OWN))


@probe(lifecycle_hooks.FIELDS, moto=True, aws=False)
def a_hook_that_notifies_nobody(api: Api) -> Any:
    group(api)
    api("autoscaling").put_lifecycle_hook(**OWN, **HOOK)
    (hook,) = api("autoscaling").describe_lifecycle_hooks(**OWN)["LifecycleHooks"]
    return "NotificationTargetARN" in hook


@probe(lifecycle_hooks.CHECKED, moto=True, aws="ValidationError")
def a_hook_that_holds_too_long(api: Api) -> Any:
    group(api)
    return taken(lambda: api("autoscaling").put_lifecycle_hook(**OWN, **HOOK, HeartbeatTimeout=7201))


@probe(lifecycle_hooks.ACTIONS, moto=LACKING, aws="ValidationError")
def completing_an_action_that_there_is_not(api: Api) -> Any:
    group(api)
    api("autoscaling").put_lifecycle_hook(**OWN, **HOOK)
    action = {"LifecycleHookName": "h", "InstanceId": "i-00000000000000000", "LifecycleActionResult": "CONTINUE"}
    return taken(lambda: api("autoscaling").complete_lifecycle_action(**OWN, **action))


@probe(mixed_instances.ONE_SOURCE, moto=True, aws=False)
def the_launch_template_of_a_group_that_gets_a_policy(api: Api) -> Any:
    group(api)
    api("autoscaling").update_auto_scaling_group(**OWN, MixedInstancesPolicy=MIXED)
    return "LaunchTemplate" in described(api)


@probe(scaling_policies.OF_A_GROUP, moto=1, aws=2)
def policies_of_one_name(api: Api) -> Any:
    group(api)
    limits = {"MinSize": 0, "MaxSize": 0, "AvailabilityZones": ["us-east-1a"]}
    api("autoscaling").create_auto_scaling_group(AutoScalingGroupName="other", LaunchTemplate=SOURCE, **limits)
    for name in ("g", "other"):
        api("autoscaling").put_scaling_policy(AutoScalingGroupName=name, **SIMPLE)
    return len(api("autoscaling").describe_policies()["ScalingPolicies"])


@probe(scaling_policies.ANSWER, moto=False, aws=True)
def the_arn_of_a_new_policy(api: Api) -> Any:
    group(api)
    return "PolicyARN" in api("autoscaling").put_scaling_policy(**OWN, **SIMPLE)


@probe(scheduled_actions.OF_A_GROUP, moto=True, aws="ValidationError")
def an_action_of_no_group(api: Api) -> Any:
    schedule = {"Recurrence": "0 9 * * *"}
    return taken(lambda: api("autoscaling").put_scheduled_update_group_action(**OWN, **ACTION, **schedule))


@probe(scheduled_actions.CHECKED, moto=True, aws="ValidationError")
def an_action_at_no_time(api: Api) -> Any:
    group(api)
    schedule = {"Recurrence": "0 25 * * *"}
    return taken(lambda: api("autoscaling").put_scheduled_update_group_action(**OWN, **ACTION, **schedule))


@probe(scheduled_actions.NEXT_RUN, moto=None, aws=True)
def the_next_run_of_an_action(api: Api) -> Any:
    group(api)
    api("autoscaling").put_scheduled_update_group_action(**OWN, **ACTION, Recurrence="0 9 * * *")
    (action,) = api("autoscaling").describe_scheduled_actions(**OWN)["ScheduledUpdateGroupActions"]
    begins = action.get("StartTime")
    return begins and begins.replace(tzinfo=UTC) < datetime.now(UTC) + timedelta(days=1)
