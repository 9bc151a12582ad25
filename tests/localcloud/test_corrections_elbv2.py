"""Target health as Elastic Load Balancing tells it, attributes and protection of balancers."""

import pytest
from botocore.exceptions import ClientError

from localcloud import backends
from localcloud.balancer.targets import CheckResult, TargetHealth, code_matches
from localcloud.balancer.view import routable
from tests.localcloud.conftest import Cloud, eventually

PASS = CheckResult(True)
FAIL = CheckResult(False, "Target.Timeout", "Request timed out")


def test_a_new_target_is_healthy_after_one_check() -> None:
    health = TargetHealth()
    assert (health.state, health.reason) == ("initial", "Elb.RegistrationInProgress")
    assert health.record(PASS, healthy_threshold=5, unhealthy_threshold=2)
    assert (health.state, health.reason, health.description) == ("healthy", None, None)


def test_a_target_turns_unhealthy_and_healthy_again_after_checks_in_a_row() -> None:
    health = TargetHealth()
    health.record(PASS, 2, 3)
    for result in (FAIL, FAIL, PASS, FAIL, FAIL):
        health.record(result, 2, 3)
    assert health.state == "healthy"
    health.record(FAIL, 2, 3)
    assert (health.state, health.reason) == ("unhealthy", "Target.Timeout")
    health.record(PASS, 2, 3)
    assert health.state == "unhealthy"
    health.record(PASS, 2, 3)
    assert health.state == "healthy"


def test_a_new_target_that_fails_is_initial_until_the_threshold() -> None:
    health = TargetHealth()
    health.record(FAIL, 2, 2)
    assert (health.state, health.reason) == ("initial", "Elb.InitialHealthChecking")
    health.record(FAIL, 2, 2)
    assert health.state == "unhealthy"


@pytest.mark.parametrize(
    ("matcher", "status", "matches"),
    [("200", 200, True), ("200,202", 202, True), ("200-299", 250, True), ("200-299", 301, False), ("200", 503, False)],
)
def test_matchers_name_codes_and_ranges(matcher: str, status: int, matches: bool) -> None:
    assert code_matches(matcher, status) is matches


def test_targets_of_a_group_without_a_balancer_are_unused(cloud: Cloud) -> None:
    ec2, elb = cloud.client("ec2"), cloud.client("elbv2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = elb.create_target_group(Name="g", Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
    reply = ec2.run_instances(ImageId=cloud.base_image, InstanceType="t3.large", MinCount=1, MaxCount=1)
    instance_id = reply["Instances"][0]["InstanceId"]
    eventually(lambda: ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"])
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": instance_id}])
    (description,) = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    assert description["TargetHealth"]["Reason"] == "Target.NotInUse"
    elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": instance_id}])
    elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": instance_id}])
    assert not elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]


def test_a_terminated_instance_is_not_drained_and_gets_requests_until_its_checks_have_failed(cloud: Cloud) -> None:
    ec2, elb = cloud.client("ec2"), cloud.client("elbv2")
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"][:2]]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = elb.create_target_group(Name="g", Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
    balancer = elb.create_load_balancer(Name="service", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=forward)
    reply = ec2.run_instances(ImageId=cloud.base_image, InstanceType="t3.large", MinCount=1, MaxCount=1)
    instance_id = reply["Instances"][0]["InstanceId"]
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": instance_id}])

    def states() -> list[str]:
        described = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return [one["TargetHealth"]["State"] for one in described]

    eventually(lambda: states() == ["healthy"])
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert states() == ["unused"]
    assert routable(backends.elbv2().target_groups[group]) == [instance_id]  # the next check is half a minute away


def test_a_target_group_is_checked_while_a_listener_or_a_rule_names_it_with_any_weight(cloud: Cloud) -> None:
    ec2, elb = cloud.client("ec2"), cloud.client("elbv2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"][:2]]
    old, new = (
        elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
        for name in ("old", "new")
    )
    balancer = elb.create_load_balancer(Name="service", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    only_old = [{"Type": "forward", "TargetGroupArn": old}]
    listener = elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=only_old)
    arn = listener["Listeners"][0]["ListenerArn"]

    def used() -> list[str]:
        groups = elb.describe_target_groups()["TargetGroups"]
        return [group["TargetGroupName"] for group in groups if group["LoadBalancerArns"] == [balancer]]

    assert used() == ["old"]
    weights = [{"TargetGroupArn": old, "Weight": 100}, {"TargetGroupArn": new, "Weight": 0}]
    both = [{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}]
    elb.modify_listener(ListenerArn=arn, DefaultActions=both)
    assert used() == ["new", "old"]
    with pytest.raises(ClientError, match="in use"):
        elb.delete_target_group(TargetGroupArn=new)
    elb.modify_listener(ListenerArn=arn, DefaultActions=only_old)
    assert used() == ["old"]
    condition = {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Proof", "Values": ["1"]}}
    to_new = [{"Type": "forward", "TargetGroupArn": new}]
    rule = elb.create_rule(ListenerArn=arn, Priority=1, Conditions=[condition], Actions=to_new)["Rules"][0]["RuleArn"]
    assert used() == ["new", "old"]
    elb.delete_rule(RuleArn=rule)
    assert used() == ["old"]
    elb.delete_target_group(TargetGroupArn=new)
