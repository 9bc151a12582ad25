"""Which parts a VPC has: subnets, gateways, routes, network ACL and S3 endpoint, and which of those that exist they are.

Pure functions only. The documents: https://docs.aws.amazon.com/vpc/latest/userguide/configure-your-vpc.html,
VPC_Route_Tables.html, vpc-nat-gateway.html, vpc-network-acls.html and
https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..kinds.address import Address
from ..kinds.ec2 import Part, Resource, VpcPart, name_of
from ..kinds.internet_gateway import InternetGateway
from ..kinds.nat_gateway import NatGateway, addresses
from ..kinds.network_acl import EVERYTHING, WORLD, NetworkAcl
from ..kinds.route_table import RouteTable, is_main
from ..kinds.subnet import Subnet
from ..kinds.vpc import Vpc, aws_dhcp_options
from ..kinds.vpc_endpoint import OPEN_POLICY, VpcEndpoint
from ..state import State, canonical_policy

Parts = dict[Part, State]
# What there is in a VPC, as EC2 describes it, by kind.
Listed = Mapping[str, list[Resource]]

KINDS: dict[str, VpcPart] = {
    kind.name: kind
    for kind in (Vpc(), Subnet(), InternetGateway(), Address(), NatGateway(), RouteTable(), VpcEndpoint(), NetworkAcl())
}


def label(part: Part) -> str:
    """Returns kind and name as one text."""
    return " ".join(part)


def subnet_part(name: str, tier: str, zone: str) -> Part:
    """Returns the part that stands for a subnet."""
    return ("subnet", f"{name}-{tier}-{zone}")


def wanted(parameters: Mapping[str, Any], region: str) -> Parts:
    """Returns all parts of the network, in the order in which they are made."""
    name, zones = parameters["name"], parameters["nat_zones"]

    def tags(own: str, **more: str) -> dict[str, str]:
        return dict(parameters["tags"]) | {"Name": own} | more

    parts: Parts = {
        ("VPC", name): {
            "cidr": parameters["cidr"],
            "dns_support": True,
            "dns_hostnames": True,
            "dhcp_options": aws_dhcp_options(region),
            "tags": tags(name),
        }
    }
    for tier in ("public", "private"):
        for subnet in parameters[f"{tier}_subnets"]:
            part = subnet_part(name, tier, subnet["zone"])
            parts[part] = {
                "cidr": subnet["cidr"],
                "zone": subnet["zone"],
                # No host has a public address: the balancer's own interfaces do.
                "public_addresses": False,
                "tags": tags(part[1], Tier=tier),
            }
    parts["internet gateway", name] = {"vpc": name, "tags": tags(name)}
    for zone in zones:
        parts["address", f"{name}-{zone}"] = {"tags": tags(f"{name}-{zone}")}
    for zone in zones:
        subnet = subnet_part(name, "public", zone)[1]
        own = f"{name}-{zone}"
        parts["NAT gateway", own] = {"subnet": subnet, "addresses": [own], "tags": tags(own)}
    parts["route table", f"{name}-public"] = {
        "routes": {WORLD: label(("internet gateway", name))},
        "subnets": sorted(subnet_part(name, "public", item["zone"])[1] for item in parameters["public_subnets"]),
        "tags": tags(f"{name}-public"),
    }
    for zone in zones:
        # With one NAT gateway for all, its table is every private subnet's.
        served = [item["zone"] for item in parameters["private_subnets"] if len(zones) == 1 or item["zone"] == zone]
        parts["route table", f"{name}-private-{zone}"] = {
            "routes": {WORLD: label(("NAT gateway", f"{name}-{zone}"))},
            "subnets": sorted(subnet_part(name, "private", item)[1] for item in served),
            "tags": tags(f"{name}-private-{zone}"),
        }
    parts["VPC endpoint", f"{name}-s3"] = {
        "route_tables": sorted(own for kind, own in parts if kind == "route table"),
        "policy": canonical_policy(OPEN_POLICY),
        "tags": tags(f"{name}-s3"),
    }
    parts["network ACL", f"{name}-default"] = {
        "entries": dict.fromkeys(("egress 100", "ingress 100"), EVERYTHING),
        "subnets": sorted(own for kind, own in parts if kind == "subnet"),
        "tags": tags(f"{name}-default"),
    }
    return parts


def identities(parts: Parts, listed: Listed) -> dict[Part, str]:
    """Returns the ids of those parts that exist.

    A subnet is known by its address range, a NAT gateway by its subnet, a route table by its name or else by the subnets that
    it serves: a name is only a tag, which anybody can take away.
    """
    ids: dict[Part, str] = {}
    for part, state in parts.items():
        if found := next(_candidates(part, state, parts, ids, listed), None):
            ids[part] = found[KINDS[part[0]].key]
    return ids


def _candidates(part: Part, state: State, parts: Parts, ids: Mapping[Part, str], listed: Listed) -> Iterator[Resource]:
    """Yields the resources that a part may be, the best one first."""
    kind, name = part
    there = listed[kind]
    if kind == "subnet":
        yield from (item for item in there if item.get("CidrBlock") == state["cidr"])
    elif kind == "NAT gateway":
        yield from (item for item in there if item["SubnetId"] == ids.get(("subnet", state["subnet"])))
    elif kind == "address":
        yield from _addresses(name, parts, ids, listed)
    elif kind == "route table":
        yield from _route_tables(name, state, ids, there)
    elif kind == "network ACL":
        yield from (item for item in there if item["IsDefault"])
    else:
        yield from there


def _addresses(name: str, parts: Parts, ids: Mapping[Part, str], listed: Listed) -> Iterator[Resource]:
    """Yields the addresses of the NAT gateway of that name; without one, those that such a gateway has left behind."""
    subnet = ids.get(("subnet", parts["NAT gateway", name]["subnet"]))
    for nat in listed["NAT gateway"]:
        if nat["SubnetId"] == subnet:
            yield from addresses(nat)
            return
    yield from (item for item in listed["address"] if name_of(item) == name and "AssociationId" not in item)


def _route_tables(name: str, state: State, ids: Mapping[Part, str], tables: list[Resource]) -> Iterator[Resource]:
    yield from (table for table in tables if name_of(table) == name)
    served = {ids.get(("subnet", subnet)) for subnet in state["subnets"]} - {None}
    unnamed = (table for table in tables if name_of(table) is None and not is_main(table))
    yield from (table for table in unnamed if served & {item.get("SubnetId") for item in table["Associations"]})
