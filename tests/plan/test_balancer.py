"""The balancer, its listeners and its certificate: made once, corrected by field, and looked at only in check mode."""

from collections.abc import Callable
from typing import Any

import pytest
import trustme
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Scope
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.listener import action_state
from ansible_collections.pettracker.aws.plugins.module_utils.owned_resources import identities, listed, remove
from ansible_collections.pettracker.aws.plugins.module_utils.plan.changes import changes_of

from tests.plugins.loading import FakeModule, ModuleFailed, load

Client = Callable[[str], Any]
REDIRECT = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}


def run(client: Client, name: str, parameters: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    module = FakeModule(parameters, check_mode)
    module.client = lambda service, _=None: client(service)  # type: ignore[method-assign]
    result: dict[str, Any] = load("modules", name).run(module)
    return result


def fields(result: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    changes = changes_of(result, "task")
    return {(change.resource, change.action): {item.path for item in change.fields} for change in changes}


@pytest.fixture
def balancer(client: Client) -> dict[str, Any]:
    """A balancer that redirects to HTTPS and forwards to one target group."""
    ec2, elb = client("ec2"), client("elbv2")
    subnets = ec2.describe_subnets()["Subnets"]
    vpc = subnets[0]["VpcId"]
    groups = {}
    for name in ("blue", "green"):
        answer = elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc)
        groups[name] = answer["TargetGroups"][0]["TargetGroupArn"]
    security_group = ec2.create_security_group(GroupName="balancer", Description="x", VpcId=vpc)["GroupId"]
    secure = {
        **{"Protocol": "HTTPS", "Port": 443, "SslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06"},
        "Certificates": [{"CertificateArn": run(client, "imported_certificate", certificate())["certificate_arn"]}],
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": groups["blue"]}],
    }
    return {
        "name": "service",
        "subnets": [subnet["SubnetId"] for subnet in subnets[:2]],
        "security_groups": [security_group],
        "listeners": [{"Protocol": "HTTP", "Port": 80, "DefaultActions": [REDIRECT]}, secure],
        "attributes": {"idle_timeout.timeout_seconds": "60", "routing.http.drop_invalid_header_fields.enabled": "true"},
        "tags": {"Name": "service"},
    }


def certificate(key_type: trustme.KeyType = trustme.KeyType.ECDSA) -> dict[str, Any]:
    authority = trustme.CA(key_type=key_type)
    issued = authority.issue_cert("localhost", key_type=key_type)
    return {
        "name": "service",
        "certificate": issued.cert_chain_pems[0].bytes().decode(),
        "private_key": issued.private_key_pem.bytes().decode(),
        "chain": authority.cert_pem.bytes().decode(),
        "tags": {"Project": "pettracker"},
    }


def test_a_balancer_is_announced_made_and_left_alone(client: Client, balancer: dict[str, Any]) -> None:
    announced = run(client, "load_balancer", balancer, check_mode=True)
    assert set(fields(announced)) == {
        ("load balancer service", "create"),
        ("listener service:80", "create"),
        ("listener service:443", "create"),
    }
    assert client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert fields(run(client, "load_balancer", balancer)) == fields(announced)
    assert not run(client, "load_balancer", balancer, check_mode=True)["changed"]
    assert not run(client, "load_balancer", balancer)["changed"]


def test_what_is_changed_by_hand_is_named_and_repaired(client: Client, balancer: dict[str, Any]) -> None:
    elb = client("elbv2")
    arn = run(client, "load_balancer", balancer)["load_balancer_arn"]
    listeners = {item["Port"]: item["ListenerArn"] for item in elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]}
    green = elb.describe_target_groups(Names=["green"])["TargetGroups"][0]["TargetGroupArn"]
    elb.modify_listener(
        ListenerArn=listeners[443],
        SslPolicy="ELBSecurityPolicy-2016-08",
        DefaultActions=[{"Type": "forward", "TargetGroupArn": green}],
    )
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}
    elb.delete_listener(ListenerArn=listeners[80])
    elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=8000, DefaultActions=[fixed])
    idle = {"Key": "idle_timeout.timeout_seconds", "Value": "1"}
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[idle])
    elb.add_tags(ResourceArns=[arn], Tags=[{"Key": "Owner", "Value": "ann"}])
    result = run(client, "load_balancer", balancer, check_mode=True)
    found = fields(result)
    assert found["load balancer service", "update"] == {"attributes.idle_timeout.timeout_seconds", "tags.Owner"}
    assert found["listener service:443", "update"] == {
        *("tls_policy", "default_action.target_groups.blue", "default_action.target_groups.green")
    }
    assert {("listener service:80", "create"), ("listener service:8000", "delete")} <= set(found)
    assert len(found) == 4
    run(client, "load_balancer", balancer)
    assert not run(client, "load_balancer", balancer, check_mode=True)["changed"]


def test_a_listener_without_a_default_action_keeps_the_one_that_a_rollout_gave_it(
    client: Client, balancer: dict[str, Any]
) -> None:
    run(client, "load_balancer", balancer)
    balancer["listeners"][1]["DefaultActions"] = []
    assert not run(client, "load_balancer", balancer, check_mode=True)["changed"]
    balancer["listeners"][1]["SslPolicy"] = "ELBSecurityPolicy-2016-08"
    assert fields(run(client, "load_balancer", balancer)) == {("listener service:443", "update"): {"tls_policy"}}
    elb = client("elbv2")
    arn = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    (listener,) = (item for item in elb.describe_listeners(LoadBalancerArn=arn)["Listeners"] if item["Port"] == 443)
    assert action_state(listener["DefaultActions"][0]) == {"type": "forward", "target_groups": {"blue": 1}}


def test_weights_of_two_target_groups_are_told_apart() -> None:
    arns = {name: f"arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/{name}/0" for name in ("blue", "green")}
    groups = [{"TargetGroupArn": arns["blue"], "Weight": 90}, {"TargetGroupArn": arns["green"], "Weight": 10}]
    state = action_state({"Type": "forward", "ForwardConfig": {"TargetGroups": groups}})
    assert state["target_groups"] == {"blue": 90, "green": 10}
    assert action_state({"Type": "forward", "TargetGroupArn": "target-group-to-be-made"})["target_groups"] == {
        "target-group-to-be-made": 1
    }


def test_a_certificate_is_imported_anew_under_its_arn_and_no_key_is_told(client: Client) -> None:
    first, second = certificate(), certificate()
    assert run(client, "imported_certificate", first, check_mode=True)["changed"]
    arn = run(client, "imported_certificate", first)["certificate_arn"]
    assert not run(client, "imported_certificate", first, check_mode=True)["changed"]
    result = run(client, "imported_certificate", second)
    assert fields(result) == {("certificate service", "update"): {"sha256", "chain_sha256"}}
    assert result["certificate_arn"] == arn
    assert "PRIVATE" not in str(result)
    client("acm").remove_tags_from_certificate(CertificateArn=arn, Tags=[{"Key": "Project"}])
    assert fields(run(client, "imported_certificate", second)) == {("certificate service", "update"): {"tags.Project"}}
    assert not run(client, "imported_certificate", second)["changed"]


def test_a_certificate_is_found_whatever_its_key(client: Client) -> None:
    wanted = [certificate(kind) | {"name": kind.name} for kind in (trustme.KeyType.RSA, trustme.KeyType.ECDSA)]
    arns = [run(client, "imported_certificate", one)["certificate_arn"] for one in wanted]
    assert [one["CertificateArn"] for one in client("acm").list_certificates()["CertificateSummaryList"]] == arns[:1]
    assert sorted(identities(listed(client, Scope({"Project": "pettracker"})))["certificate"]) == sorted(arns)


@pytest.mark.parametrize("issuer", ["Amazon", "somebody"])
def test_a_certificate_of_somebody_else_is_left_alone(client: Client, issuer: str) -> None:
    acm, tags = client("acm"), {"Project": "pettracker"}
    own = run(client, "imported_certificate", certificate())["certificate_arn"]
    all_tags = acm.list_tags_for_certificate(CertificateArn=own)["Tags"]
    if issuer == "Amazon":  # whatever its tags say
        theirs = acm.request_certificate(DomainName="example.org", Tags=all_tags)["CertificateArn"]
    else:
        pems = certificate()
        theirs = acm.import_certificate(
            **{"Certificate": pems["certificate"], "PrivateKey": pems["private_key"], "CertificateChain": pems["chain"]},
            Tags=[item for item in all_tags if item["Key"] != "ImportedBy"],
        )["CertificateArn"]
    assert run(client, "imported_certificate", certificate())["certificate_arn"] == own
    assert identities(listed(client, Scope(tags)))["certificate"] == [own]
    assert remove(client, Scope(tags)) == {}
    assert acm.describe_certificate(CertificateArn=theirs)["Certificate"]["CertificateArn"] == theirs


def test_what_is_no_certificate_is_refused(client: Client) -> None:
    with pytest.raises(ModuleFailed, match="no certificate in PEM"):
        run(client, "imported_certificate", certificate() | {"certificate": "-----BEGIN PRIVATE KEY-----"})
