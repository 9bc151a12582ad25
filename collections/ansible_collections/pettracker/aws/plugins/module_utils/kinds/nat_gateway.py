"""NAT gateways. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NatGateway.html"""

from collections.abc import Collection, Iterator
from typing import Any

from ..state import State, tags_to_dict
from .charges import Fields, Item, Place, line, plain
from .ec2 import PLACE, TAGGING, Names, Resource, Site, VpcPart, arns, by_name
from .fields import FIXED, IDENTITY, STATUS, TIME, Answer, Ignored, Marks, Nobodys, compared, each
from .kind import Answers, Grant

REGIONAL = Ignored("of a regional gateway; AWS makes no zonal one of it, or the other way round")
DERIVED = Ignored("follows from the address and the subnet")
# An address that has been taken away stays for a while, until what goes through it has come to an end.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NatGatewayAddress.html
GONE = ("disassociating", "failed")


def addresses(gateway: Resource) -> list[Resource]:
    """Returns the public addresses that a gateway has, its first one before those that somebody has added."""
    present = [
        address
        for address in gateway.get("NatGatewayAddresses", [])
        if address.get("AllocationId") and address.get("Status") not in GONE
    ]
    return sorted(present, key=lambda address: not address.get("IsPrimary", True))


NAT_GATEWAYS: Marks = {
    "NatGatewayId": IDENTITY,
    "VpcId": PLACE["VpcId"],
    **compared(tags="Tags", subnet="SubnetId"),
    "NatGatewayAddresses": {
        **compared(addresses="AllocationId"),
        "AssociationId": IDENTITY,
        **each(DERIVED, "NetworkInterfaceId PrivateIp PublicIp AvailabilityZone AvailabilityZoneId"),
        "IsPrimary": FIXED,
        **each(STATUS, "Status FailureMessage"),
    },
    "AttachedAppliances": Nobodys("appliance", "ApplianceArn"),
    **each(STATUS, "State FailureCode FailureMessage"),
    **each(TIME, "CreateTime DeleteTime"),
    "ProvisionedBandwidth": Ignored("is AWS's to provision, after a request to its support"),
    **each(FIXED, "ConnectivityType AvailabilityMode"),
    **each(REGIONAL, "AutoScalingIps AutoProvisionZones RouteTableId"),
}


class NatGateway(VpcPart):
    """Known by its subnet, and has one address."""

    name = "NAT gateway"
    tagged_as = "natgateway"
    describe, listing, key, made_at = "describe_nat_gateways", "NatGateways", "NatGatewayId", "CreateTime"
    creation = "create_nat_gateway", "NatGateway"
    filters = "Filter"
    alive = (("state", ("pending", "available", "deleting")),)
    answers = (Answer("DescribeNatGateways", "NatGateways", NAT_GATEWAYS),)
    change = (
        Grant("ec2", "CreateNatGateway", arns("natgateway"), "making"),
        Grant("ec2", "CreateNatGateway", arns("elastic-ip", "subnet"), "own"),
        Grant("ec2", "DisassociateNatGatewayAddress", arns("natgateway"), "own"),
        TAGGING,
    )
    removal = (Grant("ec2", "DeleteNatGateway", arns("natgateway"), "own"),)
    delete = "delete_nat_gateway", "NatGatewayId"

    def state(self, answers: Answers) -> State:
        gateway = answers["DescribeNatGateways"]
        return {
            "subnet": gateway["SubnetId"],
            "addresses": [address["AllocationId"] for address in addresses(gateway)],
            "tags": tags_to_dict(gateway.get("Tags", [])),
        }

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        resource, hours, prices = f"{self.name} {name}", place.usage["hours"], place.prices["network"]
        yield line(resource, "network", f"{plain(hours)} hours", hours * prices["nat_hour"])
        share = place.usage["nat_gb"] / place.number(self.name)
        yield line(resource, "network", f"{plain(share)} GB through it", share * prices["nat_gb"])

    def named(self, state: State, names: Names) -> State:
        given = [by_name(names, address) for address in state["addresses"]]
        return state | {"subnet": by_name(names, state["subnet"]), "addresses": given}

    def request(self, site: Site, name: str, wanted: State) -> dict[str, Any]:
        return {"SubnetId": site.ids["subnet", wanted["subnet"]], "AllocationId": site.ids["address", name]}

    def correct(self, site: Site, identity: str, wanted: State, fields: Collection[str], answers: Answers) -> None:
        if answers and "addresses" in fields:
            ours = {site.ids["address", name] for name in wanted["addresses"]}
            present = addresses(answers["DescribeNatGateways"])
            added = [address["AssociationId"] for address in present if address["AllocationId"] not in ours]
            site.call("disassociate_nat_gateway_address", NatGatewayId=identity, AssociationIds=added)
