"""What the bootstrap made in IAM goes again, in an order that IAM takes, and nothing goes that somebody else has or needs."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import settings as constants
from tests.localcloud.conftest import Cloud
from tests.plugins.loading import FakeModule, ModuleFailed, load

ISSUER = "token.actions.githubusercontent.com"
ARN = f"arn:aws:iam::{constants.ACCOUNT_ID}:"
PROVIDER, READ, BOUNDARY = f"{ARN}oidc-provider/{ISSUER}", f"{ARN}policy/ci-read", f"{ARN}policy/boundary"
OWN = {"Project": "pettracker", "ManagedBy": "bootstrap"}
TAGS = [{"Key": key, "Value": value} for key, value in OWN.items()]
GIVEN = {"roles": ["ci-plan", "ci-deploy"], "policies": [READ, BOUNDARY], "provider_arn": PROVIDER, "tags": OWN}


def document(**more: Any) -> str:
    statement = {"Effect": "Allow", "Action": "s3:GetObject"} | more
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


TRUST = document(Principal={"Federated": PROVIDER}, Action="sts:AssumeRoleWithWebIdentity")
HOSTS = document(Principal={"Service": "ec2.amazonaws.com"}, Action="sts:AssumeRole")


@pytest.fixture
def iam(cloud: Cloud) -> Any:
    """A provider, two roles with an inline and a managed policy, which has two versions, and a boundary."""
    iam = cloud.client("iam")
    iam.create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=["sts.amazonaws.com"])
    for arn in (READ, BOUNDARY):
        iam.create_policy(PolicyName=arn.rpartition("/")[2], PolicyDocument=document(Resource="*"), Tags=TAGS)
    iam.create_policy_version(PolicyArn=READ, PolicyDocument=document(Resource="arn:aws:s3:::x"), SetAsDefault=True)
    for name in GIVEN["roles"]:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, Tags=TAGS)
        iam.attach_role_policy(RoleName=name, PolicyArn=READ)
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(Resource="*"))
    return iam


def left(iam: Any) -> set[str]:
    roles = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    policies = {policy["Arn"] for policy in iam.list_policies(Scope="Local")["Policies"]}
    return roles | policies | {one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]}


def leave(iam: Any, check_mode: bool = False) -> dict[str, Any]:
    module = FakeModule(dict(GIVEN), check_mode)
    module.client = lambda _service, _=None: iam  # type: ignore[method-assign]
    result: dict[str, Any] = load("modules", "workflow_identity").run(module)
    return result


def test_all_of_it_goes_once(iam: Any) -> None:
    before = left(iam)
    planned = leave(iam, check_mode=True)
    assert len(planned["removed"]) == len(before) == 5
    assert left(iam) == before
    assert leave(iam)["removed"] == planned["removed"]
    assert left(iam) == set()
    assert not leave(iam)["changed"]


def test_a_provider_that_another_role_trusts_stays(iam: Any) -> None:
    iam.create_role(RoleName="of-production", AssumeRolePolicyDocument=TRUST)
    assert leave(iam)["trusted_by"] == ["of-production"]
    assert left(iam) == {"of-production", PROVIDER}


def test_what_is_somebody_elses_or_somebody_needs_is_refused_before_anything_goes(iam: Any) -> None:
    iam.create_role(RoleName="host", AssumeRolePolicyDocument=HOSTS, PermissionsBoundary=BOUNDARY)
    iam.create_role(RoleName="other", AssumeRolePolicyDocument=HOSTS)
    iam.attach_role_policy(RoleName="other", PolicyArn=READ)
    iam.untag_role(RoleName="ci-plan", TagKeys=["ManagedBy"])
    before = left(iam)
    with pytest.raises(ModuleFailed, match=r"role ci-plan lacks the tags.*ci-read is still that of role other.*role host"):
        leave(iam)
    assert left(iam) == before


def test_a_policy_stays_as_long_as_iam_needs_it(iam: Any) -> None:
    with pytest.raises(ClientError, match=r"DeleteConflict.*attached"):
        iam.delete_policy(PolicyArn=READ)
    for name in GIVEN["roles"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=READ)
    with pytest.raises(ClientError, match=r"DeleteConflict.*more than one version"):
        iam.delete_policy(PolicyArn=READ)
    iam.create_role(RoleName="host", AssumeRolePolicyDocument=HOSTS, PermissionsBoundary=BOUNDARY)
    with pytest.raises(ClientError, match=r"DeleteConflict.*attached"):
        iam.delete_policy(PolicyArn=BOUNDARY)
    permissions = iam.list_entities_for_policy(PolicyArn=BOUNDARY, PolicyUsageFilter="PermissionsPolicy")
    assert permissions["PolicyRoles"] == []
    bounded = iam.list_entities_for_policy(PolicyArn=BOUNDARY, PolicyUsageFilter="PermissionsBoundary")
    assert [one["RoleName"] for one in bounded["PolicyRoles"]] == ["host"]
