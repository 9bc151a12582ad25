"""VPC endpoints: a gateway endpoint. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcEndpoint.html"""

import json
from collections.abc import Collection
from typing import Any, ClassVar

from ..state import State, canonical_policy, tags_to_dict
from .ec2 import PLACE, TAGGING, Names, Site, VpcPart, arns, by_name
from .fields import FIXED, IDENTITY, STATUS, TIME, UNSET, Answer, Default, Foreign, Ignored, Marks, compared, each
from .kind import Answers, Clients, Grant

# What an endpoint has for which nobody wrote a policy.
# https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
OPEN_POLICY = {"Version": "2008-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
# https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html
INTERFACE = Ignored("of an interface endpoint; AWS changes no gateway endpoint into one")
DNS = {
    "dns_options.dns_record_ip_type": ("DnsRecordIpType", "service-defined"),
    "dns_options.private_dns_only_for_inbound_resolver_endpoint": ("PrivateDnsOnlyForInboundResolverEndpoint", False),
}
VPC_ENDPOINTS: Marks = {
    **PLACE,
    "VpcEndpointId": IDENTITY,
    **each(FIXED, "VpcEndpointType ServiceName ServiceRegion ServiceNetworkArn ResourceConfigurationArn RequesterManaged"),
    "CreationTimestamp": TIME,
    **each(STATUS, "State LastError FailureReason"),
    **compared(policy="PolicyDocument", route_tables="RouteTableIds"),
    "IpAddressType": Default("ipv4", by="modify_vpc_endpoint"),
    "DnsOptions": {
        "DnsRecordIpType": Default("service-defined"),
        "PrivateDnsOnlyForInboundResolverEndpoint": UNSET,
        **each(INTERFACE, "PrivateDnsPreference PrivateDnsSpecifiedDomains"),
    },
    "PrivateDnsEnabled": Default(False, by="modify_vpc_endpoint"),
    **each(INTERFACE, "SubnetIds Groups NetworkInterfaceIds DnsEntries Ipv4Prefixes Ipv6Prefixes"),
    "PayerResponsibilities": Foreign("who owns the service; a gateway endpoint costs nothing"),
}


class VpcEndpoint(VpcPart):
    """The way to S3 that costs nothing."""

    name = "VPC endpoint"
    free = "the only one is S3's, a gateway"
    tagged_as = "vpc-endpoint"
    describe, listing, key, made_at = "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", "CreationTimestamp"
    creation = "create_vpc_endpoint", "VpcEndpoint"
    alive = (("vpc-endpoint-state", ("pending", "available")),)
    samples: ClassVar = {
        "DescribeVpcEndpoints.PolicyDocument": (json.dumps(OPEN_POLICY), json.dumps(OPEN_POLICY | {"Statement": []}))
    }
    answers = (Answer("DescribeVpcEndpoints", "VpcEndpoints", VPC_ENDPOINTS),)
    change = (
        Grant("ec2", "CreateVpcEndpoint", arns("vpc-endpoint"), "making"),
        Grant("ec2", "CreateVpcEndpoint", arns("route-table", "vpc"), "own"),
        Grant("ec2", "ModifyVpcEndpoint", arns("route-table", "vpc-endpoint"), "own"),
        TAGGING,
    )
    removal = (Grant("ec2", "DeleteVpcEndpoints", arns("vpc-endpoint"), "own"),)

    def remove(self, clients: Clients, identity: str) -> None:
        clients("ec2").delete_vpc_endpoints(VpcEndpointIds=[identity])

    def state(self, answers: Answers) -> State:
        endpoint = answers["DescribeVpcEndpoints"]
        return {
            "route_tables": sorted(endpoint.get("RouteTableIds", [])),
            "policy": canonical_policy(endpoint.get("PolicyDocument") or OPEN_POLICY),
            "tags": tags_to_dict(endpoint.get("Tags", [])),
        }

    def named(self, state: State, names: Names) -> State:
        return state | {"route_tables": sorted(by_name(names, table) for table in state["route_tables"])}

    def request(self, site: Site, name: str, wanted: State) -> dict[str, Any]:
        tables = [site.ids["route table", table] for table in wanted["route_tables"]]
        gateway = {"ServiceName": s3(site.region), "VpcEndpointType": "Gateway"}
        return {"VpcId": site.vpc_id, **gateway, "RouteTableIds": tables}

    def correct(self, site: Site, identity: str, wanted: State, fields: Collection[str], answers: Answers) -> None:
        if not answers:
            return  # it has just been made so
        served = {site.ids["route table", name] for name in wanted["route_tables"]}
        present = set(self.state(answers)["route_tables"])
        request: dict[str, Any] = {}
        if served - present:
            request["AddRouteTableIds"] = sorted(served - present)
        if present - served:
            request["RemoveRouteTableIds"] = sorted(present - served)
        if "policy" in fields:
            request["PolicyDocument"] = json.dumps(OPEN_POLICY)
        options = {parameter: value for field, (parameter, value) in DNS.items() if field in fields}
        if options:
            request["DnsOptions"] = options
        if request:
            site.call("modify_vpc_endpoint", VpcEndpointId=identity, **request)


def s3(region: str) -> str:
    """Returns what S3 is called as an endpoint's service."""
    return f"com.amazonaws.{region}.s3"
