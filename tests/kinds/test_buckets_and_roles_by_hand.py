"""What a hand changes of buckets, the budget, roles and their profiles is named alone, and one apply puts it back."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.registry import BY_NAME

from tests.plan.world import ACCOUNT, NAME, World
from tests.plugins.loading import FakeModule, load

Client = Callable[[str], Any]
Hand = Callable[[Client], Any]
BUDGET = {"AccountId": ACCOUNT, "BudgetName": f"{NAME}-monthly"}
ISSUER = "https://token.actions.githubusercontent.com"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:events"


def s3(operation: str, **more: Any) -> Hand:
    return lambda client: getattr(client("s3"), operation)(Bucket="models", **more)


def budget(**changes: Any) -> Hand:
    def change(client: Client) -> None:
        found = client("budgets").describe_budget(**BUDGET, ShowFilterExpression=True)["Budget"]
        kept = ("BudgetName", "BudgetType", "TimeUnit", "BudgetLimit", "Metrics", "FilterExpression", "TimePeriod")
        client("budgets").update_budget(AccountId=ACCOUNT, NewBudget={key: found[key] for key in kept} | changes)

    return change


def iam(operation: str, **more: Any) -> Hand:
    return lambda client: getattr(client("iam"), operation)(**more)


def let_rules_expire(client: Client) -> None:
    rule = {"ID": "everything", "Filter": {"Prefix": ""}, "Status": "Enabled", "Expiration": {"Days": 1}}
    s3("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": [rule]})(client)


def open_by_acl(client: Client) -> None:
    rules = [{"ObjectOwnership": "ObjectWriter"}]
    s3("put_bucket_ownership_controls", OwnershipControls={"Rules": rules})(client)
    s3("put_bucket_acl", ACL="public-read")(client)


def exchange_the_role(client: Client) -> None:
    client("iam").create_role(RoleName="admin", AssumeRolePolicyDocument=json.dumps(DOCUMENT))
    client("iam").remove_role_from_instance_profile(InstanceProfileName="service", RoleName="service")
    client("iam").add_role_to_instance_profile(InstanceProfileName="service", RoleName="admin")


CASES: dict[str, tuple[Hand, set[tuple[str, str]]]] = {
    "an encryption": (
        s3(
            "put_bucket_encryption",
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": False}]
            },
        ),
        {("bucket models", "encryption"), ("bucket models", "bucket_key")},
    ),
    "records that expire": (
        let_rules_expire,
        {
            *(("bucket models", f"lifecycle.everything.{key}") for key in ("expire_days", "noncurrent_days")),
            *(("bucket models", f"lifecycle.everything.{key}") for key in ("abort_upload_days", "remove_markers")),
            *(("bucket models", f"lifecycle.rollout.{key}") for key in ("enabled", "prefix")),
            *(("bucket models", f"lifecycle.rollout.{key}") for key in ("noncurrent_days", "remove_markers")),
        },
    ),
    "an ACL": (open_by_acl, {("bucket models", "ownership"), ("bucket models", "grants")}),
    "cross-origin requests": (
        s3("put_bucket_cors", CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}),
        {("bucket models", "cors_rules")},
    ),
    "notifications": (
        s3(
            "put_bucket_notification_configuration",
            NotificationConfiguration={"TopicConfigurations": [{"TopicArn": TOPIC, "Events": ["s3:ObjectCreated:*"]}]},
        ),
        {("bucket models", "notifications.topic_configurations")},
    ),
    "a website": (
        s3("put_bucket_website", WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}}),
        {("bucket models", "website.index_document.Suffix")},
    ),
    "who pays": (
        s3("put_bucket_request_payment", RequestPaymentConfiguration={"Payer": "Requester"}),
        {("bucket models", "request_payment.payer")},
    ),
    "acceleration": (
        s3("put_bucket_accelerate_configuration", AccelerateConfiguration={"Status": "Enabled"}),
        {("bucket models", "accelerated")},
    ),
    "access by tags": (s3("put_bucket_abac", AbacStatus={"Status": "Enabled"}), {("bucket models", "abac.status")}),
    "an inventory": (
        s3(
            "put_bucket_inventory_configuration",
            Id="keys",
            InventoryConfiguration={
                **{"Id": "keys", "IsEnabled": True, "IncludedObjectVersions": "All"},
                "Schedule": {"Frequency": "Daily"},
                "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::elsewhere", "Format": "CSV"}},
            },
        ),
        {("bucket models", "inventory_configuration_list")},
    ),
    "metrics": (
        s3("put_bucket_metrics_configuration", Id="all", MetricsConfiguration={"Id": "all"}),
        {("bucket models", "metrics_configuration_list")},
    ),
    "analytics": (
        s3("put_bucket_analytics_configuration", Id="all", AnalyticsConfiguration={"Id": "all", "StorageClassAnalysis": {}}),
        {("bucket models", "analytics_configuration_list")},
    ),
    "tiering": (
        s3(
            "put_bucket_intelligent_tiering_configuration",
            Id="cold",
            IntelligentTieringConfiguration={
                **{"Id": "cold", "Status": "Enabled"},
                "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}],
            },
        ),
        {("bucket models", "intelligent_tiering_configuration_list")},
    ),
    "a budget that ends": (budget(TimePeriod={"Start": 1, "End": 86400}), {(f"budget {NAME}-monthly", "ends")}),
    "costs without tax": (budget(CostTypes={"IncludeTax": False}), {(f"budget {NAME}-monthly", "cost_types.include_tax")}),
    "a budget that follows the costs": (
        budget(AutoAdjustData={"AutoAdjustType": "FORECAST"}),
        {(f"budget {NAME}-monthly", "auto_adjust_data.auto_adjust_type")},
    ),
    "a boundary": (
        iam("put_role_permissions_boundary", RoleName="service", PermissionsBoundary=POLICY),
        {("role service", "permissions_boundary")},
    ),
    "a session": (
        iam("update_role", RoleName="service", Description="Service hosts", MaxSessionDuration=43200),
        {("role service", "session_seconds")},
    ),
    "a policy that is gone": (
        iam("delete_role_policy", RoleName="service", PolicyName="service"),
        {("role service", f"inline_policies.service.Statement.Read.{key}") for key in ("Effect", "Action", "Resource")}
        | {("role service", "inline_policies.service.Version")},
    ),
    "another role": (exchange_the_role, {("instance profile service", "role")}),
    "a profile's tags": (
        iam("untag_instance_profile", InstanceProfileName="service", TagKeys=["Project"]),
        {("instance profile service", "tags.Project")},
    ),
    "a wider policy": (
        iam("create_policy_version", PolicyArn=POLICY, PolicyDocument=json.dumps(DOCUMENT), SetAsDefault=False),
        {("policy boundary", "older_versions")},
    ),
    "a policy's tags": (
        iam("tag_policy", PolicyArn=POLICY, Tags=[{"Key": "Owner", "Value": "ann"}]),
        {("policy boundary", "tags.Owner")},
    ),
    "an audience": (
        iam(
            "remove_client_id_from_open_id_connect_provider",
            OpenIDConnectProviderArn=f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER.removeprefix('https://')}",
            ClientID="sts.amazonaws.com",
        ),
        {(f"identity provider {ISSUER}", "audiences")},
    ),
}


@pytest.fixture
def kept(world: World) -> World:
    """Only what these kinds are about."""
    modules = ("iam_roles", "s3_buckets", "cost_budget")
    world.parameters = {name: world.parameters[name] for name in modules}
    policy = {"arn": POLICY, "description": "The most that hosts can do", "document": DOCUMENT, "tags": {}}
    world.parameters["iam_policies"] = {"policies": [policy]}
    world.parameters["iam_oidc_provider"] = {"url": ISSUER, "audiences": ["sts.amazonaws.com"]}
    return world


MODULES = {
    **{"bucket": "s3_buckets", "budget": "cost_budget", "role": "iam_roles", "instance": "iam_roles"},
    **{"policy": "iam_policies", "identity": "iam_oidc_provider"},
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_named_alone_and_repaired_at_once(kept: World, client: Client, case: str) -> None:
    change, expected = CASES[case]
    modules = {"iam_policies", *(MODULES[resource.split()[0]] for resource, _ in expected)}
    kept.parameters = {name: given for name, given in kept.parameters.items() if name in modules}
    if "s3_buckets" in kept.parameters:
        kept.parameters["s3_buckets"]["buckets"].pop()
    kept.apply()
    change(client)
    planned = {(change.resource, item.path) for change in kept.plan() for item in change.fields}
    assert planned == expected
    kept.apply()
    assert kept.plan() == []


def test_what_is_nobodys_is_told_and_left_alone(kept: World, client: Client) -> None:
    kept.parameters = {name: kept.parameters[name] for name in ("cost_budget", "iam_oidc_provider")}
    kept.apply()
    arn = client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"][0]["Arn"]
    client("iam").add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="others")
    action = client("budgets").create_budget_action(
        **BUDGET,
        **{"NotificationType": "ACTUAL", "ActionType": "APPLY_IAM_POLICY", "ApprovalModel": "AUTOMATIC"},
        Definition={"IamActionDefinition": {"PolicyArn": POLICY, "Roles": ["service"]}},
        ActionThreshold={"ActionThresholdValue": 100.0, "ActionThresholdType": "PERCENTAGE"},
        ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/budgets",
        Subscribers=[{"SubscriptionType": "EMAIL", "Address": "ann@example.com"}],
    )["ActionId"]
    assert kept.apply() == []
    assert kept.results["iam_oidc_provider"]["nobodys"] == {"audience": [f"{ISSUER}/others"]}
    assert kept.results["cost_budget"]["nobodys"] == {"budget action": [f"{NAME}-monthly/{action}"]}
    assert client("budgets").describe_budget_actions_for_budget(**BUDGET)["Actions"][0]["ActionId"] == action


def test_what_carries_the_tags_is_owned_and_removed(kept: World, client: Client) -> None:
    scope = load("module_utils", "kinds.kind").Scope({"Project": "pettracker", "Environment": "dev"})
    kept.apply()
    client("s3").create_bucket(Bucket="strangers")
    client("ssm").put_parameter(
        Name="/dev/current", Value="1", Type="String", Tags=[{"Key": key, "Value": value} for key, value in scope.tags.items()]
    )
    expected = {
        **{"instance profile": ["service"], "role": ["service"], "parameter": ["/dev/current"]},
        **{"bucket": ["models", "transfer"], "budget": [f"{NAME}-monthly"]},
    }
    for name, identities in expected.items():
        kind = BY_NAME[name]
        assert [one.identity for one in kind.owned(client, scope)] == identities
        for identity in identities:
            kind.remove(client, identity)
        assert list(kind.owned(client, scope)) == []


def test_an_environment_s_end_leaves_what_bootstrap_made() -> None:
    assert {kind.name for kind in BY_NAME.values() if not kind.torn_down} == {"policy", "identity provider"}


def test_a_bucket_as_aws_tells_it(client: Client) -> None:
    """Absent members, an owner without a name, and rules in the older form."""
    answers: dict[str, Any] = {answer.operation: {} for answer in BY_NAME["bucket"].answers}
    answers |= {
        "GetBucketEncryption": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}},
        "GetBucketAcl": {
            "Owner": {"ID": "75aa"},
            "Grants": [
                {"Grantee": {"ID": "75aa", "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"},
                {"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"}, "Permission": "WRITE"},
            ],
        },
        "GetBucketLifecycleConfiguration": {
            "Rules": [{"ID": "logs", "Prefix": "logs/", "Status": "Enabled", "Expiration": {"Days": 3}}],
            "TransitionDefaultMinimumObjectSize": "all_storage_classes_128K",
        },
        "GetBucketVersioning": {"Status": "Suspended", "MFADelete": "Disabled"},
    }
    state = BY_NAME["bucket"].state(answers)
    assert BY_NAME["bucket"].deviations(answers) == []
    assert state["grants"] == ["WRITE to http://acs.amazonaws.com/groups/s3/LogDelivery"]
    assert state["lifecycle"] == {"logs": {"enabled": True, "prefix": "logs/", "expire_days": 3}}
    assert (state["bucket_key"], state["versioning"], state["policy"], state["tags"]) == (False, False, None, {})


def test_a_role_as_aws_tells_it() -> None:
    """Without a description, a boundary and tags, and with policies of AWS's."""
    answers = {
        "GetRole": {"RoleName": "a", "AssumeRolePolicyDocument": DOCUMENT, "MaxSessionDuration": 3600, "Path": "/"},
        "GetRolePolicy": [],
        "ListAttachedRolePolicies": [{"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess", "PolicyName": "ReadOnlyAccess"}],
    }
    state = BY_NAME["role"].state(answers)
    assert (state["description"], state["permissions_boundary"], state["tags"]) == ("", None, {})
    assert state["managed_policies"] == ["arn:aws:iam::aws:policy/ReadOnlyAccess"]


def test_the_arn_of_a_provider_is_told(client: Client) -> None:
    module = FakeModule({"url": ISSUER, "audiences": ["sts.amazonaws.com"]}, check_mode=True)
    module.client = lambda service, _=None: client(service)  # type: ignore[method-assign]
    run = load("modules", "iam_oidc_provider").run
    assert run(module)["arn"] == ""
    module.check_mode = False
    assert run(module)["arn"].endswith(":oidc-provider/token.actions.githubusercontent.com")
