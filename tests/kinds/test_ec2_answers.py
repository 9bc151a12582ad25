"""What AWS really answers about a VPC's parts: members that are absent, null or empty."""

from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.address import Address
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.flow_log import DEFAULT_FORMAT, FlowLog
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.internet_gateway import InternetGateway
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Kind
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.nat_gateway import NatGateway
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.network_acl import NetworkAcl
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.route_table import RouteTable
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.security_group import SecurityGroup
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.subnet import Subnet
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.vpc import Vpc
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.vpc_endpoint import OPEN_POLICY, VpcEndpoint

ROUTES = [
    {"DestinationCidrBlock": "10.0.0.0/21", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"},
    {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "Origin": "CreateRoute", "State": "active"},
    {"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1", "Origin": "CreateRoute", "State": "active"},
    {"DestinationCidrBlock": "10.8.0.0/16", "GatewayId": "vgw-1", "Origin": "EnableVgwRoutePropagation"},
]
WRITTEN = {"0.0.0.0/0": "igw-1"}
ASSOCIATION = {"Main": False, "RouteTableAssociationId": "rtbassoc-1", "RouteTableId": "rtb-1", "SubnetId": "subnet-1"}
TABLE: dict[str, Any] = {"RouteTableId": "rtb-1", "Associations": [ASSOCIATION], "PropagatingVgws": [], "Routes": ROUTES}
ENTRY = {"CidrBlock": "0.0.0.0/0", "Egress": True, "Protocol": "-1", "RuleAction": "allow", "RuleNumber": 100}
VPC: dict[str, Any] = {
    "DescribeVpcs": {
        "VpcId": "vpc-1",
        "CidrBlock": "10.0.42.0/24",
        "CidrBlockAssociationSet": [{"CidrBlock": "10.0.42.0/24", "CidrBlockState": {"State": "associated"}}],
        "DhcpOptionsId": "dopt-1",
        "InstanceTenancy": "default",
    },
    "DescribeVpcAttribute": {
        "EnableDnsSupport": {"Value": True},
        "EnableDnsHostnames": {"Value": False},
        "EnableNetworkAddressUsageMetrics": {"Value": False},
    },
    "DescribeDhcpOptions": {},
}
ENDPOINT: dict[str, Any] = {
    "DnsEntries": [],
    "DnsOptions": {"DnsRecordIpType": "service-defined"},
    "Groups": [],
    "IpAddressType": "ipv4",
    "PrivateDnsEnabled": False,
    "RouteTableIds": ["rtb-2", "rtb-1"],
    "Tags": [],
}
RULE: dict[str, Any] = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [], "UserIdGroupPairs": []}
CASES: list[tuple[Kind, dict[str, Any], dict[str, Any]]] = [
    (Vpc(), VPC, {"cidr": "10.0.42.0/24", "dns_support": True, "dns_hostnames": False, "dhcp_options": {}, "tags": {}}),
    (
        Subnet(),
        {
            "DescribeSubnets": {
                "AssignIpv6AddressOnCreation": False,
                "AvailabilityZone": "us-west-2c",
                "CidrBlock": "10.0.1.0/25",
                "Ipv6CidrBlockAssociationSet": [],
                "MapPublicIpOnLaunch": False,
            }
        },
        {"cidr": "10.0.1.0/25", "zone": "us-west-2c", "public_addresses": False, "tags": {}},
    ),
    (InternetGateway(), {"DescribeInternetGateways": {"Attachments": [], "Tags": []}}, {"vpc": None, "tags": {}}),
    (
        NatGateway(),
        {
            "DescribeNatGateways": {
                "NatGatewayAddresses": [{"AllocationId": "eipalloc-1", "PublicIp": "192.0.2.1"}],
                "State": "available",
                "SubnetId": "subnet-1",
            }
        },
        {"subnet": "subnet-1", "addresses": ["eipalloc-1"], "tags": {}},
    ),
    (Address(), {"DescribeAddresses": {"AllocationId": "eipalloc-1"}, "DescribeAddressesAttribute": {}}, {"tags": {}}),
    (RouteTable(), {"DescribeRouteTables": TABLE}, {"routes": WRITTEN, "subnets": ["subnet-1"], "tags": {}}),
    (
        VpcEndpoint(),
        {"DescribeVpcEndpoints": ENDPOINT},
        {"route_tables": ["rtb-1", "rtb-2"], "policy": OPEN_POLICY, "tags": {}},
    ),
    (
        FlowLog(),
        {"DescribeFlowLogs": {"LogGroupName": "/flow", "TrafficType": "ALL", "LogFormat": DEFAULT_FORMAT}},
        {"log_group": "/flow", "role_arn": None, "traffic_type": "ALL", "aggregation_seconds": 600, "tags": {}},
    ),
    (
        NetworkAcl(),
        {"DescribeNetworkAcls": {"Associations": [], "Entries": [ENTRY, ENTRY | {"RuleNumber": 32767}], "Tags": []}},
        {"entries": {"egress 100": "allow all from or to 0.0.0.0/0"}, "subnets": [], "tags": {}},
    ),
    (
        SecurityGroup(),
        {"DescribeSecurityGroups": {"Description": "hosts", "IpPermissions": [], "IpPermissionsEgress": [RULE]}},
        {"description": "hosts", "ingress": {}, "egress": {"all to 0.0.0.0/0": ""}, "tags": {}},
    ),
]


@pytest.mark.parametrize(("kind", "answers", "state"), CASES, ids=[kind.name for kind, _, _ in CASES])
def test_an_answer_without_its_optional_members_is_read(kind: Kind, answers: dict[str, Any], state: dict[str, Any]) -> None:
    assert kind.state(answers) == state
    assert kind.deviations(answers) == []
    assert kind.nobodys(answers) == {}


def test_an_instance_that_routes_is_told_with_its_interface_and_a_local_route_that_goes_elsewhere() -> None:
    routes = [
        {"DestinationCidrBlock": "0.0.0.0/0", "InstanceId": "i-1", "NetworkInterfaceId": "eni-1", "Origin": "CreateRoute"},
        {"DestinationCidrBlock": "10.0.0.0/21", "NetworkInterfaceId": "eni-2", "Origin": "CreateRouteTable"},
    ]
    state = RouteTable().state({"DescribeRouteTables": TABLE | {"Routes": routes}})
    assert state["routes"] == {"0.0.0.0/0": "i-1 eni-1", "10.0.0.0/21": "eni-2"}


def test_an_address_that_is_being_taken_away_from_a_gateway_is_gone() -> None:
    addresses = [
        {"AllocationId": "eipalloc-2", "IsPrimary": False, "Status": "succeeded"},
        {"AllocationId": "eipalloc-3", "IsPrimary": False, "Status": "disassociating"},
        {"AllocationId": "eipalloc-1", "IsPrimary": True, "Status": "succeeded"},
    ]
    state = NatGateway().state({"DescribeNatGateways": {"SubnetId": "subnet-1", "NatGatewayAddresses": addresses}})
    assert state["addresses"] == ["eipalloc-1", "eipalloc-2"]


def test_a_reverse_name_of_aws_is_none() -> None:
    def paths(name: str) -> list[str]:
        return [one.path for one in Address().deviations({"DescribeAddressesAttribute": {"PtrRecord": name}})]

    assert paths("ec2-192-0-2-1.compute-1.amazonaws.com.") == []
    assert paths("mail.example.com.") == ["ptr_record"]


@pytest.mark.parametrize(("state", "paths"), [("available", ["encryption_control.mode"]), ("deleting", [])])
def test_encryption_that_somebody_has_asked_for_deviates_until_it_goes(state: str, paths: list[str]) -> None:
    vpc = VPC["DescribeVpcs"] | {"EncryptionControl": {"Mode": "enforce", "State": state}}
    assert [one.path for one in Vpc().deviations(VPC | {"DescribeVpcs": vpc})] == paths


def test_an_address_range_that_was_given_up_is_nobodys_no_more() -> None:
    def block(cidr: str, state: str) -> dict[str, Any]:
        return {"CidrBlock": cidr, "CidrBlockState": {"State": state}}

    blocks = [block("10.0.42.0/24", "associated"), block("10.1.0.0/16", "associated"), block("10.2.0.0/16", "disassociated")]
    vpc = VPC["DescribeVpcs"] | {"CidrBlockAssociationSet": blocks}
    assert Vpc().nobodys(VPC | {"DescribeVpcs": vpc}) == {"address range": ["10.1.0.0/16"]}
