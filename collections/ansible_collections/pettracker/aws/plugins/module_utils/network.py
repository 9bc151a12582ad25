"""A VPC with subnets, gateways, routes, network ACL and S3 endpoint: as wanted, and as EC2 describes it. Pure functions only.

A part is known by its kind and name, and parts refer to each other by name, never by id, so that a network that does not exist
yet compares like any other. The documents: https://docs.aws.amazon.com/vpc/latest/userguide/configure-your-vpc.html,
VPC_Route_Tables.html, vpc-nat-gateway.html, vpc-network-acls.html and
https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.state import canonical_policy, tags_to_dict

Part = tuple[str, str]  # kind and name
Parts = dict[Part, dict[str, Any]]

WORLD = "0.0.0.0/0"
# What an endpoint has for which nobody wrote a policy.
OPEN_POLICY = {
    "Version": "2008-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}
# An entry of a network ACL that lets all through.
EVERYTHING = f"allow all from or to {WORLD}"
# The entries that nobody can change: they refuse what no other has allowed.
LAST_ENTRY = 32767
CUT_OFF = "Hosts in private subnets cannot reach AWS until it is done."
INTERRUPTS = {
    "route table": {"routes": CUT_OFF, "subnets": CUT_OFF},
    "internet gateway": {"vpc": "Nothing reaches the balancer until it is done."},
    "network ACL": dict.fromkeys(
        ("entries", "subnets"), "Until it is done, subnets may be cut off, or open to what was to be kept out."
    ),
}
# Fields that AWS cannot change.
FIXED = {"VPC": ("cidr",), "subnet": ("zone",)}


def label(part: Part) -> str:
    """Returns kind and name as one text."""
    return " ".join(part)


def subnet_part(name: str, tier: str, zone: str) -> Part:
    """Returns the part that stands for a subnet."""
    return ("subnet", f"{name}-{tier}-{zone}")


def wanted(parameters: Mapping[str, Any]) -> Parts:
    """Returns all parts of the network, in the order in which they are made."""
    name, zones = parameters["name"], parameters["nat_zones"]

    def tags(own: str, **more: str) -> dict[str, str]:
        return dict(parameters["tags"]) | {"Name": own} | more

    parts: Parts = {
        ("VPC", name): {"cidr": parameters["cidr"], "dns_support": True, "dns_hostnames": True, "tags": tags(name)}
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
        parts["NAT gateway", f"{name}-{zone}"] = {"subnet": subnet, "tags": tags(f"{name}-{zone}")}
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


def identities(parts: Parts, described: Mapping[str, Any]) -> dict[Part, str]:
    """Returns the ids of those parts that exist.

    A subnet is known by its address range, a NAT gateway by its subnet, a route table by its name or else by the subnets that
    it serves: a name is only a tag, which anybody can take away.
    """
    ids: dict[Part, str] = {}
    by_cidr = {subnet["CidrBlock"]: subnet["SubnetId"] for subnet in described["subnets"]}
    for part, state in parts.items():
        kind, name = part
        found: str | None = None
        if kind == "VPC":
            found = described["vpc"]["VpcId"]
        elif kind == "subnet":
            found = by_cidr.get(state["cidr"])
        elif kind == "internet gateway":
            found = next((item["InternetGatewayId"] for item in described["gateways"]), None)
        elif kind == "NAT gateway":
            subnet = ids.get(("subnet", state["subnet"]))
            found = next((item["NatGatewayId"] for item in described["nats"] if item["SubnetId"] == subnet), None)
        elif kind == "address":
            found = _address(name, parts, ids, described)
        elif kind == "route table":
            found = _route_table(name, state, ids, described)
        elif kind == "VPC endpoint":
            found = next((item["VpcEndpointId"] for item in described["endpoints"]), None)
        elif kind == "network ACL":
            found = next((item["NetworkAclId"] for item in described["acls"] if item["IsDefault"]), None)
        if found:
            ids[part] = found
    return ids


def _address(name: str, parts: Parts, ids: Mapping[Part, str], described: Mapping[str, Any]) -> str | None:
    """Returns the address of the NAT gateway of that name, or one that such a gateway has left behind."""
    subnet = ids.get(("subnet", parts["NAT gateway", name]["subnet"]))
    for nat in described["nats"]:
        if nat["SubnetId"] == subnet:
            return next((item["AllocationId"] for item in nat["NatGatewayAddresses"] if "AllocationId" in item), None)
    left = (
        item["AllocationId"]
        for item in described["addresses"]
        if _name_of(item) == name and "AssociationId" not in item
    )
    return next(left, None)


def _route_table(
    name: str, state: Mapping[str, Any], ids: Mapping[Part, str], described: Mapping[str, Any]
) -> str | None:
    tables = [
        table for table in described["route_tables"] if not any(item.get("Main") for item in table["Associations"])
    ]
    named = next((table["RouteTableId"] for table in tables if _name_of(table) == name), None)
    served = {ids.get(("subnet", subnet)) for subnet in state["subnets"]} - {None}
    return named or next(
        (
            table["RouteTableId"]
            for table in tables
            if _name_of(table) is None and served & {item.get("SubnetId") for item in table["Associations"]}
        ),
        None,
    )


def _name_of(resource: Mapping[str, Any]) -> str | None:
    return tags_to_dict(resource.get("Tags", [])).get("Name")


def found(ids: Mapping[Part, str], described: Mapping[str, Any]) -> Parts:
    """Returns the parts that exist, in the fields of `wanted`. What is not a part is called by its id."""
    names = {identity: part for part, identity in ids.items()}
    states: Parts = {}
    for part, identity in ids.items():
        resource = described["by_id"].get(identity, {})
        states[part] = READERS[part[0]](resource, names, described) | {"tags": tags_to_dict(resource.get("Tags", []))}
    return states


def _named(names: Mapping[str, Part], identity: str | None) -> str | None:
    return names[identity][1] if identity is not None and identity in names else identity


def _vpc(resource: Mapping[str, Any], _: Mapping[str, Part], described: Mapping[str, Any]) -> dict[str, Any]:
    return {"cidr": resource["CidrBlock"]} | described["vpc_attributes"]


def _subnet(resource: Mapping[str, Any], _: Mapping[str, Part], __: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "cidr": resource["CidrBlock"],
        "zone": resource["AvailabilityZone"],
        "public_addresses": resource.get("MapPublicIpOnLaunch", False),
    }


def _gateway(resource: Mapping[str, Any], names: Mapping[str, Part], _: Mapping[str, Any]) -> dict[str, Any]:
    attached = next((item["VpcId"] for item in resource.get("Attachments", [])), None)
    return {"vpc": _named(names, attached)}


def _nat(resource: Mapping[str, Any], names: Mapping[str, Part], _: Mapping[str, Any]) -> dict[str, Any]:
    return {"subnet": _named(names, resource["SubnetId"])}


def _nothing(*_: Any) -> dict[str, Any]:
    return {}


def _table(resource: Mapping[str, Any], names: Mapping[str, Part], _: Mapping[str, Any]) -> dict[str, Any]:
    associated = [item["SubnetId"] for item in resource["Associations"] if item.get("SubnetId")]
    return {
        "routes": {
            destination: label(names[target]) if target in names else target
            for destination, target in own_routes(resource)
        },
        "subnets": sorted(str(_named(names, subnet)) for subnet in associated),
    }


def own_routes(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields destination and target of the routes that somebody wrote: not the VPC's own, not an endpoint's or a VPN's."""
    targets = (
        *("GatewayId", "NatGatewayId", "InstanceId", "NetworkInterfaceId", "VpcPeeringConnectionId"),
        *("TransitGatewayId", "EgressOnlyInternetGatewayId"),
    )
    for route in table["Routes"]:
        target = next((route[key] for key in targets if route.get(key)), "nothing")
        destination = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock")
        # The routes of a gateway endpoint go to prefix lists.
        if destination and target != "local" and route.get("Origin", "CreateRoute") == "CreateRoute":
            yield destination, target


def _endpoint(resource: Mapping[str, Any], names: Mapping[str, Part], _: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "route_tables": sorted(str(_named(names, table)) for table in resource.get("RouteTableIds", [])),
        "policy": canonical_policy(resource.get("PolicyDocument") or OPEN_POLICY),
    }


def _acl(resource: Mapping[str, Any], names: Mapping[str, Part], _: Mapping[str, Any]) -> dict[str, Any]:
    associated = [item["SubnetId"] for item in resource["Associations"]]
    # A subnet of somebody else's in the VPC cannot do without it either.
    return {
        "entries": acl_entries(resource),
        "subnets": sorted(names[subnet][1] for subnet in associated if subnet in names),
    }


def acl_entries(acl: Mapping[str, Any]) -> dict[str, str]:
    """Returns the entries of a network ACL, a text each, by direction and number, without the last ones."""
    return {
        f"{'egress' if entry['Egress'] else 'ingress'} {entry['RuleNumber']}": _acl_entry(entry)
        for entry in acl["Entries"]
        if entry["RuleNumber"] < LAST_ENTRY
    }


def _acl_entry(entry: Mapping[str, Any]) -> str:
    protocol = "all" if entry["Protocol"] == "-1" else f"protocol {entry['Protocol']}"
    ports = entry.get("PortRange")
    range_ = f" ports {ports['From']}-{ports['To']}" if ports else ""
    return f"{entry['RuleAction']} {protocol}{range_} from or to {entry.get('CidrBlock') or entry.get('Ipv6CidrBlock')}"


READERS = {
    "VPC": _vpc,
    "subnet": _subnet,
    "internet gateway": _gateway,
    "address": _nothing,
    "NAT gateway": _nat,
    "route table": _table,
    "VPC endpoint": _endpoint,
    "network ACL": _acl,
}
