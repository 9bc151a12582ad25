"""What GitHub's workflows may do in AWS: each role no more than its task, and only for tokens of the right kind."""

import ast
import functools
import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.registry import KINDS as RESOURCES
from botocore import xform_name
from botocore.exceptions import ClientError

from localcloud import settings as constants
from tests.localcloud.conftest import Cloud
from tests.localcloud.session_targets import CORE, as_role, target
from tests.plugins.loading import PLUGINS
from tests.roles.inventory_values import Values
from tests.workflows.conftest import KINDS, PREFIX, REPOSITORY, ROOT, SUBJECT, Made
from tests.workflows.iam import Request, allows, as_list

ISSUER = "token.actions.githubusercontent.com"
VIEW = "budgets:ViewBudget"  # the one call that looks and is named otherwise


def test_a_second_run_changes_nothing(made: Made) -> None:
    first, second = made.said.split("PLAY [localhost]")[0].split("PLAY [Bootstrap]")[1:]
    assert first.count("changed: ") == 5  # with the file that tells GitHub of the roles, and its directory
    assert second.count("changed: ") == 0


def test_a_bootstrap_names_the_quotas_that_are_too_small_and_goes_on(made: Made) -> None:
    for code in ("L-1216C47A", "L-34B43A08"):
        assert f"({code}) is 5 vCPUs in us-east-1" in " ".join(made.said.split())


def token(subject: str, ref: str | None, repository_id: str = "5678") -> Request:
    """The request of a job, with the claims of its token: https://docs.github.com/actions/reference/security/oidc#oidc-token-claims.

    Without `ref`, as AWS sees it where it hands on audience and subject only.
    """
    claims = {"aud": "sts.amazonaws.com", "sub": subject}
    claims |= {"ref": ref, "repository_id": repository_id} if ref else {}
    return Request("sts:AssumeRoleWithWebIdentity", context={f"{ISSUER}:{name}": value for name, value in claims.items()})


MAIN, PULL_REQUEST = "refs/heads/main", "refs/pull/1/merge"
JOBS = {
    "a pull request": (token(f"{SUBJECT}:pull_request", PULL_REQUEST), {"plan"}),
    "the main branch": (token(f"{SUBJECT}:ref:{MAIN}", MAIN), {"plan"}),
    "another branch": (token(f"{SUBJECT}:ref:refs/heads/other", "refs/heads/other"), set()),
    "a deployment": (token(f"{SUBJECT}:environment:staging", MAIN), {"deploy"}),
    "a deployment whose branch AWS does not know": (token(f"{SUBJECT}:environment:staging", None), {"deploy"}),
    "a teardown": (token(f"{SUBJECT}:environment:staging-destroy", MAIN), {"destroy"}),
    # GitHub lets any branch into an environment that has lost its rules, or never had any.
    "a deployment of a branch": (token(f"{SUBJECT}:environment:staging", "refs/heads/other"), set()),
    "a teardown by a pull request": (token(f"{SUBJECT}:environment:staging-destroy", PULL_REQUEST), set()),
    "another environment": (token(f"{SUBJECT}:environment:production", MAIN), set()),
    # The names of a repository that is gone, with the numbers of another one; and without any, as before they were there.
    "the next owner of the name": (token("repo:acme@9999/pettracker-ml@8888:environment:staging", MAIN), set()),
    "a subject that another repository has by now": (token(f"{SUBJECT}:environment:staging", MAIN, "8888"), set()),
    "a pull request of another repository": (token(f"{SUBJECT}:pull_request", PULL_REQUEST, "8888"), set()),
    "a name without numbers": (token(f"repo:{REPOSITORY}:environment:staging", MAIN), set()),
}


@pytest.mark.parametrize("job", JOBS)
def test_a_role_trusts_only_tokens_of_its_own_jobs(made: Made, job: str) -> None:
    request, roles = JOBS[job]
    assert {kind for kind in KINDS if allows([made.roles[kind]["AssumeRolePolicyDocument"]], request)} == roles


@pytest.mark.parametrize("kind", KINDS)
def test_a_role_trusts_one_issuer_and_matches_without_wildcards(made: Made, kind: str) -> None:
    (statement,) = made.roles[kind]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::{constants.ACCOUNT_ID}:oidc-provider/{ISSUER}"}
    assert set(statement["Condition"]) <= {"StringEquals", "StringEqualsIfExists"}
    assert set(statement["Condition"]["StringEquals"]) == {f"{ISSUER}:aud", f"{ISSUER}:sub"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_role_outlives_the_teardown_of_its_environment(made: Made, kind: str) -> None:
    # destroy.yml finds what it removes by this tag, and runs as one of these roles.
    assert "Environment" not in {tag["Key"] for tag in made.roles[kind]["Tags"]}


def test_policies_are_no_longer_than_aws_takes(made: Made) -> None:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    assert all(length <= 10_240 for length in made.inline_sizes.values()), made.inline_sizes
    assert all(length <= 6_144 for length in made.managed_sizes.values()), made.managed_sizes


def test_a_plan_can_only_look(made: Made) -> None:
    for action in made.actions("plan") - {"kms:Decrypt"}:  # of what S3 lets it read
        assert re.fullmatch(rf"[a-z0-9]+:(Describe|Get|List)[A-Za-z]*\*?|{VIEW}", action), action


@pytest.mark.parametrize("kind", KINDS)
def test_wildcards_are_only_for_looking_where_aws_has_no_resource_level(made: Made, kind: str) -> None:
    bound_otherwise = {"cloudwatch:PutMetricData": "cloudwatch:namespace"}
    # A channel opens with the token of its session only; metrics, and which resources carry tags, are read without conditions.
    unbound = {"ssmmessages:OpenDataChannel", "cloudwatch:GetMetricData", "tag:GetResources"}
    for statement in made.statements(kind):
        actions = set(as_list(statement["Action"]))
        assert "NotAction" not in statement
        for action in actions:
            assert "*" not in action or re.fullmatch(r"[a-z0-9]+:Describe\*", action), action
        if statement["Resource"] == "*":
            looking = {action for action in actions if re.match(r"[a-z0-9]+:(Describe|List)", action)}
            for action in actions - looking - unbound:
                assert bound_otherwise[action] in statement["Condition"]["StringEquals"], statement["Sid"]


@pytest.mark.parametrize("kind", ["deploy", "destroy"])
def test_what_is_changed_belongs_to_the_environment(made: Made, kind: str) -> None:
    # By a name that only this environment uses, by its tags, or by the condition that is named here.
    own = re.compile(
        rf"{PREFIX}(-|$|:\*$)|parameter/pettracker/staging/|log-group:/pettracker/staging/(ml-server|training)(:\*)?$"
    )
    bound_otherwise = {
        "SendTheHeartbeat": "cloudwatch:namespace",
        "GiveGroupsTheirRoleBack": "iam:PassedToService",
        "DecryptWhatS3Sends": "kms:ViaService",  # of what S3 lets it read
        "EncryptThroughS3": "kms:ViaService",  # and write
        "EndOwnSessions": "ssm:resourceTag/aws:ssmmessages:session-id",
    }
    without_owner = {
        "UseImagesAndDisks",  # the base image is somebody else's, and a network interface carries no tags
        "EnterByShell",  # a document of AWS; which hosts it enters is bound by their tags
        "TalkInOwnSessions",  # by the token of the session
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
        while_made = actions == ["ec2:CreateTags"] and "ec2:CreateAction" in conditions
        # What AWS or a person made, and what a repair removes or takes up again; nothing that an environment has.
        unclaimed = set(statement.get("Condition", {}).get("Null", {}).items()) == {
            ("aws:ResourceTag/Environment", "true"),
            ("aws:ResourceTag/Project", "true"),
        }
        assert (
            any(tagged)
            or named
            or while_made
            or unclaimed
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
                assert not any("-ci-" in resource or resource.endswith("*") for resource in as_list(statement["Resource"]))
            if changing & {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary"}:
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
        text = (ROOT / f"roles/{template}_policy.yml.j2").read_text()
        granted |= {action for action in re.findall(r"\b[a-z0-9]+:[A-Z]\w+", text) if not action.startswith("kms:")}
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
    "resourcegroupstaggingapi": "tag",
    "s3": "s3",
    "service-quotas": "servicequotas",
    "ssm": "ssm",
}
# Where the action is not named for the call: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
ACTIONS_OF_S3 = {
    "delete_bucket_analytics_configuration": "PutAnalyticsConfiguration",
    "delete_bucket_cors": "PutBucketCORS",
    "delete_bucket_intelligent_tiering_configuration": "PutIntelligentTieringConfiguration",
    "delete_bucket_inventory_configuration": "PutInventoryConfiguration",
    "delete_bucket_lifecycle": "PutLifecycleConfiguration",
    "delete_bucket_metadata_configuration": "DeleteBucketMetadataTableConfiguration",
    "delete_bucket_metrics_configuration": "PutMetricsConfiguration",
    "delete_bucket_replication": "PutReplicationConfiguration",
    "delete_objects": "DeleteObject",
    "get_bucket_accelerate_configuration": "GetAccelerateConfiguration",
    "get_bucket_cors": "GetBucketCORS",
    "get_bucket_encryption": "GetEncryptionConfiguration",
    "get_bucket_lifecycle_configuration": "GetLifecycleConfiguration",
    "get_bucket_metadata_configuration": "GetBucketMetadataTableConfiguration",
    "get_bucket_notification_configuration": "GetBucketNotification",
    "get_bucket_replication": "GetReplicationConfiguration",
    "get_object_lock_configuration": "GetBucketObjectLockConfiguration",
    "get_public_access_block": "GetBucketPublicAccessBlock",
    "head_bucket": "ListBucket",
    "head_object": "GetObject",
    "list_bucket_analytics_configurations": "GetAnalyticsConfiguration",
    "list_bucket_intelligent_tiering_configurations": "GetIntelligentTieringConfiguration",
    "list_bucket_inventory_configurations": "GetInventoryConfiguration",
    "list_bucket_metrics_configurations": "GetMetricsConfiguration",
    "list_buckets": "ListAllMyBuckets",
    "list_objects_v2": "ListBucket",
    "put_bucket_accelerate_configuration": "PutAccelerateConfiguration",
    "put_bucket_encryption": "PutEncryptionConfiguration",
    "put_bucket_lifecycle_configuration": "PutLifecycleConfiguration",
    "put_bucket_notification_configuration": "PutBucketNotification",
    "put_object_lock_configuration": "PutBucketObjectLockConfiguration",
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
    "iam_policies.py",
    "identity_provider.py",
    "imported_certificate.py",
    "members.py",
    "owned_instance.py",
    "policy.py",
    "scaling_group_member.py",
    "scaling_group_process.py",
    "training_instance.py",
    "training_instances.py",
    "workflow_identity.py",
}
# Of a kind that no workflow makes: a certificate is imported by a person or by the rehearsal, and removed with the environment.
IMPORTING = {"add_tags_to_certificate", "get_certificate", "import_certificate", "remove_tags_from_certificate"}
# Modules that look at what only a deployment starts.
DEPLOYING = {"instance_console.py"}
# Lets hosts out of the boundary, gives them to others, or deletes the contents of buckets: refused on purpose.
REFUSED = {
    "delete_bucket",
    "delete_objects",
    "delete_role_permissions_boundary",
    "list_object_versions",
    "update_assume_role_policy",  # may be bound by nothing; `make bootstrap` changes whom a role trusts
}


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


def split(path: Path) -> tuple[ast.Module, ast.Module]:
    """The code of a file, and what of it only removes: `remove` and `delete` of kinds, and functions called by nothing else."""
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    removing: list[ast.stmt] = [node for node in functions if node.name == "remove" and node.args.args[0].arg == "self"]
    inside = {id(node) for remove in removing for node in ast.walk(remove)}
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    removing += [node for node in assigned if ast.unparse(node.targets[0]) == "delete"]
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    helpers = {node.id for node in names if id(node) in inside} - {node.id for node in names if id(node) not in inside}
    removing += [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in helpers]
    for parent in ast.walk(tree):
        if isinstance(parent, ast.Module | ast.ClassDef):
            parent.body = [node for node in parent.body if node not in removing]
    return tree, ast.Module(removing, [])


def calls(tree: ast.AST) -> set[str]:
    """The client methods that code names: called, given to a paginator or to a helper, an answer, or put together of parts."""
    known = set(actions_of_calls())
    grants = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Grant"]
    granted = {id(node) for grant in grants for node in ast.walk(grant)}
    nodes = [node for node in ast.walk(tree) if id(node) not in granted]
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names |= {xform_name(name) for name in names if name[:1].isupper()}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            parts = [re.escape(part.value) if isinstance(part, ast.Constant) else "[a-z_]+" for part in node.values]
            if re.match(r"[a-z]+_", str(getattr(node.values[0], "value", ""))):
                names |= {name for name in known if re.fullmatch("".join(parts), name)}
    return names & known - REFUSED - IMPORTING


@pytest.mark.parametrize(
    ("role", "purposes"), [("plan", ["look"]), ("deploy", ["look", "change"]), ("destroy", ["look", "removal"])]
)
def test_a_role_may_do_what_the_kinds_need(made: Made, role: str, purposes: list[str]) -> None:
    for kind in RESOURCES:
        needed = {action for purpose in purposes for grant in getattr(kind, purpose) for action in grant.actions}
        assert {action for action in needed if not made.allows(role, action)} == set(), kind.name


@pytest.mark.parametrize("kind", KINDS)
def test_a_role_may_make_the_calls_of_the_modules_that_it_runs(made: Made, kind: str) -> None:
    modules = [path for path in sorted(PLUGINS.glob("module*/**/*.py")) if path.name not in BY_OTHERS]
    assert len(modules) > 60
    assert {resource.service for resource in RESOURCES} <= SERVICES.keys()
    missing = set()
    for path in modules:
        for removing, code in enumerate(split(path)):
            for call in calls(code):
                looking = path.name not in DEPLOYING and call.startswith(("describe_", "get_", "head_", "list_"))
                needed = looking or kind == ("destroy" if removing else "deploy")
                if needed and not any(made.allows(kind, action) for action in actions_of_calls()[call]):
                    missing.add((path.name, call))
    assert missing == set()


def test_a_deployment_enters_hosts_of_its_environment_by_shell_and_no_others(made: Made, cloud: Cloud) -> None:
    own, foreign = (
        target(cloud, CORE, tags={"Project": "pettracker", "Environment": name}) for name in ("staging", "production")
    )
    plain = target(cloud, CORE)
    role = as_role(cloud, made.policies["deploy"])
    assert role.get_connection_status(Target=own)["Status"] == "connected"
    session = role.start_session(Target=own, DocumentName="SSM-SessionManagerRunShell")["SessionId"]
    role.terminate_session(SessionId=role.start_session(Target=own)["SessionId"])
    document = "AWS-StartPortForwardingSession"
    instance = f"arn:aws:ec2:us-east-1:{constants.ACCOUNT_ID}:instance/"
    for operation, arguments, resource in (
        ("StartSession", {"Target": foreign}, instance + foreign),
        ("StartSession", {"Target": plain}, instance + plain),
        ("StartSession", {"Target": "i-00000000000000000"}, f"{instance}i-00000000000000000"),
        ("StartSession", {"Target": own, "DocumentName": document}, f"arn:aws:ssm:us-east-1::document/{document}"),
        ("GetConnectionStatus", {"Target": foreign}, instance + foreign),
    ):
        with pytest.raises(ClientError) as refusal:
            getattr(role, xform_name(operation))(**arguments)
        assert refusal.value.response["Error"]["Code"] == "AccessDeniedException"
        said = f"is not authorized to perform: ssm:{operation} on resource: {resource} because no identity-based policy"
        assert f"{said} allows the ssm:{operation} action" in str(refusal.value)
    open_ones = [one.session_id for one in cloud.account.sessions.all() if one.status != "Terminated"]
    assert open_ones == [session]


@pytest.mark.parametrize(
    ("known", "number"),
    [
        ({"ci_subject": "repo:acme@1234/pettracker-ml@5678"}, "5678"),
        # A repository older than July 2026 that has not opted in, as the rehearsal's.
        ({"ci_subject": "repo:acme/pettracker-ml"}, ""),
        ({"bootstrap_subject": {"stdout_lines": ["repo:acme/pettracker-ml", "5678"]}}, "5678"),
    ],
)
def test_the_repositorys_number_is_taken_from_whoever_names_it(known: dict[str, Any], number: str) -> None:
    play = DataLoader().load_from_file(str(ROOT / "playbooks/bootstrap.yml"), trusted_as_template=True)[0]
    (let_in,) = (task for task in play["tasks"] if task["name"] == "Let GitHub's workflows in")
    assert str(Values("staging", **known).value(let_in["vars"]["identity_ci_repository_id"])).strip() == number
