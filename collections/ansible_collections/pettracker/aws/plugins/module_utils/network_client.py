"""A VPC with its parts in EC2: reads it, and makes and corrects what `network` says it should be."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.network import (
    OPEN_POLICY,
    WORLD,
    Part,
    acl_entries,
    found,
    identities,
    label,
    own_routes,
    wanted,
)
from ansible_collections.pettracker.aws.plugins.module_utils.propagation import NEW_ID, SOON, once_known
from ansible_collections.pettracker.aws.plugins.module_utils.state import differences, tag_changes, tags_to_list

# Attributes of a VPC as EC2 calls them.
ATTRIBUTES = {"dns_support": "enableDnsSupport", "dns_hostnames": "enableDnsHostnames"}
# EC2's names of the kinds, for the tags of what is made.
TAGGED_AS = {
    "VPC": "vpc",
    "subnet": "subnet",
    "internet gateway": "internet-gateway",
    "address": "elastic-ip",
    "NAT gateway": "natgateway",
    "route table": "route-table",
    "VPC endpoint": "vpc-endpoint",
    "network ACL": "network-acl",
}
# A NAT gateway takes about two minutes.
PATIENCE = {"Delay": 5, "MaxAttempts": 180}


class Network:
    """One VPC in EC2: reads it, and makes and corrects its parts, earlier ones first."""

    def __init__(self, ec2: Any, region: str, parameters: dict[str, Any]) -> None:
        self._ec2 = ec2
        self._service = f"com.amazonaws.{region}.s3"
        self._parameters = parameters
        self.wanted = wanted(parameters)
        self.ids: dict[Part, str] = {}
        self.found: dict[Part, dict[str, Any]] = {}
        self._described: dict[str, Any] = {}

    def read(self) -> str | None:
        """Reads what there is; returns a sentence if it cannot be told which VPC is meant."""
        vpcs = self._vpcs()
        if len(vpcs) > 1:
            ids, name = ", ".join(vpc["VpcId"] for vpc in vpcs), self._parameters["name"]
            return f"The VPCs {ids} could all be {name}: rename or remove those that this project did not make."
        if vpcs:
            self._described = self._describe(vpcs[0])
            self.ids = identities(self.wanted, self._described)
            self.found = found(self.ids, self._described)
        return None

    def _vpcs(self) -> list[dict[str, Any]]:
        """Returns the VPCs that have the name; without one, those of the address range that carry all other tags."""
        by_name = [{"Name": "tag:Name", "Values": [self._parameters["name"]]}]
        vpcs: list[dict[str, Any]] = self._ec2.describe_vpcs(Filters=by_name)["Vpcs"]
        if vpcs or not self._parameters["tags"]:
            return vpcs
        by_tags = [{"Name": f"tag:{key}", "Values": [value]} for key, value in self._parameters["tags"].items()]
        by_tags.append({"Name": "cidr", "Values": [self._parameters["cidr"]]})
        answer: list[dict[str, Any]] = self._ec2.describe_vpcs(Filters=by_tags)["Vpcs"]
        return answer

    def _pages(
        self, operation: str, key: str, *filters: tuple[str, list[str]], parameter: str = "Filters"
    ) -> list[Any]:
        listed = [{"Name": name, "Values": values} for name, values in filters]
        pages = self._ec2.get_paginator(operation).paginate(**{parameter: listed})
        return [item for page in pages for item in page[key]]

    def _describe(self, vpc: dict[str, Any]) -> dict[str, Any]:
        vpc_id, name = vpc["VpcId"], self._parameters["name"]
        inside, alive = ("vpc-id", [vpc_id]), ["pending", "available"]
        attributes = {
            field: self._ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute=attribute)[
                attribute[0].upper() + attribute[1:]
            ]["Value"]
            for field, attribute in ATTRIBUTES.items()
        }
        gateways = self._pages("describe_internet_gateways", "InternetGateways", ("attachment.vpc-id", [vpc_id]))
        # One that somebody has detached is attached again.
        gateways = gateways or self._pages("describe_internet_gateways", "InternetGateways", ("tag:Name", [name]))
        by_service = (inside, ("service-name", [self._service]), ("vpc-endpoint-state", alive))
        described: dict[str, Any] = {
            "vpc": vpc,
            "vpc_attributes": attributes,
            "subnets": self._pages("describe_subnets", "Subnets", inside),
            "gateways": gateways,
            "nats": self._pages("describe_nat_gateways", "NatGateways", inside, ("state", alive), parameter="Filter"),
            "addresses": self._ec2.describe_addresses()["Addresses"],
            "route_tables": self._pages("describe_route_tables", "RouteTables", inside),
            "endpoints": self._pages("describe_vpc_endpoints", "VpcEndpoints", *by_service),
            "acls": self._pages("describe_network_acls", "NetworkAcls", inside),
        }
        keys = {
            **{"subnets": "SubnetId", "gateways": "InternetGatewayId", "nats": "NatGatewayId"},
            **{"addresses": "AllocationId", "route_tables": "RouteTableId", "endpoints": "VpcEndpointId"},
            "acls": "NetworkAclId",
        }
        by_id = {item[key]: item for kind, key in keys.items() for item in described[kind] if key in item}
        return described | {"by_id": by_id | {vpc_id: vpc}}

    def apply(self) -> None:
        """Makes what is missing and corrects what differs, in the order in which one part needs the other."""
        waiting: list[str] = []
        for part, state in self.wanted.items():
            kind = part[0]
            if kind == "route table" and waiting:
                self._wait("nat_gateway_available", PATIENCE, NatGatewayIds=waiting)
                waiting = []
            if part not in self.ids:
                self.ids[part] = getattr(self, f"_make_{TAGGED_AS[kind].replace('-', '_')}")(part, state)
                if kind == "NAT gateway":
                    waiting.append(self.ids[part])
            fields = differences(state, self.found.get(part))
            correct = getattr(self, f"_correct_{TAGGED_AS[kind].replace('-', '_')}", None)
            if correct and fields:
                correct(self.ids[part], state, fields)
            if part in self.found and "tags" in fields:
                self._correct_tags(self.ids[part], state["tags"], self.found[part]["tags"])

    def _tags(self, part: Part) -> list[dict[str, Any]]:
        return [{"ResourceType": TAGGED_AS[part[0]], "Tags": tags_to_list(self.wanted[part]["tags"])}]

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Makes one call, again while EC2 does not know an id in it, and none of those that have been answered."""
        answer: dict[str, Any] = once_known(partial(getattr(self._ec2, operation), **request), NEW_ID)
        return answer

    def _correct_tags(self, identity: str, tags: dict[str, str], present: dict[str, str]) -> None:
        added, gone = tag_changes(tags, present)
        if added:
            self._call("create_tags", Resources=[identity], Tags=tags_to_list(added))
        if gone:
            self._ec2.delete_tags(Resources=[identity], Tags=[{"Key": key} for key in gone])

    def _wait(self, waiter: str, patience: dict[str, int] = SOON, **ids: list[str]) -> None:
        """Waits for what has just been made; most waiters of botocore fail where EC2 does not know an id yet."""
        once_known(partial(self._ec2.get_waiter(waiter).wait, WaiterConfig=patience, **ids), NEW_ID)

    @property
    def vpc_id(self) -> str:
        return self.ids["VPC", self._parameters["name"]]

    def _make_vpc(self, part: Part, state: dict[str, Any]) -> str:
        made: str = self._ec2.create_vpc(CidrBlock=state["cidr"], TagSpecifications=self._tags(part))["Vpc"]["VpcId"]
        self._wait("vpc_available", VpcIds=[made])
        return made

    def _correct_vpc(self, identity: str, state: dict[str, Any], fields: list[str]) -> None:
        for field, attribute in ATTRIBUTES.items():
            if field in fields:
                name = attribute[0].upper() + attribute[1:]
                self._call("modify_vpc_attribute", VpcId=identity, **{name: {"Value": state[field]}})

    def _make_subnet(self, part: Part, state: dict[str, Any]) -> str:
        answer = self._call(
            "create_subnet",
            VpcId=self.vpc_id,
            CidrBlock=state["cidr"],
            AvailabilityZone=state["zone"],
            TagSpecifications=self._tags(part),
        )
        made: str = answer["Subnet"]["SubnetId"]
        self._wait("subnet_available", SubnetIds=[made])
        return made

    def _correct_subnet(self, identity: str, state: dict[str, Any], fields: list[str]) -> None:
        if "public_addresses" in fields:
            self._call(
                "modify_subnet_attribute",
                SubnetId=identity,
                MapPublicIpOnLaunch={"Value": state["public_addresses"]},
            )

    def _make_internet_gateway(self, part: Part, _: dict[str, Any]) -> str:
        answer = self._ec2.create_internet_gateway(TagSpecifications=self._tags(part))
        made: str = answer["InternetGateway"]["InternetGatewayId"]
        self._wait("internet_gateway_exists", InternetGatewayIds=[made])
        return made

    def _correct_internet_gateway(self, identity: str, _: dict[str, Any], fields: list[str]) -> None:
        if "vpc" in fields:
            self._call("attach_internet_gateway", InternetGatewayId=identity, VpcId=self.vpc_id)

    def _make_elastic_ip(self, part: Part, _: dict[str, Any]) -> str:
        made: str = self._ec2.allocate_address(Domain="vpc", TagSpecifications=self._tags(part))["AllocationId"]
        return made

    def _make_natgateway(self, part: Part, state: dict[str, Any]) -> str:
        answer = self._call(
            "create_nat_gateway",
            SubnetId=self.ids["subnet", state["subnet"]],
            AllocationId=self.ids["address", part[1]],
            TagSpecifications=self._tags(part),
        )
        made: str = answer["NatGateway"]["NatGatewayId"]
        return made

    def _make_route_table(self, part: Part, _: dict[str, Any]) -> str:
        answer = self._call("create_route_table", VpcId=self.vpc_id, TagSpecifications=self._tags(part))
        made: str = answer["RouteTable"]["RouteTableId"]
        return made

    def _correct_route_table(self, identity: str, state: dict[str, Any], fields: list[str]) -> None:
        if "routes" in fields:
            self._correct_routes(identity, state)
        if "subnets" in fields:
            self._correct_associations(identity, state)

    def _correct_routes(self, identity: str, state: dict[str, Any]) -> None:
        present = dict(own_routes(self._described.get("by_id", {}).get(identity, {"Routes": []})))
        targets = {label(part): (part[0], found_id) for part, found_id in self.ids.items()}
        for destination, name in state["routes"].items():
            kind, target = targets[name]
            if present.get(destination) == target:
                continue
            route = {"RouteTableId": identity, "DestinationCidrBlock": destination}
            route["NatGatewayId" if kind == "NAT gateway" else "GatewayId"] = target
            if destination in present:
                self._call("replace_route", **route)
            else:
                self._call("create_route", **route)
        for destination in set(present) - set(state["routes"]):
            key = "DestinationIpv6CidrBlock" if ":" in destination else "DestinationCidrBlock"
            self._ec2.delete_route(RouteTableId=identity, **{key: destination})

    def _correct_associations(self, identity: str, state: dict[str, Any]) -> None:
        tables = self._described.get("route_tables", [])
        present = [item | {"table": table["RouteTableId"]} for table in tables for item in table["Associations"]]
        served = {self.ids["subnet", name] for name in state["subnets"]}
        for association in present:
            if (
                association["table"] == identity
                and association.get("SubnetId")
                and association["SubnetId"] not in served
            ):
                self._ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
        for subnet in sorted(served):
            association = next((item for item in present if item.get("SubnetId") == subnet), None)
            if association is None:
                self._call("associate_route_table", RouteTableId=identity, SubnetId=subnet)
            elif association["table"] != identity:
                self._call(
                    "replace_route_table_association",
                    AssociationId=association["RouteTableAssociationId"],
                    RouteTableId=identity,
                )

    def _make_vpc_endpoint(self, part: Part, state: dict[str, Any]) -> str:
        answer = self._call(
            "create_vpc_endpoint",
            VpcId=self.vpc_id,
            ServiceName=self._service,
            VpcEndpointType="Gateway",
            RouteTableIds=[self.ids["route table", name] for name in state["route_tables"]],
            TagSpecifications=self._tags(part),
        )
        made: str = answer["VpcEndpoint"]["VpcEndpointId"]
        return made

    def _correct_vpc_endpoint(self, identity: str, state: dict[str, Any], fields: list[str]) -> None:
        described = self._described.get("by_id", {}).get(identity)
        if described is None:
            return  # it has just been made so
        served = {self.ids["route table", name] for name in state["route_tables"]}
        present = set(described["RouteTableIds"])
        request: dict[str, Any] = {}
        if served - present:
            request["AddRouteTableIds"] = sorted(served - present)
        if present - served:
            request["RemoveRouteTableIds"] = sorted(present - served)
        if "policy" in fields:
            request["PolicyDocument"] = json.dumps(OPEN_POLICY)
        if request:
            self._call("modify_vpc_endpoint", VpcEndpointId=identity, **request)

    def _make_network_acl(self, _: Part, state: dict[str, Any]) -> str:
        # It has come with the VPC, and the subnets have come to it.
        default = once_known(self._default_acl, NEW_ID)
        self._correct_tags(default, state["tags"], {})
        return default

    def _default_acl(self) -> str:
        own = ("vpc-id", [self.vpc_id]), ("default", ["true"])
        acls = self._pages("describe_network_acls", "NetworkAcls", *own)
        if not acls:
            # A filter by what EC2 does not know yet finds nothing, and is no error.
            raise LookupError(f"InvalidNetworkAclID.NotFound: EC2 shows no default network ACL of {self.vpc_id}.")
        return str(acls[0]["NetworkAclId"])

    def _correct_network_acl(self, identity: str, state: dict[str, Any], fields: list[str]) -> None:
        if "entries" in fields:
            self._correct_entries(identity, state)
        if "subnets" in fields:
            served = {self.ids["subnet", name] for name in state["subnets"]}
            for acl in self._described.get("acls", []):
                for association in acl["Associations"]:
                    if association["SubnetId"] in served and acl["NetworkAclId"] != identity:
                        self._call(
                            "replace_network_acl_association",
                            AssociationId=association["NetworkAclAssociationId"],
                            NetworkAclId=identity,
                        )

    def _correct_entries(self, identity: str, state: dict[str, Any]) -> None:
        described = self._described.get("by_id", {}).get(identity)
        if described is None:
            return  # AWS has just made it so
        present = acl_entries(described)
        for key in sorted({*present, *state["entries"]}):
            direction, number = key.split()
            rule = {"NetworkAclId": identity, "RuleNumber": int(number), "Egress": direction == "egress"}
            if key not in state["entries"]:
                self._ec2.delete_network_acl_entry(**rule)
            elif state["entries"][key] != present.get(key):
                # The only entry that is wanted is the one that lets everything through.
                content = {"Protocol": "-1", "RuleAction": "allow", "CidrBlock": WORLD}
                set_entry = (
                    self._ec2.replace_network_acl_entry if key in present else self._ec2.create_network_acl_entry
                )
                set_entry(**rule, **content)
