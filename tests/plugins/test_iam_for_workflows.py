"""Roles inside a boundary, and the provider whose tokens they trust."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.plugins.loading import FakeModule, load

ROLE = {
    "name": "service",
    "description": "Service hosts",
    "trust": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    },
    "managed_policies": [],
    "inline_policies": {},
    "instance_profile": False,
    "tags": {},
}
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
ISSUER = "https://token.actions.githubusercontent.com"


DOCUMENT = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}


class Late:
    """A client of IAM that does not know a policy the first few times."""

    def __init__(self, real: Any, times: int) -> None:
        self.real = real
        self.times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def attach_role_policy(self, **request: Any) -> Any:
        self.times -= 1
        if self.times >= 0:
            error = {"Error": {"Code": "NoSuchEntity", "Message": "does not exist or is not attachable"}}
            raise ClientError(error, "AttachRolePolicy")
        return self.real.attach_role_policy(**request)


@pytest.fixture
def iam(account: Callable[[str], Any]) -> Any:
    return account("iam")


def roles(check_mode: bool = False, **more: Any) -> dict[str, Any]:
    result: dict[str, Any] = load("modules", "iam_roles").run(FakeModule({"roles": [ROLE | more]}, check_mode))
    return result


def policy(check_mode: bool = False, **more: Any) -> dict[str, Any]:
    entry = {"arn": BOUNDARY, "description": "The most that hosts can do", "document": DOCUMENT, "tags": {}} | more
    result: dict[str, Any] = load("modules", "iam_policies").run(FakeModule({"policies": [entry]}, check_mode))
    return result


def provider(*audiences: str, check_mode: bool = False) -> dict[str, Any]:
    parameters = {"url": ISSUER, "audiences": list(audiences)}
    result: dict[str, Any] = load("modules", "iam_oidc_provider").run(FakeModule(parameters, check_mode))
    return result


def test_a_role_is_made_inside_its_boundary_and_kept_there(iam: Any) -> None:
    assert roles(permissions_boundary=BOUNDARY)["changed"]
    assert not roles(permissions_boundary=BOUNDARY)["changed"]
    iam.delete_role_permissions_boundary(RoleName="service")
    (diff,) = roles(check_mode=True, permissions_boundary=BOUNDARY)["diff"]
    assert diff["after"] == {"permissions_boundary": BOUNDARY}
    roles(permissions_boundary=BOUNDARY)
    role = iam.get_role(RoleName="service")["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY


def test_a_role_without_a_boundary_loses_the_one_that_somebody_set(iam: Any) -> None:
    roles(permissions_boundary=BOUNDARY)
    assert roles(permissions_boundary="")["changed"]
    assert "PermissionsBoundary" not in iam.get_role(RoleName="service")["Role"]


def test_how_long_a_session_lasts_is_kept(iam: Any) -> None:
    roles(session_seconds=7200)
    assert not roles(session_seconds=7200)["changed"]
    assert roles(session_seconds=3600)["changed"]
    assert iam.get_role(RoleName="service")["Role"]["MaxSessionDuration"] == 3600


def test_a_provider_is_made_once(iam: Any) -> None:
    assert provider("sts.amazonaws.com", check_mode=True)["changed"]
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    arn = provider("sts.amazonaws.com")["arn"]
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"] == ["sts.amazonaws.com"]
    assert not provider("sts.amazonaws.com")["changed"]


def test_a_provider_that_others_use_keeps_their_audiences(iam: Any) -> None:
    iam.create_open_id_connect_provider(Url=ISSUER, ClientIDList=["others"])
    (diff,) = provider("others", "sts.amazonaws.com", check_mode=True)["diff"]
    assert diff["after"] == {"audiences": ["others", "sts.amazonaws.com"]}
    assert not provider("others")["changed"]


def test_a_policy_that_iam_does_not_know_everywhere_yet_is_attached_after_all(iam: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    policy = iam.create_policy(PolicyName="new", PolicyDocument=json.dumps(DOCUMENT))
    arn = policy["Policy"]["Arn"]
    late = Late(iam, times=3)
    module = FakeModule({"roles": [ROLE | {"managed_policies": [arn]}]}, False)
    module.client = lambda *_: late  # type: ignore[method-assign]
    load("modules", "iam_roles").run(module)
    (attached,) = iam.list_attached_role_policies(RoleName="service")["AttachedPolicies"]
    assert attached["PolicyArn"] == arn


def versions(iam: Any) -> list[str]:
    return [version["VersionId"] for version in iam.list_policy_versions(PolicyArn=BOUNDARY)["Versions"]]


def test_a_policy_is_made_once_and_only_looked_at_in_check_mode(iam: Any) -> None:
    assert policy(check_mode=True)["diff"][0]["action"] == "create"
    assert iam.list_policies(Scope="Local")["Policies"] == []
    assert policy(tags={"Project": "pettracker"})["changed"]
    found = iam.get_policy(PolicyArn=BOUNDARY)["Policy"]
    assert (found["PolicyName"], found["Path"], found["Description"]) == ("boundary", "/", "The most that hosts can do")
    assert not policy(tags={"Project": "pettracker"})["changed"]
    # What IAM cannot change is no difference that every run would find.
    assert not policy(tags={"Project": "pettracker"}, description="Something else")["changed"]


def test_a_policy_that_somebody_widened_is_put_back_and_leaves_no_version_to_return_to(iam: Any) -> None:
    policy(tags={"Project": "pettracker"})
    wide = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    for _ in range(4):  # there is room for five
        iam.create_policy_version(PolicyArn=BOUNDARY, PolicyDocument=json.dumps(wide), SetAsDefault=True)
    iam.tag_policy(PolicyArn=BOUNDARY, Tags=[{"Key": "Owner", "Value": "ann"}])
    (diff,) = policy(check_mode=True, tags={"Project": "pettracker"})["diff"]
    assert diff["before"]["document"]["Statement"][0]["Action"] == "*"
    assert set(diff["after"]) == {"document", "older_versions", "tags"}
    assert diff["interrupts"] == ["Roles that have the policy, or are bounded by it, lose or gain permissions at once."]
    assert len(versions(iam)) == 5
    policy(tags={"Project": "pettracker"})
    (version,) = versions(iam)
    assert iam.get_policy_version(PolicyArn=BOUNDARY, VersionId=version)["PolicyVersion"]["Document"] == DOCUMENT
    assert iam.list_policy_tags(PolicyArn=BOUNDARY)["Tags"] == [{"Key": "Project", "Value": "pettracker"}]


def test_an_older_version_that_somebody_could_return_to_is_a_difference(iam: Any) -> None:
    policy()
    iam.create_policy_version(PolicyArn=BOUNDARY, PolicyDocument=json.dumps(DOCUMENT), SetAsDefault=False)
    assert policy(check_mode=True)["diff"][0]["after"] == {"older_versions": []}
    policy()
    assert len(versions(iam)) == 1
