"""What an environment has that is paid for by the hour, whether anybody uses it or not."""

from collections.abc import Iterator, Mapping
from typing import Any

import boto3
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.charges import Fields, Resources
from ansible_collections.pettracker.aws.plugins.module_utils.plan.costs import UNUSED

from delivery.cost.bill import bill
from delivery.cost.prices import Prices, Usage
from delivery.cost.text import dollars

Found = dict[tuple[str, str], Fields]


def found(region: str, tags: Mapping[str, str]) -> Found:
    """Return the NAT gateways, addresses, balancers, instances and volumes with an environment's tags, in a plan's words.

    A stopped instance costs its volumes only, and one that is ending costs nothing any more. Volumes carry the tags of their
    instance.
    """
    ec2 = boto3.client("ec2", region_name=region)
    by_tag = [{"Name": f"tag:{name}", "Values": [tags[name]]} for name in ("Project", "Environment")]
    there: Found = {}
    # EC2's one call that calls the filter otherwise.
    for gateway in _pages(ec2, "describe_nat_gateways", "NatGateways", Filter=by_tag):
        if gateway["State"] in ("pending", "available"):
            there["NAT gateway", _name(gateway, gateway["NatGatewayId"])] = {}
    for address in ec2.describe_addresses(Filters=by_tag)["Addresses"]:
        there["address", _name(address, address["PublicIp"])] = {}
    running = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    for reservation in _pages(ec2, "describe_instances", "Reservations", Filters=by_tag + running):
        for one in reservation["Instances"]:
            spot = one.get("InstanceLifecycle") == "spot"
            there["instance", one["InstanceId"]] = {"instance_type": one["InstanceType"], "spot": spot}
    for volume in _pages(ec2, "describe_volumes", "Volumes", Filters=by_tag):
        known = {"volume_type": volume["VolumeType"], "volume_size": volume["Size"]}
        there["volume", volume["VolumeId"]] = known | {"iops": volume.get("Iops"), "throughput": volume.get("Throughput")}
    return there | _balancers(region, {name: tags[name] for name in ("Project", "Environment")})


def _balancers(region: str, tags: Mapping[str, str]) -> Found:
    elb = boto3.client("elbv2", region_name=region)
    there: Found = {}
    for balancer in _pages(elb, "describe_load_balancers", "LoadBalancers"):
        try:
            (described,) = elb.describe_tags(ResourceArns=[balancer["LoadBalancerArn"]])["TagDescriptions"]
        except elb.exceptions.LoadBalancerNotFoundException:
            continue  # it has gone since
        if tags.items() <= {tag["Key"]: tag["Value"] for tag in described["Tags"]}.items():
            subnets = [zone["SubnetId"] for zone in balancer["AvailabilityZones"]]
            there["load balancer", balancer["LoadBalancerName"]] = {"scheme": balancer["Scheme"], "subnets": subnets}
    return there


def _pages(client: Any, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**parameters):
        yield from page[key]


def _name(resource: Mapping[str, Any], identity: str) -> str:
    """Return what people and AWS know it by; two may have one name."""
    name = next((tag["Value"] for tag in resource.get("Tags", []) if tag["Key"] == "Name"), "")
    return f"{name} ({identity})" if name else identity


def text(environment: str, resources: Resources, region: str, prices: Prices, usage: Usage) -> Iterator[str]:
    """Yield the lines that say what is paid for, about how much a month, and how it goes away; none where there is nothing."""
    if not resources:
        return
    costs = bill(resources, region, prices, usage.model_copy(update=UNUSED))
    by_resource = sorted(costs.by_resource().items(), key=lambda item: -item[1].most)
    unknown = [f"{gap.resource}: {gap.reason}".removeprefix(": ") for gap in costs.gaps]
    about = f", about {dollars(costs.total.most)} a month at list prices" if by_resource else ""
    yield f"{environment} has by now what is paid for by the hour, used or not{about}:"
    for resource, cost in by_resource:
        yield f"  {dollars(cost.most):>10}  {resource}"
    if not by_resource:
        yield from (f"  {kind} {name}" for kind, name in resources)
    yield from (f"  not counted: {reason}" for reason in unknown)
    yield "When the reason is dealt with, run the same again. Where nothing of it is to stay, remove it:"
    yield f"  make destroy ENV={environment} CONFIRM={environment}"
