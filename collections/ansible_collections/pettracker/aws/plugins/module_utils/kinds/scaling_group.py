"""EC2 Auto Scaling groups, and what hangs on one by a name.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AutoScalingGroup.html
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any, ClassVar

from ..scaling_groups.mixed_instances import found_policy
from ..state import State
from .charges import Fields, Item, Place
from .fields import Answer
from .finding import pages
from .kind import Answers, Clients, Grant, Kind, Owned, Scope, iso_time
from .scaling_group_calls import GROUP_TAG, found_state
from .scaling_group_charges import group_charges
from .scaling_group_fields import GROUP, HOOK, NOTIFICATION, POLICY, SCHEDULE, SOURCE, WARM_POOL
from .scaling_rules import CPU_POLICY, REQUEST_POLICY, SCHEDULE_PREFIX

# How Auto Scaling's answer calls the scheduled actions.
ACTIONS = "ScheduledUpdateGroupActions"
EITHER = ((("LaunchTemplate",), ("MixedInstancesPolicy",)),)
ARN = "arn:{partition}:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/{prefix}-*"


class ScalingGroup(Kind):
    """A group; desired capacity and instances are Auto Scaling's."""

    name = "Auto Scaling group"
    service = "autoscaling"
    answers = (
        Answer("DescribeAutoScalingGroups", "AutoScalingGroups", GROUP, either=EITHER),
        Answer("DescribePolicies", "ScalingPolicies", POLICY, many=True, key="PolicyName", under="policies"),
        Answer("DescribeLifecycleHooks", "LifecycleHooks", HOOK, many=True, key="LifecycleHookName", under="lifecycle_hooks"),
        Answer("DescribeScheduledActions", ACTIONS, SCHEDULE, many=True, key="ScheduledActionName", under="schedules"),
        Answer("DescribeNotificationConfigurations", "NotificationConfigurations", NOTIFICATION, many=True, key="TopicARN"),
        Answer("DescribeWarmPool", "", WARM_POOL),
        Answer("DescribeTrafficSources", "TrafficSources", SOURCE, many=True, key="Identifier"),
    )
    samples: ClassVar = {"DescribePolicies.PolicyName": CPU_POLICY, "DescribeAutoScalingGroups.Tags.Key": GROUP_TAG}
    made_by_apply = ("launch_template.id", "subnet_ids", "target_group_arns")
    look = (Grant("autoscaling", "Describe*"), Grant("ec2", "DescribeSubnets"))
    change = (
        Grant(
            "autoscaling",
            "AttachLoadBalancerTargetGroups CreateAutoScalingGroup CreateOrUpdateTags DeleteLifecycleHook DeletePolicy "
            "DeleteScheduledAction DeleteTags DeleteWarmPool DetachLoadBalancerTargetGroups DetachLoadBalancers "
            "DetachTrafficSources EnableMetricsCollection PutLifecycleHook PutScalingPolicy PutScheduledUpdateGroupAction "
            "UpdateAutoScalingGroup",
            (ARN,),
        ),
    )
    removal = (Grant("autoscaling", "DeleteAutoScalingGroup UpdateAutoScalingGroup", (ARN,)),)

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        client = clients("autoscaling")
        # No filter knows subnets, so that for a VPC all groups are listed.
        filters, subnets = scope.tag_filters, set()
        if scope.vpc_id:
            in_vpc = [{"Name": "vpc-id", "Values": [scope.vpc_id]}]
            filters = []
            subnets = {one["SubnetId"] for one in pages(clients("ec2"), "describe_subnets", "Subnets", Filters=in_vpc)}
        for group in pages(client, "describe_auto_scaling_groups", "AutoScalingGroups", Filters=filters):
            inside = subnets & set((group.get("VPCZoneIdentifier") or "").split(","))
            if inside or scope.carried_by(group.get("Tags") or []):
                since = iso_time(group["CreatedTime"])
                sizes = {"min_size": group["MinSize"], "max_size": group["MaxSize"]}
                yield Owned(group["AutoScalingGroupName"], since=since, fields=sizes | {"mixed_instances": found_policy(group)})

    def remove(self, clients: Clients, identity: str) -> None:
        client, group = clients("autoscaling"), {"AutoScalingGroupName": identity}
        described = client.describe_auto_scaling_groups(AutoScalingGroupNames=[identity])["AutoScalingGroups"]
        if any(one.get("DeletionProtection", "none") != "none" for one in described):
            client.update_auto_scaling_group(**group, DeletionProtection="none")
        client.delete_auto_scaling_group(**group, ForceDelete=True)

    def read(self, clients: Clients, group: dict[str, Any]) -> Answers:
        """Returns AWS's answers about a group that has been described."""
        client, name = clients("autoscaling"), group["AutoScalingGroupName"]
        by_name, by_names = {"AutoScalingGroupName": name}, {"AutoScalingGroupNames": [name]}
        pool = client.describe_warm_pool(**by_name)
        gone = (pool.get("WarmPoolConfiguration") or {}).get("Status") == "PendingDelete"
        notified = pages(client, "describe_notification_configurations", "NotificationConfigurations", **by_names)
        return {
            "DescribeAutoScalingGroups": group,
            "DescribePolicies": list(pages(client, "describe_policies", "ScalingPolicies", **by_name)),
            "DescribeLifecycleHooks": client.describe_lifecycle_hooks(**by_name)["LifecycleHooks"],
            "DescribeScheduledActions": list(pages(client, "describe_scheduled_actions", ACTIONS, **by_name)),
            "DescribeNotificationConfigurations": list(notified),
            "DescribeWarmPool": {} if gone else pool,
        }

    def state(self, answers: Answers) -> State:
        return found_state(answers)

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        yield from group_charges(f"{self.name} {name}", name, fields, place)

    def nobodys(self, answers: Answers, declared: frozenset[str] = frozenset()) -> dict[str, list[str]]:
        """Returns the names of the parts that nothing declares, and of the tags that the group hands on to its hosts."""
        parts = super().nobodys(answers, declared)
        tags = answers["DescribeAutoScalingGroups"].get("Tags") or []
        handed_on = [tag["Key"] for tag in tags if tag.get("PropagateAtLaunch") and tag["Key"] != GROUP_TAG]
        parts |= {"tag of its hosts": handed_on} if handed_on else {}
        return {part: sorted(set(names)) for part, names in parts.items()}


def own(answers: Answers, hooks: Collection[str]) -> Answers:
    """Returns the answers with no parts but those that variables declare; the hooks are declared by name."""
    return _parts(answers, hooks, True)


def of_others(answers: Answers, hooks: Collection[str]) -> Answers:
    """Returns the answers without the parts that `own` has."""
    return _parts(answers, hooks, False)


def _parts(answers: Answers, hooks: Collection[str], declared: bool) -> Answers:
    own_parts: dict[str, tuple[str, Callable[[str], bool]]] = {
        "DescribePolicies": ("PolicyName", lambda name: name in (CPU_POLICY, REQUEST_POLICY)),
        "DescribeLifecycleHooks": ("LifecycleHookName", lambda name: name in hooks),
        "DescribeScheduledActions": ("ScheduledActionName", lambda name: name.startswith(SCHEDULE_PREFIX)),
    }
    return {**answers} | {
        operation: [part for part in answers[operation] if is_own(part[key]) is declared]
        for operation, (key, is_own) in own_parts.items()
    }
