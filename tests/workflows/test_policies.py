"""What the policies let workflows and hosts do, decided as IAM decides it, on requests in the form that AWS documents."""

import re
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from localcloud import settings as constants
from tests.workflows.conftest import PREFIX, Made
from tests.workflows.iam import Request, allows

PLACE = f"{constants.REGION}:{constants.ACCOUNT_ID}"


def documentation(service: str, shape: str, member: str) -> str:
    model = botocore.session.Session().get_service_model(service)
    return re.sub(r"<[^>]+>", "", model.shape_for(shape).members[member].documentation)


def log_group_request(action: str, name: str) -> Request:
    """In the form in which CloudWatch Logs asks IAM: it names the stream, an empty one where a call has none."""
    bare = f"arn:aws:logs:{PLACE}:log-group:{name}"
    with_wildcard = documentation("logs", "LogGroup", "arn")
    exceptions = set(re.findall(r"\b[A-Z]\w+Resource\b", with_wildcard.partition("The exception is")[2]))
    assert exceptions == {"TagResource", "UntagResource", "ListTagsForResource"}
    return Request(f"logs:{action}", bare if action in exceptions else f"{bare}:log-stream:")


@pytest.mark.parametrize(
    ("kind", "actions"),
    [
        ("plan", ["ListTagsForResource"]),
        ("deploy", ["AssociateKmsKey", "CreateLogGroup", "DisassociateKmsKey", "PutRetentionPolicy"]),
        ("deploy", ["ListTagsForResource", "TagResource", "UntagResource"]),
        ("destroy", ["DeleteLogGroup", "ListTagsForResource"]),
    ],
)
def test_a_workflow_keeps_its_log_groups_and_no_others(made: Made, kind: str, actions: list[str]) -> None:
    for action in actions:
        for name in [*made.names["log_groups"], f"/aws/vpc/{PREFIX}"]:
            assert allows(made.policies[kind], log_group_request(action, name))
        others = f"/aws/vpc/{PREFIX}-other", "/other"
        if not action.startswith("List"):
            assert not any(allows(made.policies[kind], log_group_request(action, name)) for name in others)


# Session Manager user guide, "Additional sample IAM policies", example 4: an id begins with the name of the role's session, and
# the tag aws:ssmmessages:session-id holds aws:userid, which is the role's id and that name.
@pytest.mark.parametrize("action", ["ResumeSession", "TerminateSession"])
def test_a_workflow_ends_its_own_sessions_and_no_others(made: Made, action: str) -> None:
    user = "AROAEXAMPLE:GitHubActions"
    session = f"arn:aws:ssm:{PLACE}:session/GitHubActions-0123456789abcdef0"

    def asked(owner: str) -> Request:
        context = {"aws:userid": user, "ssm:resourceTag/aws:ssmmessages:session-id": owner}
        return Request(f"ssm:{action}", session, context)

    assert allows(made.policies["deploy"], asked(user))
    assert not allows(made.policies["deploy"], asked("AROAOTHER:GitHubActions"))


def test_a_host_completes_the_hooks_of_every_group_that_waits_for_it(made: Made) -> None:
    for group in made.names["groups"]:
        arn = f"arn:aws:autoscaling:{PLACE}:autoScalingGroup:01234567:autoScalingGroupName/{group}"
        completing = Request("autoscaling:CompleteLifecycleAction", arn)
        assert allows(made.policies["service"], completing)
        assert allows(made.policies["boundary"], completing)


def operations_that_answer(service: str, member: str) -> Iterator[str]:
    """Calls that look, and in whose answers a member of that name is found at any depth."""
    model = botocore.session.Session().get_service_model(service)

    def found(shape: Any, seen: frozenset[str] = frozenset()) -> bool:
        if shape is None or shape.name in seen:
            return False
        seen |= {shape.name}
        inner = {"structure": "members", "list": "member", "map": "value"}.get(shape.type_name)
        below = getattr(shape, inner) if inner else {}
        shapes = below.values() if isinstance(below, dict) else [below]
        return (inner == "members" and member in below) or any(found(each, seen) for each in shapes)

    for operation in model.operation_names:
        if re.match("Describe|Get|List", operation) and found(model.operation_model(operation).output_shape):
            yield f"{service}:{operation}"


def test_a_pull_request_reads_no_user_data_of_instances(made: Made) -> None:
    # What is in a launch template is in the repository, too, and a plan compares it.
    in_repository = {"ec2:DescribeLaunchTemplateVersions"}
    shown = {*operations_that_answer("ec2", "UserData"), *operations_that_answer("autoscaling", "UserData")}
    assert in_repository < shown
    assert {action for action in shown if allows(made.policies["plan"], Request(action))} == in_repository
    assert "http" not in made.names["user_data"]


@pytest.mark.parametrize(
    ("kind", "actions"),
    [
        ("plan", ["Decrypt"]),
        ("deploy", ["Decrypt", "GenerateDataKey"]),
        ("service", ["Decrypt"]),
        ("training", ["Decrypt", "GenerateDataKey"]),
        ("boundary", ["Decrypt", "GenerateDataKey"]),
    ],
)
def test_keys_are_used_through_s3_only(made: Made, kind: str, actions: list[str]) -> None:
    key = f"arn:aws:kms:{PLACE}:key/01234567-89ab-cdef-0123-456789abcdef"  # aws/s3, whose number nobody chooses

    def asked(action: str, service: str) -> Request:
        context = {"kms:ViaService": f"{service}.{constants.REGION}.amazonaws.com"}
        return Request(f"kms:{action}", key, context | {"kms:CallerAccount": constants.ACCOUNT_ID})

    for action in actions:
        assert allows(made.policies[kind], asked(action, "s3"))
        assert not allows(made.policies[kind], asked(action, "ec2"))
        assert not allows(made.policies[kind], Request(f"kms:{action}", key))


# Each of these services makes its role at its first use, with the rights of who uses it.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html
@pytest.mark.parametrize(
    "role",
    [
        "autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
        "elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing",
        "spot.amazonaws.com/AWSServiceRoleForEC2Spot",
    ],
)
def test_a_new_account_gets_the_roles_of_the_services_that_are_used(made: Made, role: str) -> None:
    arn = f"arn:aws:iam::{constants.ACCOUNT_ID}:role/aws-service-role/{role}"
    assert allows(made.policies["deploy"], Request("iam:CreateServiceLinkedRole", arn))


def test_a_deployment_changes_who_may_take_no_role(made: Made) -> None:
    # AWS has no condition iam:PermissionsBoundary for this action, so it would give hosts' roles to anybody.
    for kind in ("service", "builder", "training", "flow-logs"):
        arn = f"arn:aws:iam::{constants.ACCOUNT_ID}:role/{PREFIX}-{kind}"
        assert not allows(made.policies["deploy"], Request("iam:UpdateAssumeRolePolicy", arn))


@pytest.mark.parametrize("kind", ["service", "builder"])
def test_a_host_can_be_entered_and_reads_no_parameter(made: Made, kind: str) -> None:
    # Verify or add instance permissions for Session Manager:
    # https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-getting-started-instance-profile.html
    needed = ["ssm:UpdateInstanceInformation"]
    needed += [f"ssmmessages:{verb}{channel}Channel" for verb in ("Create", "Open") for channel in ("Control", "Data")]
    for policies in (made.policies[kind], made.policies["boundary"]):
        assert all(allows(policies, Request(action)) for action in needed)
        parameter = f"arn:aws:ssm:{PLACE}:parameter/any"
        assert not any(allows(policies, Request(f"ssm:GetParameter{s}", parameter)) for s in ("", "s", "sByPath"))


def test_whoever_takes_a_hosts_role_changes_nothing_that_is_released(made: Made) -> None:
    buckets = made.names["buckets"]

    def may(action: str, bucket: str, key: str) -> bool:
        return allows(made.policies["boundary"], Request(f"s3:{action}", f"arn:aws:s3:::{buckets[bucket]}/{key}"))

    for bucket, key in (("models", "production/a/1/model.sig"), ("releases", "staging/a.json"), ("datasets", "a.jpg")):
        assert may("GetObject", bucket, key)
        assert not may("PutObject", bucket, key)
        assert not may("DeleteObject", bucket, key)
    for bucket in ("logs", "transfer"):
        assert not any(may(f"{verb}Object", bucket, "a") for verb in ("Get", "Put", "Delete"))
    assert may("PutObject", "models", "experiments/a/model.safetensors")
    assert may("DeleteObject", "models", "experiments/a/checkpoints/1")
    assert not may("DeleteObject", "models", "experiments/a/model.safetensors")


def test_a_pull_request_reads_the_policies_of_own_roles_only(made: Made) -> None:
    own, foreign = (f"arn:aws:iam::{constants.ACCOUNT_ID}:role/{name}" for name in (f"{PREFIX}-service", "payroll"))
    for action in ("GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies"):
        assert allows(made.policies["plan"], Request(f"iam:{action}", own))
        assert not allows(made.policies["plan"], Request(f"iam:{action}", foreign))
    for action in ("ec2:GetConsoleOutput", "ec2:GetPasswordData", "ec2:GetLaunchTemplateData", "ssm:GetParameter"):
        assert not allows(made.policies["plan"], Request(action))
