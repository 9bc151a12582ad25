"""What GitHub's workflows may do in AWS: each role no more than its task, and only for tokens of the right kind."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import xform_name

from localcloud import settings as constants
from localcloud.account import Account
from localcloud.balancer.targets import CheckResult
from localcloud.hosts.reconciler import NoHosts
from localcloud.settings import Settings

ROOT = Path(__file__).parents[2]
PREFIX = "pettracker-staging"
ISSUER = "token.actions.githubusercontent.com"
REPOSITORY = "acme/pettracker-ml"
KINDS = ("plan", "deploy", "destroy")
VIEW = "budgets:ViewBudget"  # the one call that looks and is named otherwise
Document = dict[str, Any]
# Twice, for the second time may change nothing.
PLAYS = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "environment": "{{ aws_environment }}",
        # What is the same in every environment stands beside the project's own playbooks.
        "vars_files": [str(ROOT / "playbooks/group_vars/all.yml")],
        "tasks": [{"ansible.builtin.import_role": {"name": "identity", "tasks_from": "ci"}}],
    }
] * 2


@dataclass(frozen=True)
class Made:
    """What the role made.

    Attributes:
        roles: by kind.
        policies: all documents of each role, and `boundary`.
        sizes: characters of the inline policies of each role together, and of each managed policy, as AWS counts them.
        said: what Ansible printed.
    """

    roles: dict[str, Document]
    policies: dict[str, list[Document]]
    inline_sizes: dict[str, int]
    managed_sizes: dict[str, int]
    said: str

    def statements(self, kind: str) -> Iterator[Document]:
        return (statement for document in self.policies[kind] for statement in document["Statement"])

    def actions(self, kind: str) -> set[str]:
        return {action for statement in self.statements(kind) for action in as_list(statement["Action"])}

    def allows(self, kind: str, action: str) -> bool:
        return any(fnmatchcase(action, pattern) for pattern in self.actions(kind))


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def size(document: Document) -> int:
    """Characters without white space, as the quotas count them."""
    return len(json.dumps(document, separators=(",", ":")))


def apply(plays: Path, endpoint: str) -> str:
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": constants.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": constants.SECRET_ACCESS_KEY,
    }
    given = json.dumps({"account_id": constants.ACCOUNT_ID, "ci_repository": REPOSITORY})
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-i",
        str(ROOT / "inventories/staging/hosts.yml"),
    ]
    done = subprocess.run(
        [*command, "-e", given, str(plays)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """The roles of staging, made in an account of the local cloud."""
    account = Account(Settings(root=Path("/nonexistent"), api_port=0), NoHosts(), lambda _: CheckResult(True))
    account.telemetry.close()
    account.schedules.close()
    endpoint = f"http://127.0.0.1:{account.open()}"
    plays = tmp_path_factory.mktemp("ci") / "plays.yml"
    plays.write_text(json.dumps(PLAYS))
    said = apply(plays, endpoint)
    iam = boto3.client(
        "iam",
        endpoint_url=endpoint,
        region_name=constants.REGION,
        aws_access_key_id=constants.ACCESS_KEY_ID,
        aws_secret_access_key=constants.SECRET_ACCESS_KEY,
    )

    def managed(arn: str) -> Document:
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    roles, policies, inline_sizes, managed_sizes = {}, {}, {}, {}
    for kind in KINDS:
        name = f"{PREFIX}-ci-{kind}"
        roles[kind] = iam.get_role(RoleName=name)["Role"]
        inline = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        documents = {policy["PolicyName"]: managed(policy["PolicyArn"]) for policy in attached}
        policies[kind] = [*inline, *documents.values()]
        inline_sizes[kind] = sum(map(size, inline))
        managed_sizes |= {policy: size(document) for policy, document in documents.items()}
    policies["boundary"] = [managed(f"arn:aws:iam::{constants.ACCOUNT_ID}:policy/{PREFIX}-boundary")]
    managed_sizes["boundary"] = size(policies["boundary"][0])
    yield Made(roles, policies, inline_sizes, managed_sizes, said)
    account.close()


def test_a_second_run_changes_nothing(made: Made) -> None:
    first, second = made.said.split("PLAY RECAP")[0].split("PLAY [localhost]")[1:]
    assert first.count("changed: ") == 5
    assert second.count("changed: ") == 0


@pytest.mark.parametrize(
    ("kind", "subjects"),
    [
        ("plan", ["pull_request", "ref:refs/heads/main"]),
        ("deploy", ["environment:staging"]),
        ("destroy", ["environment:staging-destroy"]),
    ],
)
def test_a_role_trusts_only_tokens_of_its_own_jobs(made: Made, kind: str, subjects: list[str]) -> None:
    (statement,) = made.roles[kind]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::{constants.ACCOUNT_ID}:oidc-provider/{ISSUER}"}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            f"{ISSUER}:aud": "sts.amazonaws.com",
            f"{ISSUER}:sub": [f"repo:{REPOSITORY}:{subject}" for subject in subjects],
        }
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_role_outlives_the_teardown_of_its_environment(made: Made, kind: str) -> None:
    # destroy.yml finds what it removes by this tag, and runs as one of these roles.
    assert "Environment" not in {tag["Key"] for tag in made.roles[kind]["Tags"]}


def test_policies_are_no_longer_than_aws_takes(made: Made) -> None:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    assert all(length <= 10_240 for length in made.inline_sizes.values()), made.inline_sizes
    assert all(length <= 6_144 for length in made.managed_sizes.values()), made.managed_sizes


def test_a_plan_can_only_look(made: Made) -> None:
    for action in made.actions("plan"):
        assert re.fullmatch(rf"[a-z0-9]+:(Describe|Get|List)[A-Za-z]*\*?|{VIEW}", action), action


@pytest.mark.parametrize("kind", KINDS)
def test_wildcards_are_only_for_looking_where_aws_has_no_resource_level(made: Made, kind: str) -> None:
    bound_otherwise = {"cloudwatch:PutMetricData"}  # by its namespace
    for statement in made.statements(kind):
        actions = set(as_list(statement["Action"]))
        assert "NotAction" not in statement
        for action in actions:
            assert "*" not in action or re.fullmatch(r"[a-z0-9]+:Describe\*", action), action
        if statement["Resource"] == "*":
            looking = {action for action in actions if re.match(r"[a-z0-9]+:(Describe|List)", action)}
            assert actions - looking <= bound_otherwise, statement["Sid"]
            assert actions == looking or "cloudwatch:namespace" in statement["Condition"]["StringEquals"]


@pytest.mark.parametrize("kind", ["deploy", "destroy"])
def test_what_is_changed_belongs_to_the_environment(made: Made, kind: str) -> None:
    # By a name that only this environment uses, by its tags, or by the condition that is named here.
    own = re.compile(
        rf"{PREFIX}(-|$)|parameter/pettracker/staging/|log-group:/pettracker/staging/(ml-server|training)$"
    )
    bound_otherwise = {
        "TagWhatIsMade": "ec2:CreateAction",
        "TagImages": "ec2:CreateAction",
        "SendTheHeartbeat": "cloudwatch:namespace",
    }
    without_owner = {
        "UseImagesAndDisks",  # the base image is somebody else's, and a network interface carries no tags
        "EnterByShell",  # a document of AWS; which hosts it enters is bound by their tags
        "EndOwnSessions",  # ${aws:userid} is the session's own
        "LetServicesHaveTheirRoles",  # one of each in an account
    }
    for statement in made.statements(kind):
        actions = as_list(statement["Action"])
        if all(re.match(rf"[a-z0-9]+:(Describe|Get|List)|{VIEW}", action) for action in actions):
            continue
        conditions = statement.get("Condition", {}).get("StringEquals", {})
        tagged = [
            conditions.get(f"aws:{side}Tag/Environment") == "staging"
            and conditions.get(f"aws:{side}Tag/Project") == "pettracker"
            for side in ("Request", "Resource")
        ]
        named = all(own.search(resource) for resource in as_list(statement["Resource"]))
        assert (
            any(tagged)
            or named
            or bound_otherwise.get(statement["Sid"]) in conditions
            or statement["Sid"] in without_owner
        ), statement["Sid"]


def test_no_role_can_change_the_roles_of_the_workflows_or_leave_the_boundary(made: Made) -> None:
    boundary = f"arn:aws:iam::{constants.ACCOUNT_ID}:policy/{PREFIX}-boundary"
    for kind in KINDS:
        for statement in made.statements(kind):
            actions = {action for action in as_list(statement["Action"]) if action.startswith("iam:")}
            changing = {action for action in actions if not re.match("iam:(Get|List)", action)}
            if changing:
                assert not any(
                    "-ci-" in resource or resource.endswith("*") for resource in as_list(statement["Resource"])
                )
            if changing & {
                "iam:CreateRole",
                "iam:PutRolePolicy",
                "iam:AttachRolePolicy",
                "iam:PutRolePermissionsBoundary",
            }:
                assert statement["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": boundary}}
            if "iam:PassRole" in changing:
                assert set(statement["Condition"]["StringEquals"]) == {"iam:PassedToService"}
        assert not made.allows(kind, "iam:DeleteRolePermissionsBoundary")
        assert not made.allows(kind, "iam:CreatePolicyVersion")


def test_a_teardown_leaves_the_data(made: Made) -> None:
    for action in ("s3:DeleteBucket", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutBucketPolicy"):
        assert not made.allows("destroy", action)
    assert not made.allows("deploy", "s3:DeleteBucket")


def test_hosts_stay_inside_the_boundary(made: Made) -> None:
    assert not any(action.startswith(("iam:", "sts:")) for action in made.actions("boundary"))
    granted = set()
    for template in ("identity/templates/service", "identity/templates/training", "vpc/templates/flow_log"):
        text = (ROOT / f"roles/{template}_policy.json.j2").read_text()
        granted |= {action for action in re.findall(r'"([a-z0-9]+:[A-Z]\w+)"', text) if not action.startswith("kms:")}
    assert len(granted) >= 10
    assert granted <= made.actions("boundary")


SERVICES = {
    "acm": "acm",
    "autoscaling": "autoscaling",
    "budgets": "budgets",
    "cloudwatch": "cloudwatch",
    "ec2": "ec2",
    "elbv2": "elasticloadbalancing",
    "iam": "iam",
    "logs": "logs",
    "s3": "s3",
    "ssm": "ssm",
}
# Where the action is not named for the call: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
ACTIONS_OF_S3 = {
    "delete_objects": "DeleteObject",
    "get_bucket_encryption": "GetEncryptionConfiguration",
    "get_public_access_block": "GetBucketPublicAccessBlock",
    "head_bucket": "ListBucket",
    "head_object": "GetObject",
    "list_buckets": "ListAllMyBuckets",
    "list_objects_v2": "ListBucket",
    "put_bucket_encryption": "PutEncryptionConfiguration",
    "put_public_access_block": "PutBucketPublicAccessBlock",
}
# One to look and one to change: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbudgetservice.html
ACTIONS_OF_BUDGETS = {
    **dict.fromkeys(("create_budget", "update_budget", "delete_budget"), "ModifyBudget"),
    **dict.fromkeys(("create_notification", "delete_notification"), "ModifyBudget"),
    **dict.fromkeys(("describe_budget", "describe_budgets"), "ViewBudget"),
    **dict.fromkeys(("describe_notifications_for_budget", "describe_subscribers_for_notification"), "ViewBudget"),
}
NAMED_OTHERWISE = {"s3": ACTIONS_OF_S3, "budgets": ACTIONS_OF_BUDGETS}
# What an administrator, a person or only the rehearsal runs: in AWS an inventory names a certificate that is there.
BY_OTHERS = {
    "fleet_tag.py",
    "iam_oidc_provider.py",
    "imported_certificate.py",
    "owned_instance.py",
    "scaling_group_member.py",
    "scaling_group_members.py",
    "training_instance.py",
    "training_instances.py",
}
# Lets hosts out of the boundary, or deletes the contents of buckets: refused on purpose.
REFUSED = {"delete_role_permissions_boundary", "list_object_versions", "delete_objects", "delete_bucket"}


@functools.cache
def actions_of_calls() -> dict[str, set[str]]:
    """The IAM actions that a method of a boto3 client may need: several services may have a method of that name."""
    session = botocore.session.Session()
    found: dict[str, set[str]] = {}
    for service, prefix in SERVICES.items():
        for operation in session.get_service_model(service).operation_names:
            method = xform_name(operation)
            action = NAMED_OTHERWISE.get(service, {}).get(method, operation)
            found.setdefault(method, set()).add(f"{prefix}:{action}")
    return found


def calls(path: Path) -> set[str]:
    """The client methods that a module names, called or given to a paginator or to a helper."""
    tree = ast.parse(path.read_text())
    names = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    names |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return names & set(actions_of_calls()) - REFUSED


@pytest.mark.parametrize("kind", KINDS)
def test_a_role_may_make_the_calls_of_the_modules_that_it_runs(made: Made, kind: str) -> None:
    modules = [path for path in sorted((ROOT / "plugins").glob("module*/*.py")) if path.name not in BY_OTHERS]
    assert len(modules) > 20
    missing = set()
    for path in modules:
        removing = path.name == "owned_resources.py"
        for call in calls(path):
            looking = call.startswith(("describe_", "get_", "head_", "list_"))
            needed = looking or kind == ("destroy" if removing else "deploy")
            if needed and not any(made.allows(kind, action) for action in actions_of_calls()[call]):
                missing.add((path.name, call))
    assert missing == set()
