"""Elastic IP addresses. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Address.html"""

from collections.abc import Collection, Iterator

from ..state import State, tags_to_dict
from .charges import Fields, Item, Place, line
from .ec2 import TAGGING, Resource, Site, VpcPart, arns
from .fields import FIXED, IDENTITY, STATUS, UNSET, Answer, Deviation, Ignored, Marks, compared, each
from .kind import Answers, Client, Grant

USER = Ignored("what has the address; a NAT gateway compares its addresses, and lets nobody take them away")
# The end of the name that AWS gives an address for which nobody has asked for another.
OWN_NAMES = (".amazonaws.com.", ".amazonaws.com.cn.")
ADDRESSES: Marks = {
    **each(IDENTITY, "AllocationId PublicIp"),
    **compared(tags="Tags"),
    **each(USER, "AssociationId InstanceId NetworkInterfaceId NetworkInterfaceOwnerId PrivateIpAddress SubnetId"),
    **each(FIXED, "ServiceManaged Domain PublicIpv4Pool NetworkBorderGroup CarrierIp CustomerOwnedIp CustomerOwnedIpv4Pool"),
}
ADDRESSES_ATTRIBUTE: Marks = {**each(IDENTITY, "AllocationId PublicIp"), "PtrRecord": UNSET, "PtrRecordUpdate": STATUS}


class Address(VpcPart):
    """That of a NAT gateway, or one that such a gateway has left behind."""

    name = "address"
    tagged_as = "elastic-ip"
    describe, listing, key = "describe_addresses", "Addresses", "AllocationId"
    place = ""
    answers = (
        Answer("DescribeAddresses", "Addresses", ADDRESSES),
        Answer("DescribeAddressesAttribute", "Addresses", ADDRESSES_ATTRIBUTE),
    )
    change = (
        Grant("ec2", "AllocateAddress", arns("elastic-ip"), "making"),
        Grant("ec2", "ResetAddressAttribute", arns("elastic-ip"), "own"),
        TAGGING,
    )
    removal = (Grant("ec2", "DisassociateAddress ReleaseAddress", arns("elastic-ip"), "own"),)
    delete = "release_address", "AllocationId"

    def read(self, client: Client, resource: Resource) -> Answers:
        attributes = client.describe_addresses_attribute(AllocationIds=[resource["AllocationId"]], Attribute="domain-name")[
            "Addresses"
        ]
        return {"DescribeAddresses": resource, "DescribeAddressesAttribute": attributes[0] if attributes else {}}

    def state(self, answers: Answers) -> State:
        return {"tags": tags_to_dict(answers["DescribeAddresses"].get("Tags", []))}

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        price = place.usage["hours"] * place.prices["network"]["address_hour"]
        yield line(f"{self.name} {name}", "network", "public address", price)

    def deviations(self, answers: Answers) -> list[Deviation]:
        return [found for found in super().deviations(answers) if not str(found.value).endswith(OWN_NAMES)]

    def make(self, site: Site, name: str, wanted: State) -> str:
        answer = site.ec2.allocate_address(Domain="vpc", TagSpecifications=self.tags(wanted))
        return str(answer["AllocationId"])

    def correct(self, site: Site, identity: str, wanted: State, fields: Collection[str], answers: Answers) -> None:
        if "ptr_record" in fields:
            site.call("reset_address_attribute", AllocationId=identity, Attribute="domain-name")
