"""Application load balancers. https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancer.html"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..state import State, differences, tags_to_dict, tags_to_list
from .charges import Fields, Item, Place, line, plain
from .elb import ELB, TAGS, ElbKind, as_expected, attribute_changes, elb_arns, put_tags
from .fields import FIXED, IDENTITY, STATUS, TIME, UNSET, Answer, Default, Deviation, Ignored, Marks, compared, each
from .kind import Answers, Client, Clients, Grant, Owned, Scope, iso_time, put_back

# A capacity unit is a GB an hour, where not connections or rules are what there is most of.
# https://aws.amazon.com/elasticloadbalancing/pricing/
CAPACITY_UNIT_GB = 1
ARNS = elb_arns("loadbalancer/app")
NETWORK = Ignored("of network balancers only")
HTTP_SETTINGS = ("drop_invalid_header_fields", "preserve_host_header", "x_amzn_tls_version_and_cipher_suite", "xff_client_port")
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html; where logs that are off
# would go decides nothing, and a balancer of this type always serves across zones.
DEFAULTS = {
    **dict.fromkeys(("access_logs.s3.enabled", "connection_logs.s3.enabled", "health_check_logs.s3.enabled"), "false"),
    "access_logs.s3.prefix": "",
    **dict.fromkeys(("deletion_protection.enabled", "waf.fail_open.enabled", "zonal_shift.config.enabled"), "false"),
    "client_keep_alive.seconds": "3600",
    "idle_timeout.timeout_seconds": "60",
    "ipv6.deny_all_igw_traffic": "false",
    "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.xff_header_processing.mode": "append",
    **dict.fromkeys((f"routing.http.{setting}.enabled" for setting in HTTP_SETTINGS), "false"),
    "routing.http2.enabled": "true",
}
# A new balancer takes minutes.
PATIENCE = {"Delay": 5, "MaxAttempts": 120}
LOAD_BALANCERS: Marks = {
    **each(IDENTITY, "LoadBalancerArn DNSName CanonicalHostedZoneId LoadBalancerName"),
    "CreatedTime": TIME,
    **compared(scheme="Scheme", security_groups="SecurityGroups"),
    **each(FIXED, "VpcId Type CustomerOwnedIpv4Pool"),
    "State": STATUS,
    "AvailabilityZones": {
        **each(Ignored("follows from the subnet"), "ZoneName OutpostId"),
        **compared(subnets="SubnetId"),
        **each(NETWORK, "LoadBalancerAddresses SourceNatIpv6Prefixes"),
    },
    "IpAddressType": Default("ipv4", "set_ip_address_type"),
    **each(NETWORK, "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic EnablePrefixForIpv6SourceNat"),
    "IpamPools": {"Ipv4IpamPoolId": UNSET},
}
CAPACITY_RESERVATION: Marks = {
    "LastModifiedTime": TIME,
    **each(STATUS, "DecreaseRequestsRemaining CapacityReservationState"),
    "MinimumLoadBalancerCapacity": {"CapacityUnits": UNSET},
}


class LoadBalancer(ElbKind):
    """A balancer of the type `application` that faces the internet; its listeners are a kind of their own."""

    name = "load balancer"
    what = "LoadBalancer"
    answers = (
        Answer("DescribeLoadBalancers", "LoadBalancers", LOAD_BALANCERS),
        Answer("DescribeLoadBalancerAttributes", "", compared(attributes="Attributes")),
        TAGS,
        Answer("DescribeCapacityReservation", "", CAPACITY_RESERVATION),
    )
    made_by_apply = ("security_groups", "subnets")
    look = (
        Grant(ELB, "DescribeCapacityReservation DescribeLoadBalancerAttributes DescribeLoadBalancers DescribeTags"),
        Grant("tag", "GetResources"),
    )
    change = (
        Grant(
            ELB,
            "AddTags CreateLoadBalancer ModifyCapacityReservation ModifyIpPools ModifyLoadBalancerAttributes "
            "RemoveTags SetIpAddressType SetSecurityGroups SetSubnets",
            ARNS,
        ),
    )
    removal = (Grant(ELB, "DeleteLoadBalancer ModifyLoadBalancerAttributes", ARNS),)

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        for balancer in self.found(clients, scope):
            fields = {"scheme": balancer.get("Scheme"), "subnets": _subnets(balancer)}
            since = iso_time(balancer["CreatedTime"])
            yield Owned(balancer["LoadBalancerArn"], balancer["LoadBalancerName"], since, fields=fields)

    def remove(self, clients: Clients, identity: str) -> None:
        client = clients("elbv2")
        unprotected = [{"Key": "deletion_protection.enabled", "Value": "false"}]
        client.modify_load_balancer_attributes(LoadBalancerArn=identity, Attributes=unprotected)
        client.delete_load_balancer(LoadBalancerArn=identity)

    def state(self, answers: Answers) -> State:
        balancer = answers["DescribeLoadBalancers"]
        return {
            "scheme": balancer["Scheme"],
            "subnets": _subnets(balancer),
            "security_groups": sorted(balancer.get("SecurityGroups") or []),
            "attributes": tags_to_dict(answers["DescribeLoadBalancerAttributes"]["Attributes"]),
            "tags": tags_to_dict(answers["DescribeTags"]["Tags"]),
        }

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        resource, usage = f"{self.name} {name}", place.usage
        prices, network = place.prices["balancer"], place.prices["network"]
        hours, out = usage["hours"], usage["data_out_gb"]
        yield line(resource, "balancer", f"{plain(hours)} hours", hours * prices["hour"])
        through = usage["data_in_gb"] + out
        units = through / CAPACITY_UNIT_GB
        yield line(resource, "balancer", f"{plain(through)} GB through it", units * prices["capacity_unit_hour"])
        if fields["scheme"] == "internet-facing":
            number = len(fields["subnets"])
            yield line(resource, "network", f"{number} x public address", number * hours * network["address_hour"])
            yield line(resource, "network", f"{plain(out)} GB to the internet", out * network["out_gb"])

    def wanted(self, entry: Mapping[str, Any], found: State | None) -> State:
        """Returns the options of the module in the fields of `state`. Pure."""
        return {
            "scheme": "internet-facing",
            "subnets": sorted(entry["subnets"]),
            "security_groups": sorted(entry["security_groups"]),
            "attributes": as_expected(found["attributes"] if found else {}, entry["attributes"], DEFAULTS),
            "tags": dict(entry["tags"]),
        }

    def create(self, client: Client, name: str, wanted: State) -> None:
        """Makes a balancer, and waits until it is there."""
        made = client.create_load_balancer(
            Name=name,
            Subnets=wanted["subnets"],
            SecurityGroups=wanted["security_groups"],
            Scheme=wanted["scheme"],
            Type="application",
            Tags=tags_to_list(wanted["tags"]),
        )
        arn = made["LoadBalancers"][0]["LoadBalancerArn"]
        client.get_waiter("load_balancer_available").wait(LoadBalancerArns=[arn], WaiterConfig=PATIENCE)
        attributes = tags_to_list(wanted["attributes"])
        if attributes:
            client.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)

    def correct(self, client: Client, arn: str, wanted: State, found: State, others: list[Deviation]) -> None:
        """Makes the calls that correct a balancer."""
        by_arn = {"LoadBalancerArn": arn}
        fields = differences(wanted, found)
        put_back(client, others, **by_arn)
        if "ipam_pools.ipv4_ipam_pool_id" in fields:
            client.modify_ip_pools(**by_arn, RemoveIpamPools=["ipv4"])
        if "minimum_load_balancer_capacity.capacity_units" in fields:
            client.modify_capacity_reservation(**by_arn, ResetCapacityReservation=True)
        if "subnets" in fields:
            client.set_subnets(**by_arn, Subnets=wanted["subnets"])
        if "security_groups" in fields:
            client.set_security_groups(**by_arn, SecurityGroups=wanted["security_groups"])
        if "attributes" in fields:
            changed = attribute_changes(wanted["attributes"], found["attributes"])
            client.modify_load_balancer_attributes(**by_arn, Attributes=changed)
        put_tags(client, arn, wanted, found)


def _subnets(balancer: Mapping[str, Any]) -> list[str]:
    return sorted(zone["SubnetId"] for zone in balancer["AvailabilityZones"])
