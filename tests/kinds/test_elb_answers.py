"""What the readers of the balancer's kinds make of answers in the shapes of AWS's own: absent, null and empty members."""

from datetime import UTC, datetime
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.certificate import Certificate
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import as_set
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.listener import Listener
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.load_balancer import LoadBalancer
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.target_group import TargetGroup

ELB = "arn:aws:elasticloadbalancing:eu-west-1:111122223333"
GROUP = f"{ELB}:targetgroup/pets/0123456789abcdef"
OPTIONS = {"subnets": ["subnet-b", "subnet-a"], "security_groups": [], "attributes": {}, "tags": {}}


def balancer(**more: Any) -> dict[str, Any]:
    """Return answers about a balancer that was made before many of today's attributes."""
    described = {
        "LoadBalancerArn": f"{ELB}:loadbalancer/app/pets/0123456789abcdef",
        "LoadBalancerName": "pets",
        "CreatedTime": datetime(2019, 5, 1, tzinfo=UTC),
        "Scheme": "internet-facing",
        "VpcId": "vpc-1",
        "State": {"Code": "active"},
        "Type": "application",
        "AvailabilityZones": [
            {"ZoneName": f"eu-west-1{zone}", "SubnetId": f"subnet-{zone}", "LoadBalancerAddresses": []} for zone in "ab"
        ],
        "IpAddressType": "ipv4",
    }
    attributes = [
        {"Key": "access_logs.s3.enabled", "Value": "false"},
        {"Key": "idle_timeout.timeout_seconds", "Value": "60"},
        {"Key": "a.setting.of.next.year", "Value": "whatever"},
    ]
    return {
        "DescribeLoadBalancers": described | more,
        "DescribeLoadBalancerAttributes": {"Attributes": attributes},
        "DescribeTags": {"ResourceArn": described["LoadBalancerArn"], "Tags": []},
        "DescribeCapacityReservation": {"CapacityReservationState": [], "MinimumLoadBalancerCapacity": None},
    }


@pytest.mark.parametrize("more", [{}, {"SecurityGroups": None, "IpamPools": None}, {"IpamPools": {}}])
def test_an_old_balancer_is_as_it_should_be(more: dict[str, Any]) -> None:
    kind, answers = LoadBalancer(), balancer(**more)
    found = kind.state(answers)
    assert as_set(kind.wanted(OPTIONS, found), found, kind.deviations(answers)) == (found, found)


def test_addresses_of_a_pool_are_named_and_given_back() -> None:
    kind, client = LoadBalancer(), MagicMock()
    answers = balancer(IpamPools={"Ipv4IpamPoolId": "ipam-pool-1"})
    others, state = kind.deviations(answers), kind.state(answers)
    wanted, found = as_set(kind.wanted(OPTIONS, state), state, others)
    assert found is not None
    assert {name: (found[name], wanted[name]) for name in wanted if found[name] != wanted[name]} == {
        "ipam_pools.ipv4_ipam_pool_id": ("ipam-pool-1", None)
    }
    kind.correct(client, "arn", wanted, found, others)
    client.modify_ip_pools.assert_called_once_with(LoadBalancerArn="arn", RemoveIpamPools=["ipv4"])
    assert len(client.mock_calls) == 1


def listener(*actions: dict[str, Any], **more: Any) -> dict[str, Any]:
    described = {
        "ListenerArn": f"{ELB}:listener/app/pets/0123456789abcdef/fedcba9876543210",
        "Port": 80,
        "Protocol": "HTTP",
        "DefaultActions": list(actions),
    }
    return {
        "DescribeListeners": described | more,
        "DescribeListenerAttributes": {"Attributes": []},
        "DescribeListenerCertificates": {"Certificates": []},
        "DescribeRules": {"Rules": []},
    }


FORWARD = {
    "Type": "forward",
    "Order": 1,
    "TargetGroupArn": GROUP,
    "ForwardConfig": {
        "TargetGroups": [{"TargetGroupArn": GROUP, "Weight": 1}],
        "TargetGroupStickinessConfig": {"Enabled": False},
    },
}


@pytest.mark.parametrize(
    "action",
    [
        FORWARD,
        {"Type": "forward", "TargetGroupArn": GROUP},
        FORWARD | {"ForwardConfig": {"TargetGroups": [{"TargetGroupArn": GROUP}]}},
        FORWARD | {"RedirectConfig": None, "FixedResponseConfig": None},
    ],
)
def test_one_target_group_is_told_in_several_ways(action: dict[str, Any]) -> None:
    state = Listener().state(listener(action, Certificates=None))
    assert state == {"protocol": "HTTP", "default_action": {"type": "forward", "target_groups": {"pets": 1}}, "attributes": {}}


def test_who_asks_for_a_password_before_the_service_is_seen() -> None:
    kind = Listener()
    cognito = {"UserPoolArn": "arn:mine", "UserPoolClientId": "1", "UserPoolDomain": "mine"}
    answers = listener({"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": cognito}, FORWARD)
    entry = {"Protocol": "HTTP", "Port": 80, "DefaultActions": []}
    wanted, found = kind.wanted(entry, answers), kind.state(answers)
    assert found["default_action"]["before"] == [{"type": "authenticate-cognito", "authenticate_cognito_config": cognito}]
    assert wanted["default_action"] == {"type": "forward", "target_groups": {"pets": 1}}
    client = MagicMock()
    kind.correct(client, entry, wanted, found, answers)
    (action,) = client.modify_listener.call_args.kwargs["DefaultActions"]
    assert (action["Type"], action["ForwardConfig"]["TargetGroups"]) == ("forward", [{"TargetGroupArn": GROUP, "Weight": 1}])


@pytest.mark.parametrize("mutual", [None, {}, {"Mode": "off"}, {"Mode": "off", "TrustStoreArn": ""}])
def test_a_listener_that_asks_for_no_certificate_is_as_it_should_be(mutual: Any) -> None:
    assert Listener().deviations(listener(FORWARD, MutualAuthentication=mutual)) == []


@pytest.mark.parametrize("name", ["", "X-Amzn-Tls-Version"])
def test_a_header_has_its_own_name_or_none(name: str) -> None:
    answers = listener(FORWARD)
    header = {"Key": "routing.http.request.x_amzn_tls_version.header_name", "Value": name}
    answers["DescribeListenerAttributes"]["Attributes"] = [header]
    wanted = Listener().wanted({"Protocol": "HTTP", "Port": 80, "DefaultActions": []}, answers)
    assert wanted["attributes"] == {header["Key"]: name}


def target(identity: str, **health: str) -> dict[str, Any]:
    return {"Target": {"Id": identity, "Port": 8080}, "HealthCheckPort": "8080"} | ({"TargetHealth": health} if health else {})


def group(*targets: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "DescribeTargetGroups": {"TargetGroupArn": GROUP, "Port": 8080, "VpcId": "vpc-1"} | more,
        "DescribeTargetGroupAttributes": {"Attributes": []},
        "DescribeTags": {"ResourceArn": GROUP, "Tags": []},
        "DescribeTargetHealth": {"TargetHealthDescriptions": list(targets)},
    }


@pytest.mark.parametrize("more", [{}, {"Matcher": None}, {"Matcher": {}}, {"Matcher": {"GrpcCode": "12"}}])
def test_a_target_group_without_a_health_check_is_read(more: dict[str, Any]) -> None:
    assert set(TargetGroup().state(group(**more))["health_check"].values()) == {None}


def test_targets_that_are_not_of_the_groups_own_fleet_are_told() -> None:
    fleets = {"i-own": "service", "i-elsewhere": "other"}
    attached: dict[str, list[str] | None] = {"service": [GROUP], "other": None}
    client = MagicMock()
    client.can_paginate.return_value = False
    client.describe_auto_scaling_instances.side_effect = lambda InstanceIds: {
        "AutoScalingInstances": [
            {"InstanceId": one, "AutoScalingGroupName": fleets[one]} for one in InstanceIds if one in fleets
        ]
    }
    client.describe_auto_scaling_groups.side_effect = lambda AutoScalingGroupNames: {
        "AutoScalingGroups": [
            {"AutoScalingGroupName": name, "TargetGroupARNs": attached[name]} for name in AutoScalingGroupNames
        ]
    }
    answers = group(
        target("i-own", State="healthy"),
        target("i-elsewhere", State="healthy"),
        target("i-mine"),
        target("i-leaving", State="draining"),
        target("i-stopped", State="unused", Reason="Target.InvalidState"),
    )
    kind = TargetGroup()
    assert kind.nobodys(answers, kind.declared(lambda _: client, answers)) == {"target": ["i-elsewhere", "i-mine"]}


def test_a_certificate_without_a_chain_is_read() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----"
    answers = {
        "DescribeCertificate": {"Type": "IMPORTED", "InUseBy": [], "RenewalEligibility": "INELIGIBLE"},
        "GetCertificate": {"Certificate": pem, "CertificateChain": None},
        "ListTagsForCertificate": {"Tags": None},
    }
    state = Certificate().state(answers)
    assert (state["chain_sha256"], state["tags"], len(state["sha256"])) == ([], {}, 64)
