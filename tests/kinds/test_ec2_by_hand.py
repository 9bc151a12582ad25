"""What is changed by hand in a VPC is named with resource and field, nothing else is, and one apply repairs it."""

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Scope
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.registry import KINDS

from tests.plan.conftest import account, client, served  # noqa: F401 - fixtures
from tests.plan.world import NAME, TAGS, World, make

Client = Callable[[str], Any]
Change = Callable[["Hand"], None]
NETWORK = ("vpc_network", "security_groups:default", "log_groups", "iam_roles", "vpc_flow_log", "security_groups")
OTHER_OPTIONS = [{"Key": "domain-name-servers", "Values": ["10.9.9.9"]}, {"Key": "domain-name", "Values": ["ec2.internal"]}]
ANY = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}


@pytest.fixture
def world(client: Client) -> World:  # noqa: F811 - the fixture above
    made = make(client)
    made.parameters = {name: made.parameters[name] for name in NETWORK}
    made.apply()
    return made


class Hand:
    """A person with administrator's credentials."""

    def __init__(self, client: Client) -> None:  # noqa: F811 - the class has a client of its own
        self.ec2 = client("ec2")
        (self.vpc,) = self.ec2.describe_vpcs(Filters=named(NAME))["Vpcs"]
        self.vpc_id: str = self.vpc["VpcId"]

    def subnet(self, name: str = "private-us-east-1a") -> str:
        return str(self.ec2.describe_subnets(Filters=named(f"{NAME}-{name}"))["Subnets"][0]["SubnetId"])

    def table(self, name: str = "public") -> dict[str, Any]:
        found: dict[str, Any] = self.ec2.describe_route_tables(Filters=named(f"{NAME}-{name}"))["RouteTables"][0]
        return found

    def gateway(self) -> str:
        found = self.ec2.describe_internet_gateways(Filters=named(NAME))["InternetGateways"]
        return str(found[0]["InternetGatewayId"])

    def group(self, name: str) -> str:
        return str(self.ec2.describe_security_groups(Filters=named(name))["SecurityGroups"][0]["GroupId"])

    def endpoint(self) -> str:
        return str(self.ec2.describe_vpc_endpoints()["VpcEndpoints"][0]["VpcEndpointId"])

    def acl(self) -> str:
        return str(self.ec2.describe_network_acls(Filters=named(f"{NAME}-default"))["NetworkAcls"][0]["NetworkAclId"])

    def flow_log(self, **other: Any) -> None:
        (log,) = self.ec2.describe_flow_logs()["FlowLogs"]
        self.ec2.delete_flow_logs(FlowLogIds=[log["FlowLogId"]])
        self.ec2.create_flow_logs(
            ResourceIds=[self.vpc_id],
            ResourceType="VPC",
            DeliverLogsPermissionArn=log["DeliverLogsPermissionArn"],
            TagSpecifications=[{"ResourceType": "vpc-flow-log", "Tags": log["Tags"]}],
            **({"TrafficType": "ALL", "LogGroupName": log["LogGroupName"]} | other),
        )

    def modify_subnet(self, **attribute: Any) -> None:
        self.ec2.modify_subnet_attribute(SubnetId=self.subnet(), **attribute)


def named(name: str) -> list[dict[str, Any]]:
    return [{"Name": "tag:Name", "Values": [name]}]


def dhcp_options(hand: Hand) -> None:
    made = hand.ec2.create_dhcp_options(DhcpConfigurations=OTHER_OPTIONS)["DhcpOptions"]["DhcpOptionsId"]
    hand.ec2.associate_dhcp_options(VpcId=hand.vpc_id, DhcpOptionsId=made)


def no_dhcp_options(hand: Hand) -> None:
    hand.ec2.associate_dhcp_options(VpcId=hand.vpc_id, DhcpOptionsId="default")


def usage_metrics(hand: Hand) -> None:
    hand.ec2.modify_vpc_attribute(VpcId=hand.vpc_id, EnableNetworkAddressUsageMetrics={"Value": True})


def dns_support(hand: Hand) -> None:
    hand.ec2.modify_vpc_attribute(VpcId=hand.vpc_id, EnableDnsSupport={"Value": False})


def route_to_a_peer(hand: Hand) -> None:
    peer = hand.ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    asked = hand.ec2.create_vpc_peering_connection(VpcId=hand.vpc_id, PeerVpcId=peer)["VpcPeeringConnection"]
    hand.ec2.create_route(
        RouteTableId=hand.table()["RouteTableId"],
        DestinationCidrBlock="10.7.0.0/16",
        VpcPeeringConnectionId=asked["VpcPeeringConnectionId"],
    )


def route_of_ipv6(hand: Hand) -> None:
    hand.ec2.create_route(RouteTableId=hand.table()["RouteTableId"], DestinationIpv6CidrBlock="::/0", GatewayId=hand.gateway())


def gateway_route_table(hand: Hand) -> None:
    hand.ec2.associate_route_table(RouteTableId=hand.table()["RouteTableId"], GatewayId=hand.gateway())


def main_route_table(hand: Hand) -> None:
    inside = [{"Name": "vpc-id", "Values": [hand.vpc_id]}, {"Name": "association.main", "Values": ["true"]}]
    (main,) = hand.ec2.describe_route_tables(Filters=inside)["RouteTables"]
    (association,) = (one for one in main["Associations"] if one["Main"])
    hand.ec2.replace_route_table_association(
        AssociationId=association["RouteTableAssociationId"], RouteTableId=hand.table()["RouteTableId"]
    )


def endpoint_policy(hand: Hand) -> None:
    hand.ec2.modify_vpc_endpoint(VpcEndpointId=hand.endpoint(), PolicyDocument='{"Version": "2008-10-17", "Statement": []}')


def icmp_entry(hand: Hand) -> None:
    hand.ec2.create_network_acl_entry(
        NetworkAclId=hand.acl(),
        RuleNumber=50,
        Egress=True,
        Protocol="1",
        RuleAction="deny",
        CidrBlock="0.0.0.0/0",
        IcmpTypeCode={"Type": 3, "Code": 4},
    )


def rule_of_ipv6(hand: Hand) -> None:
    peer = {"Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
    hand.ec2.authorize_security_group_ingress(GroupId=hand.group("balancer"), IpPermissions=[ANY | peer])


def address_tag(hand: Hand) -> None:
    address = hand.ec2.describe_addresses(Filters=named(f"{NAME}-us-east-1a"))["Addresses"][0]["AllocationId"]
    hand.ec2.create_tags(Resources=[address], Tags=[{"Key": "Project", "Value": "mine"}])


def nat_tag(hand: Hand) -> None:
    name = {"Key": "Name", "Value": f"{NAME}-us-east-1b"}
    (nat,) = (one for one in hand.ec2.describe_nat_gateways()["NatGateways"] if name in one["Tags"])
    hand.ec2.delete_tags(Resources=[nat["NatGatewayId"]], Tags=[{"Key": "Environment"}])


def gateway_elsewhere(hand: Hand) -> None:
    other = hand.ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    hand.ec2.detach_internet_gateway(InternetGatewayId=hand.gateway(), VpcId=hand.vpc_id)
    hand.ec2.attach_internet_gateway(InternetGatewayId=hand.gateway(), VpcId=other)


SUBNET = f"subnet {NAME}-private-us-east-1a"
TABLE = f"route table {NAME}-public"
CASES: list[tuple[Change, str, set[str]]] = [
    (dhcp_options, f"VPC {NAME}", {"dhcp_options.domain-name-servers"}),
    (no_dhcp_options, f"VPC {NAME}", {"dhcp_options.domain-name", "dhcp_options.domain-name-servers"}),
    (usage_metrics, f"VPC {NAME}", {"enable_network_address_usage_metrics.value"}),
    (dns_support, f"VPC {NAME}", {"dns_support"}),
    (
        lambda hand: hand.modify_subnet(PrivateDnsHostnameTypeOnLaunch="resource-name"),
        SUBNET,
        {"private_dns_name_options_on_launch.hostname_type"},
    ),
    (
        lambda hand: hand.modify_subnet(EnableResourceNameDnsARecordOnLaunch={"Value": True}),
        SUBNET,
        {"private_dns_name_options_on_launch.enable_resource_name_dns_a_record"},
    ),
    (
        lambda hand: hand.modify_subnet(EnableResourceNameDnsAAAARecordOnLaunch={"Value": True}),
        SUBNET,
        {"private_dns_name_options_on_launch.enable_resource_name_dns_aaaa_record"},
    ),
    (lambda hand: hand.modify_subnet(AssignIpv6AddressOnCreation={"Value": True}), SUBNET, {"assign_ipv6_address_on_creation"}),
    (lambda hand: hand.modify_subnet(EnableDns64={"Value": True}), SUBNET, {"enable_dns64"}),
    (gateway_elsewhere, f"internet gateway {NAME}", {"vpc"}),
    (route_to_a_peer, TABLE, {"routes.10.7.0.0/16"}),
    (route_of_ipv6, TABLE, {"routes.::/0"}),
    (gateway_route_table, TABLE, {"associations.gateway_id"}),
    (main_route_table, TABLE, {"associations.main"}),
    (nat_tag, f"NAT gateway {NAME}-us-east-1b", {"tags.Environment"}),
    (address_tag, f"address {NAME}-us-east-1a", {"tags.Project"}),
    (endpoint_policy, f"VPC endpoint {NAME}-s3", {"policy.Statement"}),
    (icmp_entry, f"network ACL {NAME}-default", {"entries.egress 50"}),
    (lambda hand: hand.flow_log(LogFormat="${srcaddr}"), f"flow log {NAME}", {"log_format"}),
    (lambda hand: hand.flow_log(TrafficType="REJECT"), f"flow log {NAME}", {"traffic_type"}),
    (rule_of_ipv6, "security group balancer", {"ingress.tcp/443 from ::/0"}),
]


@pytest.mark.parametrize(("change", "resource", "fields"), CASES)
def test_a_change_by_hand_is_named_alone_and_one_apply_repairs_it(
    world: World,
    client: Client,  # noqa: F811 - the fixture
    change: Change,
    resource: str,
    fields: set[str],
) -> None:
    change(Hand(client))
    expected = {(resource, field) for field in fields}
    assert {(one.resource, item.path) for one in world.plan() for item in one.fields} == expected
    world.apply()
    assert world.plan() == []


def test_what_nothing_declares_is_told_and_left_alone(world: World, client: Client) -> None:  # noqa: F811 - the fixture
    hand = Hand(client)
    hand.ec2.associate_vpc_cidr_block(VpcId=hand.vpc_id, CidrBlock="10.64.0.0/16")
    flow = {"ResourceType": "VPC", "TrafficType": "ALL", "LogGroupName": "/mine"}
    role = hand.ec2.describe_flow_logs()["FlowLogs"][0]["DeliverLogsPermissionArn"]
    (other,) = hand.ec2.create_flow_logs(ResourceIds=[hand.vpc_id], DeliverLogsPermissionArn=role, **flow)["FlowLogIds"]
    world.apply()
    assert world.plan() == []
    assert world.results["vpc_network"]["nobodys"] == {"address range": [f"{NAME}/10.64.0.0/16"]}
    assert world.results["vpc_flow_log"]["nobodys"] == {"flow log": [f"{NAME}/{other}"]}
    assert len(hand.ec2.describe_vpcs(VpcIds=[hand.vpc_id])["Vpcs"][0]["CidrBlockAssociationSet"]) == 2
    assert other in {log["FlowLogId"] for log in hand.ec2.describe_flow_logs()["FlowLogs"]}


def test_what_lives_in_the_vpc_is_found_without_a_tag(world: World, client: Client) -> None:  # noqa: F811 - the fixture
    hand = Hand(client)
    subnet = hand.ec2.create_subnet(VpcId=hand.vpc_id, CidrBlock="10.0.99.0/24")["Subnet"]["SubnetId"]
    strangers = {
        "subnet": subnet,
        "security group": hand.ec2.create_security_group(GroupName="x", Description="x", VpcId=hand.vpc_id)["GroupId"],
        "route table": hand.ec2.create_route_table(VpcId=hand.vpc_id)["RouteTable"]["RouteTableId"],
        "network ACL": hand.ec2.create_network_acl(VpcId=hand.vpc_id)["NetworkAcl"]["NetworkAclId"],
        "network interface": hand.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"],
        "VPC endpoint": hand.ec2.create_vpc_endpoint(
            VpcId=hand.vpc_id, ServiceName="com.amazonaws.us-east-1.dynamodb", VpcEndpointType="Gateway"
        )["VpcEndpoint"]["VpcEndpointId"],
    }

    def owned(scope: Scope) -> dict[str, set[str]]:
        return {kind.name: {one.identity for one in kind.owned(client, scope)} for kind in KINDS if kind.service == "ec2"}

    by_tags, inside = owned(Scope(TAGS)), owned(Scope(TAGS, hand.vpc_id))
    for kind, identity in strangers.items():
        assert inside[kind] - by_tags[kind] == {identity}
    # The rules of the new group, and nothing that comes with the VPC or a gateway.
    assert {kind for kind in inside if inside[kind] != by_tags[kind]} == {*strangers, "rules of a security group"}
    assert by_tags["VPC"] == {hand.vpc_id}
