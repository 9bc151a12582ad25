"""Route tables. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RouteTable.html"""

from collections.abc import Collection, Iterator, Mapping
from typing import ClassVar

from ..state import State, tags_to_dict
from .ec2 import PLACE, TAGGING, Names, Resource, Site, VpcPart, arns, by_name, tag_specifications
from .fields import IDENTITY, STATUS, UNSET, Answer, Compared, Ignored, Marks, compared, each
from .kind import Answers, Clients, Grant

DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
TARGETS = (
    *("GatewayId", "NatGatewayId", "InstanceId", "NetworkInterfaceId", "VpcPeeringConnectionId", "TransitGatewayId"),
    *("EgressOnlyInternetGatewayId", "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn", "OdbNetworkArn"),
)
# A route by another kind of target goes through the parameter that is called as the target.
TARGET_PARAMETERS = {"NAT gateway": "NatGatewayId", "internet gateway": "GatewayId"}
CUT_OFF = "Hosts in private subnets cannot reach AWS until it is done."
ROUTES = Compared("routes")


def written_routes(table: Resource) -> Iterator[tuple[str, str, Resource]]:
    """Yields destination, target and description of the routes that somebody wrote.

    Those are not the VPC's own, unless somebody sent them elsewhere, and neither a gateway endpoint's nor what a VPN or a route
    server told. https://docs.aws.amazon.com/vpc/latest/userguide/RouteTables.html
    """
    for route in table.get("Routes", []):
        target = " ".join(route[key] for key in TARGETS if route.get(key)) or "nothing"
        destination = " ".join(route[key] for key in DESTINATIONS if route.get(key))
        of_endpoint = route.get("DestinationPrefixListId") and target.startswith("vpce-")
        told = route.get("Origin", "CreateRoute") not in ("CreateRoute", "CreateRouteTable")
        if target != "local" and not of_endpoint and not told:
            yield destination, target, route


ROUTE_TABLES: Marks = {
    **PLACE,
    "RouteTableId": IDENTITY,
    "Associations": {
        **each(IDENTITY, "RouteTableAssociationId RouteTableId"),
        "AssociationState": STATUS,
        **compared(subnets="SubnetId"),
        **each(UNSET, "Main GatewayId PublicIpv4Pool"),
    },
    "PropagatingVgws": {"GatewayId": UNSET},
    "Routes": {
        **dict.fromkeys((*DESTINATIONS, *TARGETS), ROUTES),
        "InstanceOwnerId": Ignored("whose account the instance of the target is in"),
        "Origin": Ignored("who wrote the route, which never changes"),
        "State": STATUS,
        "IpAddress": Ignored("of a route that a route server told, which is not compared"),
    },
}


class RouteTable(VpcPart):
    """Serves the subnets that are associated with it."""

    name = "route table"
    free = "AWS charges for none"
    tagged_as = "route-table"
    describe, listing, key = "describe_route_tables", "RouteTables", "RouteTableId"
    creation = "create_route_table", "RouteTable"
    interrupts: ClassVar[Mapping[str, str]] = {"routes": CUT_OFF, "subnets": CUT_OFF}
    samples: ClassVar = {"DescribeRouteTables.Routes.Origin": "CreateRoute"}
    answers = (Answer("DescribeRouteTables", "RouteTables", ROUTE_TABLES),)
    change = (
        Grant("ec2", "CreateRouteTable", arns("route-table"), "making"),
        Grant("ec2", "CreateRouteTable", arns("vpc"), "own"),
        Grant("ec2", "CreateRoute DeleteRoute DisableVgwRoutePropagation ReplaceRoute", arns("route-table"), "own"),
        Grant(
            "ec2",
            "AssociateRouteTable DisassociateRouteTable ReplaceRouteTableAssociation",
            arns("route-table", "subnet", "internet-gateway"),
            "own",
        ),
        # Whoever lets a VPN gateway write routes may have one of their own.
        Grant("ec2", "DisableVgwRoutePropagation", arns("vpn-gateway"), "unclaimed"),
        TAGGING,
    )
    removal = (
        Grant("ec2", "DeleteRouteTable", arns("route-table"), "own"),
        Grant("ec2", "DisassociateRouteTable", arns("route-table", "subnet", "internet-gateway"), "own"),
    )

    def comes_with_another(self, resource: Resource) -> bool:
        return is_main(resource)

    def remove(self, clients: Clients, identity: str) -> None:
        client = clients("ec2")
        table = client.describe_route_tables(RouteTableIds=[identity])["RouteTables"][0]
        for association in table["Associations"]:
            client.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
        client.delete_route_table(RouteTableId=identity)

    def state(self, answers: Answers) -> State:
        table = answers["DescribeRouteTables"]
        return {
            "routes": {destination: target for destination, target, _ in written_routes(table)},
            "subnets": sorted(item["SubnetId"] for item in table.get("Associations", []) if item.get("SubnetId")),
            "tags": tags_to_dict(table.get("Tags", [])),
        }

    def named(self, state: State, names: Names) -> State:
        routes = {to: " ".join(names[target]) if target in names else target for to, target in state["routes"].items()}
        return state | {"routes": routes, "subnets": sorted(by_name(names, subnet) for subnet in state["subnets"])}

    def correct(self, site: Site, identity: str, wanted: State, fields: Collection[str], answers: Answers) -> None:
        table = answers.get("DescribeRouteTables", {})
        if "routes" in fields:
            _correct_routes(site, identity, wanted["routes"], table)
        if "subnets" in fields:
            _correct_associations(site, identity, wanted["subnets"])
        for association in table.get("Associations", []):
            known = association["RouteTableAssociationId"]
            if association.get("Main"):
                # By a name it would be one of the parts.
                unnamed = {key: value for key, value in wanted["tags"].items() if key != "Name"}
                other = _another_main(site, unnamed)
                site.call("replace_route_table_association", AssociationId=known, RouteTableId=other)
            elif association.get("GatewayId") or association.get("PublicIpv4Pool"):
                site.call("disassociate_route_table", AssociationId=known)
        for gateway in table.get("PropagatingVgws", []):
            told = gateway["GatewayId"]
            site.call("disable_vgw_route_propagation", GatewayId=told, RouteTableId=identity)


def is_main(table: Resource) -> bool:
    """Tells whether it serves the subnets that are associated with none; AWS makes one with each VPC."""
    return any(association.get("Main") for association in table.get("Associations", []))


def _another_main(site: Site, tags: Mapping[str, str]) -> str:
    """Returns the table that can be the VPC's main one: that which AWS has made for it, or one in its place, with `tags`."""
    ours = {identity for (kind, _), identity in site.ids.items() if kind == "route table"}
    others = (table for table in site.listed["route table"] if table["RouteTableId"] not in ours)
    unused = [table["RouteTableId"] for table in others if not table.get("Tags") and not table["Associations"]]
    if unused:
        return str(unused[0])
    made = site.call("create_route_table", VpcId=site.vpc_id, TagSpecifications=tag_specifications("route-table", tags))
    return str(made["RouteTable"]["RouteTableId"])


def _correct_routes(site: Site, identity: str, wanted: Mapping[str, str], table: Resource) -> None:
    present = {destination: target for destination, target, _ in written_routes(table)}
    targets = {" ".join(part): (part[0], known) for part, known in site.ids.items()}
    for destination, name in wanted.items():
        kind, target = targets[name]
        if present.get(destination) == target:
            continue
        route = {"RouteTableId": identity, "DestinationCidrBlock": destination, TARGET_PARAMETERS[kind]: target}
        if destination in present:
            site.call("replace_route", **route)
        else:
            site.call("create_route", **route)
    for destination, _, written in written_routes(table):
        if destination not in wanted:
            known = {key: written[key] for key in DESTINATIONS if written.get(key)}
            if written.get("Origin") == "CreateRouteTable":
                # Nobody can remove the VPC's own route, only send it elsewhere and back.
                site.call("replace_route", RouteTableId=identity, LocalTarget=True, **known)
            else:
                site.ec2.delete_route(RouteTableId=identity, **known)


def _correct_associations(site: Site, identity: str, subnets: list[str]) -> None:
    present = [
        item | {"table": table["RouteTableId"]}
        for table in site.listed.get("route table", [])
        for item in table["Associations"]
    ]
    served = {site.ids["subnet", name] for name in subnets}
    for association in present:
        if association["table"] == identity and association.get("SubnetId") and association["SubnetId"] not in served:
            site.ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
    for subnet in sorted(served):
        found = next((item for item in present if item.get("SubnetId") == subnet), None)
        if found is None:
            site.call("associate_route_table", RouteTableId=identity, SubnetId=subnet)
        elif found["table"] != identity:
            known = found["RouteTableAssociationId"]
            site.call("replace_route_table_association", AssociationId=known, RouteTableId=identity)
