"""Target groups of an application load balancer.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroup.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..state import State, differences, tags_to_dict, tags_to_list
from .elb import ELB, TAGS, ElbKind, as_expected, attribute_changes, elb_arns, put_tags
from .fields import FIXED, IDENTITY, STATUS, Answer, Compared, Foreign, Ignored, Marks, Nobodys, compared, each
from .finding import pages
from .kind import Answers, Clients, Grant, Owned, Scope

ARNS = elb_arns("targetgroup")
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html; what is of application
# cookies and of anomalies decides nothing, and AWS takes it only, with another type of stickiness or algorithm.
DEFAULTS = {
    "deregistration_delay.timeout_seconds": "300",
    "load_balancing.algorithm.type": "round_robin",
    "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
    "slow_start.duration_seconds": "0",
    "stickiness.enabled": "false",
    "stickiness.lb_cookie.duration_seconds": "86400",
    "stickiness.type": "lb_cookie",
    "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
}
# The fields of a health check, as ELB calls them; the codes that are good are in a structure of their own.
HEALTH_CHECK = {
    **{"protocol": "HealthCheckProtocol", "port": "HealthCheckPort", "path": "HealthCheckPath"},
    **{"interval": "HealthCheckIntervalSeconds", "timeout": "HealthCheckTimeoutSeconds"},
    **{"healthy_threshold": "HealthyThresholdCount", "unhealthy_threshold": "UnhealthyThresholdCount"},
}
# DescribeAutoScalingInstances takes at most fifty ids.
AT_ONCE = 50
TARGET_GROUPS: Marks = {
    **each(IDENTITY, "TargetGroupArn TargetGroupName"),
    **each(FIXED, "Protocol TargetType ProtocolVersion IpAddressType TargetControlPort"),
    **compared(port="Port", vpc_id="VpcId"),
    **dict.fromkeys(HEALTH_CHECK.values(), Compared("health_check")),
    "HealthCheckEnabled": Ignored("always on where targets are instances"),
    "Matcher": {**compared(health_check="HttpCode"), "GrpcCode": Ignored("of gRPC only, which a group has from its beginning")},
    "LoadBalancerArns": Ignored("follows from listeners and rules, which are looked at"),
}
TARGET_HEALTH: Marks = {
    "TargetHealthDescriptions": {
        "Target": Nobodys("target", "Id"),
        "HealthCheckPort": Ignored("follows from the health check"),
        **each(STATUS, "TargetHealth AnomalyDetection"),
        "AdministrativeOverride": Foreign("who shifts away from a zone that is impaired"),
    }
}


class TargetGroup(ElbKind):
    """Hosts of one Auto Scaling group, which registers them, and how a balancer asks whether they are ready."""

    name = "target group"
    what = "TargetGroup"
    free = "part of the load balancer"
    answers = (
        Answer("DescribeTargetGroups", "TargetGroups", TARGET_GROUPS),
        Answer("DescribeTargetGroupAttributes", "", compared(attributes="Attributes")),
        TAGS,
        Answer("DescribeTargetHealth", "", TARGET_HEALTH),
    )
    made_by_apply = ("vpc_id",)
    # Fields that AWS lets nobody change, so that a difference in them is an error.
    fixed = ("vpc_id", "port")
    look = (
        Grant("autoscaling", "DescribeAutoScalingGroups DescribeAutoScalingInstances"),
        Grant(ELB, "DescribeTags DescribeTargetGroupAttributes DescribeTargetGroups DescribeTargetHealth"),
        Grant("tag", "GetResources"),
    )
    change = (
        Grant(
            ELB, "AddTags CreateTargetGroup DeleteTargetGroup ModifyTargetGroup ModifyTargetGroupAttributes RemoveTags", ARNS
        ),
    )
    removal = (Grant(ELB, "DeleteTargetGroup", ARNS),)
    delete = "delete_target_group", "TargetGroupArn"

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        for group in self.found(clients, scope):
            yield Owned(group["TargetGroupArn"], group["TargetGroupName"])

    def declared(self, clients: Clients, answers: Answers) -> frozenset[str]:
        """Returns the ids of targets that Auto Scaling has registered, and of those that get no requests any more."""
        arn, client = answers["DescribeTargetGroups"]["TargetGroupArn"], clients("autoscaling")
        targets = answers["DescribeTargetHealth"]["TargetHealthDescriptions"]
        known = {target["Target"]["Id"] for target in targets if _gets_nothing(target.get("TargetHealth") or {})}
        ids = sorted({target["Target"]["Id"] for target in targets} - known)
        groups: dict[str, set[str]] = {}
        for begin in range(0, len(ids), AT_ONCE):
            some = ids[begin : begin + AT_ONCE]
            for one in client.describe_auto_scaling_instances(InstanceIds=some)["AutoScalingInstances"]:
                groups.setdefault(one["AutoScalingGroupName"], set()).add(one["InstanceId"])
        if groups:
            by_name = {"AutoScalingGroupNames": sorted(groups)}
            for group in pages(client, "describe_auto_scaling_groups", "AutoScalingGroups", **by_name):
                if arn in (group.get("TargetGroupARNs") or []):
                    known |= groups[group["AutoScalingGroupName"]]
        return frozenset(known)

    def state(self, answers: Answers) -> State:
        group = answers["DescribeTargetGroups"]
        return {
            "vpc_id": group.get("VpcId"),
            "port": group.get("Port"),
            "health_check": {field: group.get(member) for field, member in HEALTH_CHECK.items()}
            | {"codes": (group.get("Matcher") or {}).get("HttpCode")},
            "attributes": tags_to_dict(answers["DescribeTargetGroupAttributes"]["Attributes"]),
            "tags": tags_to_dict(answers["DescribeTags"]["Tags"]),
        }

    def wanted(self, entry: Mapping[str, Any], found: State | None) -> State:
        """Returns the options of the module in the fields of `state`. Pure."""
        return {
            "vpc_id": entry["vpc_id"],
            "port": entry["port"],
            "health_check": dict(entry["health_check"]) | {"protocol": "HTTP", "port": "traffic-port", "codes": "200"},
            "attributes": as_expected(found["attributes"] if found else {}, entry["attributes"], DEFAULTS),
            "tags": dict(entry["tags"]),
        }

    def apply(self, clients: Clients, name: str, wanted: State, answers: Answers) -> None:
        """Makes the calls that make one where there are no answers, and correct it where there are."""
        client, check = clients("elbv2"), health_check_request(wanted["health_check"])
        if answers:
            arn, found = answers["DescribeTargetGroups"]["TargetGroupArn"], self.state(answers)
            put_tags(client, arn, wanted, found)
            if "health_check" in differences(wanted, found):
                client.modify_target_group(TargetGroupArn=arn, **check)
        else:
            place = {"Protocol": "HTTP", "Port": wanted["port"], "VpcId": wanted["vpc_id"], "TargetType": "instance"}
            made = client.create_target_group(Name=name, Tags=tags_to_list(wanted["tags"]), **place, **check)
            arn, found = made["TargetGroups"][0]["TargetGroupArn"], {"attributes": {}}
        changed = attribute_changes(wanted["attributes"], found["attributes"])
        if changed:
            client.modify_target_group_attributes(TargetGroupArn=arn, Attributes=changed)


def health_check_request(health_check: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parameters of CreateTargetGroup and ModifyTargetGroup for a health check over HTTP."""
    fields = {parameter: health_check[field] for field, parameter in HEALTH_CHECK.items()}
    return fields | {"Matcher": {"HttpCode": health_check["codes"]}}


def _gets_nothing(health: Mapping[str, Any]) -> bool:
    """Tells whether a target is on its way out, or does not run."""
    return health.get("State") == "draining" or health.get("Reason") == "Target.InvalidState"
