"""VPCs. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Vpc.html"""

from collections.abc import Collection, Mapping
from typing import Any

from ..state import State, tags_to_dict
from .ec2 import PLACE, TAGGING, Resource, Site, VpcPart, arns
from .fields import FIXED, IDENTITY, STATUS, UNSET, Answer, Default, Deviation, Foreign, Ignored, Marks, Nobodys, compared, each
from .kind import Answers, Client, Grant

# The attributes that EC2 describes one at a time, as their calls name them, by the fields of the state.
ATTRIBUTES = {"dns_support": "EnableDnsSupport", "dns_hostnames": "EnableDnsHostnames"}
METRICS = "EnableNetworkAddressUsageMetrics"
# An association or a control that is there no more is described for a while.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcCidrBlockState.html
GONE = ("disassociating", "disassociated", "failing", "failed")
CONTROL_GONE = ("deleting", "deleted")
BLOCKED = Foreign("who owns the account, of which Block Public Access is a setting in each Region")


def aws_dhcp_options(region: str) -> dict[str, list[str]]:
    """Returns the options of a VPC that nobody gave others.

    https://docs.aws.amazon.com/vpc/latest/userguide/DHCPOptionSet.html and
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateDhcpOptions.html
    """
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    return {"domain-name": [domain], "domain-name-servers": ["AmazonProvidedDNS"]}


def dhcp_options(described: Resource) -> dict[str, list[str]]:
    """Returns a set of options as EC2 describes it, each with its values in their order."""
    return {
        option["Key"]: [value["Value"] for value in option.get("Values", [])]
        for option in described.get("DhcpConfigurations", [])
    }


def ended_blocks(resource: Resource) -> frozenset[str]:
    """Returns the address ranges that a VPC or a subnet has given up."""
    return frozenset(
        str(block[member])
        for associations, member, state in (
            ("CidrBlockAssociationSet", "CidrBlock", "CidrBlockState"),
            ("Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock", "Ipv6CidrBlockState"),
        )
        for block in resource.get(associations, [])
        if block.get(state, {}).get("State") in GONE
    )


VPCS: Marks = {
    **PLACE,
    "VpcId": IDENTITY,
    "State": STATUS,
    "IsDefault": FIXED,
    **compared(cidr="CidrBlock"),
    "CidrBlockAssociationSet": Nobodys("address range", "CidrBlock"),
    "Ipv6CidrBlockAssociationSet": Nobodys("address range", "Ipv6CidrBlock"),
    # AWS changes it to this, and to nothing else.
    "InstanceTenancy": Default("default", by="modify_vpc_tenancy"),
    "DhcpOptionsId": Ignored("names the options, which are compared themselves"),
    "BlockPublicAccessStates": BLOCKED,
    "EncryptionControl": {
        **each(IDENTITY, "VpcId VpcEncryptionControlId"),
        "Mode": UNSET,
        **each(STATUS, "State StateMessage"),
        **each(Ignored("goes with the control, which is put back to none"), "ResourceExclusions Tags"),
    },
}
VPC_ATTRIBUTE: Marks = {"VpcId": IDENTITY, **compared(**ATTRIBUTES), METRICS: {"Value": UNSET}}
DHCP_OPTIONS: Marks = {
    **each(IDENTITY, "DhcpOptionsId OwnerId"),
    "Tags": Ignored("of the set, which is the account's"),
    **compared(dhcp_options="DhcpConfigurations"),
}


class Vpc(VpcPart):
    """What its options and attributes decide is in its state; what is in it are kinds of their own."""

    name = "VPC"
    free = "what is in one is paid for"
    tagged_as = "vpc"
    describe, listing, key = "describe_vpcs", "Vpcs", "VpcId"
    creation, waiter = ("create_vpc", "Vpc"), "vpc_available"
    fixed = ("cidr",)
    answers = (
        Answer("DescribeVpcs", "Vpcs", VPCS),
        Answer("DescribeVpcAttribute", "", VPC_ATTRIBUTE),
        Answer("DescribeDhcpOptions", "DhcpOptions", DHCP_OPTIONS),
    )
    change = (
        Grant("ec2", "CreateVpc", arns("vpc"), "making"),
        Grant("ec2", "AssociateDhcpOptions DeleteVpcEncryptionControl ModifyVpcAttribute ModifyVpcTenancy", arns("vpc"), "own"),
        # AWS's own set carries nobody's tags, and neither does the one that takes its place.
        Grant("ec2", "AssociateDhcpOptions CreateDhcpOptions", arns("dhcp-options"), "unclaimed"),
        # Which control is a VPC's is known by its id, and it carries the tags of who made it.
        Grant("ec2", "DeleteVpcEncryptionControl", arns("vpc-encryption-control"), "unclaimed"),
        TAGGING,
    )
    removal = (Grant("ec2", "DeleteVpc", arns("vpc"), "own"),)
    delete = "delete_vpc", "VpcId"

    def read(self, client: Client, resource: Resource) -> Answers:
        attributes: dict[str, Any] = {}
        for attribute in (*ATTRIBUTES.values(), METRICS):
            name = attribute[0].lower() + attribute[1:]
            attributes |= client.describe_vpc_attribute(VpcId=resource["VpcId"], Attribute=name)
        chosen = resource.get("DhcpOptionsId", "default")
        # `default` is what AWS calls none at all.
        options = [] if chosen == "default" else client.describe_dhcp_options(DhcpOptionsIds=[chosen])["DhcpOptions"]
        described = options[0] if options else {}
        return {"DescribeVpcs": resource, "DescribeVpcAttribute": attributes, "DescribeDhcpOptions": described}

    def state(self, answers: Answers) -> State:
        vpc, attributes = answers["DescribeVpcs"], answers["DescribeVpcAttribute"]
        return {
            "cidr": vpc["CidrBlock"],
            **{field: attributes[member]["Value"] for field, member in ATTRIBUTES.items()},
            "dhcp_options": dhcp_options(answers["DescribeDhcpOptions"]),
            "tags": tags_to_dict(vpc.get("Tags", [])),
        }

    def deviations(self, answers: Answers) -> list[Deviation]:
        control = answers["DescribeVpcs"].get("EncryptionControl", {})
        ended = ("encryption_control.mode",) if control.get("State") in CONTROL_GONE else ()
        return [found for found in super().deviations(answers) if found.path not in ended]

    def nobodys(self, answers: Answers, declared: frozenset[str] = frozenset()) -> dict[str, list[str]]:
        vpc: Mapping[str, Any] = answers["DescribeVpcs"]
        return super().nobodys(answers, declared | {vpc["CidrBlock"]} | ended_blocks(vpc))

    def request(self, site: Site, name: str, wanted: State) -> dict[str, Any]:
        return {"CidrBlock": wanted["cidr"]}

    def correct(self, site: Site, identity: str, wanted: State, fields: Collection[str], answers: Answers) -> None:
        for field, attribute in ATTRIBUTES.items():
            if field in fields:
                site.call("modify_vpc_attribute", VpcId=identity, **{attribute: {"Value": wanted[field]}})
        if not answers:
            return
        if "dhcp_options" in fields:
            site.call("associate_dhcp_options", VpcId=identity, DhcpOptionsId=_options_id(site, wanted["dhcp_options"]))
        if "enable_network_address_usage_metrics.value" in fields:
            site.call("modify_vpc_attribute", VpcId=identity, **{METRICS: {"Value": False}})
        if "encryption_control.mode" in fields:
            control = answers["DescribeVpcs"]["EncryptionControl"]["VpcEncryptionControlId"]
            site.call("delete_vpc_encryption_control", VpcEncryptionControlId=control)


def _options_id(site: Site, options: Mapping[str, list[str]]) -> str:
    """Returns the id of a set with these options: AWS's, or one in its place where somebody has removed that."""
    filters = [{"Name": "value", "Values": [value]} for values in options.values() for value in values]
    for described in site.ec2.describe_dhcp_options(Filters=filters)["DhcpOptions"]:
        if dhcp_options(described) == options:
            return str(described["DhcpOptionsId"])
    configurations = [{"Key": key, "Values": list(values)} for key, values in options.items()]
    answer = site.ec2.create_dhcp_options(DhcpConfigurations=configurations)
    return str(answer["DhcpOptions"]["DhcpOptionsId"])
