"""Finds and removes what belongs to one environment: its resources carry the tags Project and Environment.

Each kind of resource is one `Kind`: how it is listed and how one of it is removed. The order of `KINDS` is the order of
removal: what uses something goes before what is used. Resources are found through their own services: the Resource Groups
Tagging API does not know every kind here, and lists resources for a while after they are gone.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.kinds.certificate import own_certificates
from ansible_collections.pettracker.aws.plugins.module_utils.refusals import BUSY, gone, unless_gone
from ansible_collections.pettracker.aws.plugins.module_utils.state import error_code, tags_to_dict

Client = Any
Clients = Callable[[str], Client]
Tags = Mapping[str, str]

# Seconds between two looks at something that is being removed, and how long to keep looking: a NAT gateway takes minutes.
PAUSE = 2.0
PATIENCE = 900.0


@dataclass(frozen=True)
class Kind:
    """One kind of resource: `found` yields the ids of those with the tags, `remove` removes one by its id."""

    name: str
    service: str
    found: Callable[[Client, Tags], Iterator[str]]
    remove: Callable[[Client, str], None]


@dataclass(frozen=True)
class OfAccount:
    """A client of Budgets, which asks for the account in each call as no other service does."""

    budgets: Client
    account: str


def _client(clients: Clients, service: str) -> Client:
    if service != "budgets":
        return clients(service)
    return OfAccount(clients(service), clients("sts").get_caller_identity()["Account"])


def carries(tags: list[dict[str, str]], wanted: Tags) -> bool:
    """Tells whether a resource with these tags belongs to the environment."""
    return wanted.items() <= tags_to_dict(tags).items()


def _pages(client: Client, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**parameters):
        yield from page[key]


def _ec2(operation: str, key: str, identity: str, **filters: list[str]) -> Callable[[Client, Tags], Iterator[str]]:
    """Returns a `found` for a kind of EC2's, whose describe calls filter by tag and state themselves."""

    def found(client: Client, tags: Tags) -> Iterator[str]:
        by_tag = [{"Name": f"tag:{name}", "Values": [value]} for name, value in tags.items()]
        by_state = [{"Name": name.replace("_", "-"), "Values": values} for name, values in filters.items()]
        # Some of these calls call their filters `Filter`, and some have no paginator.
        filter_name = "Filter" if operation in ("describe_nat_gateways", "describe_flow_logs") else "Filters"
        parameters: dict[str, Any] = {filter_name: by_tag + by_state}
        if operation == "describe_images":
            parameters["Owners"] = ["self"]
        if operation == "describe_snapshots":
            parameters["OwnerIds"] = ["self"]
        if client.can_paginate(operation):
            resources = _pages(client, operation, key, **parameters)
        else:
            resources = iter(getattr(client, operation)(**parameters)[key])
        for resource in resources:
            if resource.get("IsDefault") or resource.get("GroupName") == "default":
                continue  # goes with its VPC
            yield resource[identity]

    return found


def _instances(client: Client, tags: Tags) -> Iterator[str]:
    by_tag = [{"Name": f"tag:{name}", "Values": [value]} for name, value in tags.items()]
    alive = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped", "shutting-down"]}]
    for reservation in _pages(client, "describe_instances", "Reservations", Filters=by_tag + alive):
        for instance in reservation["Instances"]:
            yield instance["InstanceId"]


def _scaling_groups(client: Client, tags: Tags) -> Iterator[str]:
    for group in _pages(client, "describe_auto_scaling_groups", "AutoScalingGroups"):
        if carries(group["Tags"], tags):
            yield group["AutoScalingGroupName"]


def _elb(operation: str, key: str, identity: str) -> Callable[[Client, Tags], Iterator[str]]:
    def found(client: Client, tags: Tags) -> Iterator[str]:
        arns = [resource[identity] for resource in _pages(client, operation, key)]
        # DescribeTags takes at most twenty ARNs.
        for begin in range(0, len(arns), 20):
            for answer in _tags_of(client, arns[begin : begin + 20]):
                if carries(answer["Tags"], tags):
                    yield answer["ResourceArn"]

    return found


def _tags_of(client: Client, arns: list[str]) -> list[dict[str, Any]]:
    """Returns DescribeTags of balancers or their groups; it refuses them all if one has gone, and then asks for each."""
    answers: list[dict[str, Any]] | None = unless_gone(
        lambda: client.describe_tags(ResourceArns=arns)["TagDescriptions"], None if len(arns) > 1 else []
    )
    return answers if answers is not None else [answer for arn in arns for answer in _tags_of(client, [arn])]


def _certificates(client: Client, tags: Tags) -> Iterator[str]:
    for arn, its_tags in own_certificates(client):
        if tags.items() <= its_tags.items():
            yield arn


def _alarms(client: Client, tags: Tags) -> Iterator[str]:
    for alarm in _pages(client, "describe_alarms", "MetricAlarms"):
        read = functools.partial(client.list_tags_for_resource, ResourceARN=alarm["AlarmArn"])
        if carries(unless_gone(read, {}).get("Tags", []), tags):
            yield alarm["AlarmName"]


def _parameters(client: Client, tags: Tags) -> Iterator[str]:
    by_tag = [{"Key": f"tag:{name}", "Values": [value]} for name, value in tags.items()]
    for parameter in _pages(client, "describe_parameters", "Parameters", ParameterFilters=by_tag):
        yield parameter["Name"]


def _log_groups(client: Client, tags: Tags) -> Iterator[str]:
    for group in _pages(client, "describe_log_groups", "logGroups"):
        read = functools.partial(client.list_tags_for_resource, resourceArn=group["arn"].removesuffix(":*"))
        found = unless_gone(read, {}).get("tags", {})
        if tags.items() <= found.items():
            yield group["logGroupName"]


def _buckets(client: Client, tags: Tags) -> Iterator[str]:
    for bucket in client.list_buckets()["Buckets"]:
        try:
            found = client.get_bucket_tagging(Bucket=bucket["Name"])["TagSet"]
        except Exception as error:
            if error_code(error) in ("NoSuchTagSet", "AccessDenied") or gone(error):
                continue  # without tags, somebody else's, or gone
            raise
        if carries(found, tags):
            yield bucket["Name"]


def _budgets(client: OfAccount, tags: Tags) -> Iterator[str]:
    for page in client.budgets.get_paginator("describe_budgets").paginate(AccountId=client.account):
        for budget in page.get("Budgets", []):
            name = budget["BudgetName"]
            arn = f"arn:{client.budgets.meta.partition}:budgets::{client.account}:budget/{name}"
            read = functools.partial(client.budgets.list_tags_for_resource, ResourceARN=arn)
            if carries(unless_gone(read, {}).get("ResourceTags", []), tags):
                yield name


def _remove_budget(client: OfAccount, name: str) -> None:
    client.budgets.delete_budget(AccountId=client.account, BudgetName=name)


def _profiles(client: Client, tags: Tags) -> Iterator[str]:
    for profile in _pages(client, "list_instance_profiles", "InstanceProfiles"):
        name = profile["InstanceProfileName"]
        read = functools.partial(client.get_instance_profile, InstanceProfileName=name)
        if carries(unless_gone(read, {}).get("InstanceProfile", {}).get("Tags", []), tags):
            yield name


def _roles(client: Client, tags: Tags) -> Iterator[str]:
    for role in _pages(client, "list_roles", "Roles"):
        if role["Path"].startswith("/aws-service-role/"):
            continue
        read = functools.partial(client.list_role_tags, RoleName=role["RoleName"])
        if carries(unless_gone(read, {}).get("Tags", []), tags):
            yield role["RoleName"]


def _remove_balancer(client: Client, arn: str) -> None:
    unprotected = [{"Key": "deletion_protection.enabled", "Value": "false"}]
    client.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=unprotected)
    client.delete_load_balancer(LoadBalancerArn=arn)


def _groups_with_rules(client: Client, tags: Tags) -> Iterator[str]:
    by_tag = [{"Name": f"tag:{name}", "Values": [value]} for name, value in tags.items()]
    for group in _pages(client, "describe_security_groups", "SecurityGroups", Filters=by_tag):
        if group["IpPermissions"] or group["IpPermissionsEgress"]:
            yield group["GroupId"]


def _remove_rules(client: Client, identity: str) -> None:
    group = client.describe_security_groups(GroupIds=[identity])["SecurityGroups"][0]
    if group["IpPermissions"]:
        client.revoke_security_group_ingress(GroupId=identity, IpPermissions=group["IpPermissions"])
    if group["IpPermissionsEgress"]:
        client.revoke_security_group_egress(GroupId=identity, IpPermissions=group["IpPermissionsEgress"])


def _remove_gateway(client: Client, identity: str) -> None:
    gateway = client.describe_internet_gateways(InternetGatewayIds=[identity])["InternetGateways"][0]
    for attachment in gateway["Attachments"]:
        client.detach_internet_gateway(InternetGatewayId=identity, VpcId=attachment["VpcId"])
    client.delete_internet_gateway(InternetGatewayId=identity)


def _remove_route_table(client: Client, identity: str) -> None:
    table = client.describe_route_tables(RouteTableIds=[identity])["RouteTables"][0]
    for association in table["Associations"]:
        client.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
    client.delete_route_table(RouteTableId=identity)


def _remove_profile(client: Client, name: str) -> None:
    for role in client.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]:
        client.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role["RoleName"])
    client.delete_instance_profile(InstanceProfileName=name)


def remove_role(client: Client, name: str) -> None:
    for policy in client.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        client.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
    for policy in client.list_role_policies(RoleName=name)["PolicyNames"]:
        client.delete_role_policy(RoleName=name, PolicyName=policy)
    client.delete_role(RoleName=name)


def _remove_bucket(client: Client, name: str) -> None:
    # The first page each time: the place where a listing is to go on is itself among what was deleted.
    while page := _versions(client.list_object_versions(Bucket=name)):
        refused = client.delete_objects(Bucket=name, Delete={"Objects": page, "Quiet": True}).get("Errors", [])
        if refused:
            first = refused[0]
            raise RuntimeError(
                f"{len(refused)} objects of {name} cannot be deleted; {first['Key']}: {first['Code']} {first['Message']}"
            )
    client.delete_bucket(Bucket=name)


def _versions(page: dict[str, Any]) -> list[dict[str, str]]:
    listed = page.get("Versions", []) + page.get("DeleteMarkers", [])
    return [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in listed]


def _by(operation: str, parameter: str, as_list: bool = False, **more: Any) -> Callable[[Client, str], None]:
    """Returns a `remove` that is one call."""

    def remove(client: Client, identity: str) -> None:
        getattr(client, operation)(**{parameter: [identity] if as_list else identity}, **more)

    return remove


KINDS = (
    Kind(
        "Auto Scaling group",
        "autoscaling",
        _scaling_groups,
        _by("delete_auto_scaling_group", "AutoScalingGroupName", ForceDelete=True),
    ),
    Kind("instance", "ec2", _instances, _by("terminate_instances", "InstanceIds", as_list=True)),
    Kind(
        "launch template",
        "ec2",
        _ec2("describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
        _by("delete_launch_template", "LaunchTemplateId"),
    ),
    Kind(
        "load balancer",
        "elbv2",
        _elb("describe_load_balancers", "LoadBalancers", "LoadBalancerArn"),
        _remove_balancer,
    ),
    Kind(
        "target group",
        "elbv2",
        _elb("describe_target_groups", "TargetGroups", "TargetGroupArn"),
        _by("delete_target_group", "TargetGroupArn"),
    ),
    Kind("certificate", "acm", _certificates, _by("delete_certificate", "CertificateArn")),
    Kind("alarm", "cloudwatch", _alarms, _by("delete_alarms", "AlarmNames", as_list=True)),
    Kind("image", "ec2", _ec2("describe_images", "Images", "ImageId"), _by("deregister_image", "ImageId")),
    Kind(
        "snapshot", "ec2", _ec2("describe_snapshots", "Snapshots", "SnapshotId"), _by("delete_snapshot", "SnapshotId")
    ),
    Kind("volume", "ec2", _ec2("describe_volumes", "Volumes", "VolumeId"), _by("delete_volume", "VolumeId")),
    Kind(
        "VPC endpoint",
        "ec2",
        _ec2("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", vpc_endpoint_state=["pending", "available"]),
        _by("delete_vpc_endpoints", "VpcEndpointIds", as_list=True),
    ),
    Kind(
        "flow log",
        "ec2",
        _ec2("describe_flow_logs", "FlowLogs", "FlowLogId"),
        _by("delete_flow_logs", "FlowLogIds", as_list=True),
    ),
    Kind(
        "NAT gateway",
        "ec2",
        _ec2("describe_nat_gateways", "NatGateways", "NatGatewayId", state=["pending", "available", "deleting"]),
        _by("delete_nat_gateway", "NatGatewayId"),
    ),
    Kind(
        "address",
        "ec2",
        _ec2("describe_addresses", "Addresses", "AllocationId"),
        _by("release_address", "AllocationId"),
    ),
    # The balancer's group and the hosts' refer to each other: no group can go before the rules of all have gone.
    Kind("rules of a security group", "ec2", _groups_with_rules, _remove_rules),
    Kind(
        "security group",
        "ec2",
        _ec2("describe_security_groups", "SecurityGroups", "GroupId"),
        _by("delete_security_group", "GroupId"),
    ),
    Kind("route table", "ec2", _ec2("describe_route_tables", "RouteTables", "RouteTableId"), _remove_route_table),
    Kind("subnet", "ec2", _ec2("describe_subnets", "Subnets", "SubnetId"), _by("delete_subnet", "SubnetId")),
    # The project makes none beside the VPC's own; somebody may have, with its tags.
    Kind(
        "network ACL",
        "ec2",
        _ec2("describe_network_acls", "NetworkAcls", "NetworkAclId"),
        _by("delete_network_acl", "NetworkAclId"),
    ),
    Kind(
        "internet gateway",
        "ec2",
        _ec2("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
        _remove_gateway,
    ),
    Kind("VPC", "ec2", _ec2("describe_vpcs", "Vpcs", "VpcId"), _by("delete_vpc", "VpcId")),
    Kind("instance profile", "iam", _profiles, _remove_profile),
    Kind("role", "iam", _roles, remove_role),
    Kind("log group", "logs", _log_groups, _by("delete_log_group", "logGroupName")),
    Kind("parameter", "ssm", _parameters, _by("delete_parameter", "Name")),
    Kind("bucket", "s3", _buckets, _remove_bucket),
    # Last: it tells costs as long as there is something that costs.
    Kind("budget", "budgets", _budgets, _remove_budget),
)


def listed(clients: Clients, tags: Tags, kept: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    """Returns the ids of everything with these tags by kind, without the kinds that are `kept` and those with nothing."""
    found = {
        kind.name: sorted(kind.found(_client(clients, kind.service), tags)) for kind in KINDS if kind.name not in kept
    }
    return {name: identities for name, identities in found.items() if identities}


def remove(
    clients: Clients, tags: Tags, kept: frozenset[str] = frozenset(), patience: float = PATIENCE
) -> dict[str, list[str]]:
    """Removes everything with these tags, kind by kind, and returns what is left after at most `patience` seconds.

    A kind is done when none of it is found any more, so that the next one meets no dependency. A removal that AWS refuses
    because an earlier one has not taken effect is tried again; any other refusal is raised.
    """
    deadline = time.monotonic() + patience
    for kind in KINDS:
        if kind.name in kept:
            continue
        client = _client(clients, kind.service)
        asked: set[str] = set()
        while identities := list(kind.found(client, tags)):
            for identity in identities:
                if identity in asked:
                    continue
                try:
                    kind.remove(client, identity)
                except Exception as error:
                    if error_code(error) in BUSY:
                        continue
                    if not gone(error):
                        raise
                asked.add(identity)
            if time.monotonic() > deadline:
                return listed(clients, tags, kept)
            if any(True for _ in kind.found(client, tags)):
                time.sleep(PAUSE)
    return listed(clients, tags, kept)
