"""Subnets. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Subnet.html"""

from collections.abc import Collection
from typing import Any

from ..state import State, tags_to_dict
from .ec2 import PLACE, TAGGING, Site, VpcPart, arns
from .fields import FIXED, IDENTITY, STATUS, UNSET, Answer, Default, Ignored, Marks, Nobodys, compared, each
from .kind import Answers, Grant
from .vpc import BLOCKED, ended_blocks

# What puts a field back, of which EC2 takes one in a call, and which it names otherwise than it describes them.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySubnetAttribute.html
_OFF = {"Value": False}
_NAMES = "private_dns_name_options_on_launch"
PUT_BACK = {
    "assign_ipv6_address_on_creation": ("AssignIpv6AddressOnCreation", _OFF),
    "enable_dns64": ("EnableDns64", _OFF),
    "enable_lni_at_device_index": ("DisableLniAtDeviceIndex", {"Value": True}),
    "map_customer_owned_ip_on_launch": ("MapCustomerOwnedIpOnLaunch", _OFF),
    f"{_NAMES}.hostname_type": ("PrivateDnsHostnameTypeOnLaunch", "ip-name"),
    f"{_NAMES}.enable_resource_name_dns_a_record": ("EnableResourceNameDnsARecordOnLaunch", _OFF),
    f"{_NAMES}.enable_resource_name_dns_aaaa_record": ("EnableResourceNameDnsAAAARecordOnLaunch", _OFF),
}
SUBNETS: Marks = {
    **PLACE,
    **each(IDENTITY, "SubnetId SubnetArn"),
    **each(STATUS, "State AvailableIpAddressCount"),
    **compared(cidr="CidrBlock", zone="AvailabilityZone", public_addresses="MapPublicIpOnLaunch"),
    "AvailabilityZoneId": Ignored("the same zone under its other name"),
    **each(UNSET, "AssignIpv6AddressOnCreation EnableDns64 EnableLniAtDeviceIndex MapCustomerOwnedIpOnLaunch"),
    "Ipv6CidrBlockAssociationSet": Nobodys("address range", "Ipv6CidrBlock"),
    "PrivateDnsNameOptionsOnLaunch": {
        "HostnameType": Default("ip-name"),
        **each(UNSET, "EnableResourceNameDnsARecord EnableResourceNameDnsAAAARecord"),
    },
    "CustomerOwnedIpv4Pool": Ignored("where the addresses of MapCustomerOwnedIpOnLaunch come from"),
    "BlockPublicAccessStates": BLOCKED,
    **each(FIXED, "DefaultForAz Ipv6Native OutpostArn Type"),
}


class Subnet(VpcPart):
    """Known by its address range."""

    name = "subnet"
    free = "what is in one is paid for"
    tagged_as = "subnet"
    describe, listing, key = "describe_subnets", "Subnets", "SubnetId"
    creation, waiter = ("create_subnet", "Subnet"), "subnet_available"
    fixed = ("zone",)
    answers = (Answer("DescribeSubnets", "Subnets", SUBNETS),)
    change = (
        Grant("ec2", "CreateSubnet", arns("subnet"), "making"),
        Grant("ec2", "CreateSubnet", arns("vpc"), "own"),
        Grant("ec2", "ModifySubnetAttribute", arns("subnet"), "own"),
        TAGGING,
    )
    removal = (Grant("ec2", "DeleteSubnet", arns("subnet"), "own"),)
    delete = "delete_subnet", "SubnetId"

    def state(self, answers: Answers) -> State:
        subnet = answers["DescribeSubnets"]
        return {
            "cidr": subnet.get("CidrBlock"),
            "zone": subnet["AvailabilityZone"],
            "public_addresses": subnet.get("MapPublicIpOnLaunch", False),
            "tags": tags_to_dict(subnet.get("Tags", [])),
        }

    def nobodys(self, answers: Answers, declared: frozenset[str] = frozenset()) -> dict[str, list[str]]:
        return super().nobodys(answers, declared | ended_blocks(answers["DescribeSubnets"]))

    def request(self, site: Site, name: str, wanted: State) -> dict[str, Any]:
        return {"VpcId": site.vpc_id, "CidrBlock": wanted["cidr"], "AvailabilityZone": wanted["zone"]}

    def correct(self, site: Site, identity: str, wanted: State, fields: Collection[str], answers: Answers) -> None:
        if "public_addresses" in fields:
            public = {"Value": wanted["public_addresses"]}
            site.call("modify_subnet_attribute", SubnetId=identity, MapPublicIpOnLaunch=public)
        for field, (parameter, value) in PUT_BACK.items():
            if field in fields:
                site.call("modify_subnet_attribute", SubnetId=identity, **{parameter: value})
