"""What an environment has that is paid for by the hour, whether anybody uses it or not."""

from collections.abc import Iterator, Mapping
from functools import cache, partial

import boto3
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.charges import Fields, Resources
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.elb import tags_of
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.finding import pages
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.instance import UNPAID
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Owned, Scope
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.registry import BY_NAME
from ansible_collections.pettracker.aws.plugins.module_utils.plan.costs import UNUSED

from delivery.cost.bill import bill
from delivery.cost.prices import Prices, Usage
from delivery.cost.text import dollars

# What is paid for from the moment on when it is made. Others cost by use, or next to nothing.
BY_THE_HOUR = ("NAT gateway", "address", "instance", "volume")


def found(region: str, tags: Mapping[str, str]) -> dict[tuple[str, str], Fields]:
    """Return what of this an environment's tags are on, in a plan's words."""
    clients, scope = (
        cache(partial(boto3.client, region_name=region)),
        Scope({name: tags[name] for name in ("Project", "Environment")}),
    )
    ended = {"Name": "state", "Values": ["deleting"]}
    gateways = {one["NatGatewayId"] for one in pages(clients("ec2"), "describe_nat_gateways", "NatGateways", Filter=[ended])}
    there = {
        (kind, _named(one)): one.fields
        for kind in BY_THE_HOUR
        for one in BY_NAME[kind].owned(clients, scope)
        if one.identity not in gateways and one.fields.get("state") not in UNPAID
    }
    # By ELB itself: the Tagging API may not know yet what a failed apply has just made.
    balancers = {one["LoadBalancerArn"]: one for one in pages(clients("elbv2"), "describe_load_balancers", "LoadBalancers")}
    for described in tags_of(clients("elbv2"), balancers):
        if scope.carried_by(described["Tags"]):
            balancer = balancers[described["ResourceArn"]]
            subnets = sorted(zone["SubnetId"] for zone in balancer["AvailabilityZones"])
            there["load balancer", balancer["LoadBalancerName"]] = {"scheme": balancer.get("Scheme"), "subnets": subnets}
    return there


def _named(one: Owned) -> str:
    """Return what people and AWS know it by; two may have one name."""
    return f"{one.name} ({one.identity})" if one.name else one.identity


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
