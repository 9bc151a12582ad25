"""Each guard rail finds what it is for and nothing else; a waiver holds for what it names, for a reason and until its day."""

import copy
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from delivery.errors import DeliveryError
from delivery.policy.files import read_rules
from delivery.policy.judgement import Judgement, Rule, Waiver, judge
from delivery.policy.text import markdown, summary, terminal

Fields = dict[str, Any]
RULES = read_rules()
TODAY = date(2026, 11, 26)
TAGS = {"Project": "pettracker", "Environment": "production", "ManagedBy": "ansible"}


def allow(action: Any, resource: Any = "arn:aws:s3:::models/*", **more: Any) -> Fields:
    return {"Effect": "Allow", "Action": action, "Resource": resource} | more


def document(*statements: Fields) -> Fields:
    return {"Version": "2012-10-17", "Statement": list(statements)}


ACCOUNT = "arn:aws:service:us-east-1:123456789012"
# An environment, by kind and name, that no rule has anything to say about.
SOUND: dict[tuple[str, str], Fields] = {
    ("environment", "production"): {},
    ("variables", "production"): {"training_instance_type": "g5.xlarge", "training_instance_maximum_hours": 24},
    ("file", "main.yml"): {"text": "aws_region: us-east-1\n"},
    ("security group", "shop-balancer"): {"ingress": {"tcp/443 from 0.0.0.0/0": "", "tcp/80 from ::/0": ""}, "tags": TAGS},
    ("security group", "shop-service"): {
        "ingress": {"tcp/8080 from shop-balancer": "", "tcp/9100 from 10.0.0.0/8": "", "tcp/9101 from 203.0.113.0/24": ""},
        "egress": {"tcp/443 to 0.0.0.0/0": ""},
        "tags": TAGS,
    },
    ("launch template", "shop"): {
        "instance_type": "c5.large",
        "volumes": {"/dev/xvda": {"encrypted": True}},
        "metadata_options": {"http_tokens": "required"},
        "user_data": "#!/bin/sh\nexec /opt/first-boot\n",
        "tags_of": {"instance": TAGS, "volume": TAGS},
        "tags": TAGS,
    },
    ("Auto Scaling group", "shop"): {"min_size": 2, "mixed_instances": None, "schedules": {}, "tags": TAGS},
    ("alarm", "memory"): {
        "metric": "mem_used_percent",
        "dimensions": {"AutoScalingGroupName": "shop"},
        "actions_enabled": True,
        "tags": TAGS,
    },
    ("budget", "monthly"): {
        "limit": {"amount": 100.0, "unit": "USD"},
        "notifications": {"ACTUAL GREATER_THAN 80 PERCENTAGE": ["ann@example.com"]},
        "tags": TAGS,
    },
    ("role", "shop"): {
        "trust": document({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}),
        "managed_policies": ["arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"],
        "inline_policies": {
            "shop": document(
                allow(["s3:GetObject", "s3:PutObject"]),
                allow("ec2:DescribeTags", "*"),
                allow(["ssm:UpdateInstanceInformation", "ssmmessages:OpenDataChannel"], "*"),
                allow("autoscaling:CompleteLifecycleAction", f"{ACCOUNT}:autoScalingGroup:*:autoScalingGroupName/a"),
                allow("kms:Decrypt", f"{ACCOUNT}:key/*", Condition={"StringEquals": {"kms:ViaService": "s3"}}),
                allow("cloudwatch:PutMetricData", "*", Condition={"StringEquals": {"cloudwatch:namespace": "Shop"}}),
            )
        },
        "tags": TAGS,
    },
    ("policy", "shop-boundary"): {
        "document": document(
            allow("s3:GetObject"),
            allow("kms:Decrypt", "*", Condition={"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}),
            allow("ssm:GetParameter", ["arn:aws:ssm:us-east-1:123456789012:parameter/shop/*"]),
            allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-*"),
            allow("sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:shop-*"),
            allow("s3:GetObject", "arn:aws:s3:::shop-*"),
            *(
                allow("ec2:RunInstances", "*", Condition={"StringLike": condition})
                for condition in (
                    {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/*"},
                    {"aws:PrincipalTag/team": "user*"},
                    {"aws:PrincipalAccount": "123456789012"},
                    {"s3:prefix": ["qa/*", "a/*", "user/*"]},
                )
            ),
        ),
        "older_versions": [],
        "tags": {"Project": "pettracker", "ManagedBy": "ansible"},
    },
    ("bucket", "shop-logs"): {"lifecycle": {"everything": {"prefix": "", "expire_days": 7}}, "tags": TAGS},
    ("bucket", "models"): {
        "lifecycle": {"everything": {"prefix": "", "noncurrent_days": 30, "remove_markers": True}},
        "policy": document({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}),
        "tags": TAGS,
    },
    ("listener", "shop:443"): {"protocol": "HTTPS"},
}

GROUP, TEMPLATE = ("Auto Scaling group", "shop"), ("launch template", "shop")
SERVICE, BALANCER = ("security group", "shop-service"), ("security group", "shop-balancer")
ROLE, BUCKET, VARIABLES = ("role", "shop"), ("bucket", "models"), ("variables", "production")


def policy_of_role(*statements: Fields) -> Fields:
    return {"inline_policies": {"shop": document(*statements)}}


# All of IPv4, but for private ranges, in pieces of which none is wide.
IN_PARTS = [f"tcp/8080 from {first}.0.0.0/8" for first in range(1, 224) if first not in (10, 127)]
# The same at ranges of ports that all have one port in common, of which each is written once.
AT_MANY_PORTS = [rule.replace("tcp/8080", f"tcp/{8080 - number}-8080") for number, rule in enumerate(IN_PARTS)]


def policies_with(*statements: Fields) -> list[tuple[str, tuple[str, str], Fields, list[str]]]:
    """Each statement is too wide, and is named as `found` says, which is taken out of it."""
    return [("wildcard-action", ROLE, policy_of_role(one), one.pop("found")) for one in statements]


# Rule, resource, the fields that make it wrong, and what is found.
VIOLATIONS: list[tuple[str, tuple[str, str], Fields, list[str]]] = [
    ("open-port", SERVICE, {"ingress": {"tcp/8080 from 0.0.0.0/0": ""}}, ["tcp/8080 from 0.0.0.0/0"]),
    ("open-port", SERVICE, {"ingress": {"tcp/443 from ::/0": ""}}, ["tcp/443 from ::/0"]),
    ("open-port", SERVICE, {"ingress": {"udp/53 from 0.0.0.0/1": ""}}, ["udp/53 from 0.0.0.0/1"]),
    ("open-port", SERVICE, {"ingress": {"tcp/22222 from pl-0123456789abcdef0": ""}}, ["tcp/22222 from pl-0123456789abcdef0"]),
    ("open-port", SERVICE, {"ingress": dict.fromkeys(IN_PARTS, "")}, IN_PARTS),
    ("open-port", SERVICE, {"ingress": dict.fromkeys(AT_MANY_PORTS, "")}, AT_MANY_PORTS),
    ("open-port", SERVICE, {"ingress": {"tcp/8080 from 2000::/8": ""}}, ["tcp/8080 from 2000::/8"]),
    ("open-port", BALANCER, {"ingress": {"tcp/8080 from 0.0.0.0/0": ""}}, ["tcp/8080 from 0.0.0.0/0"]),
    ("ssh", SERVICE, {"ingress": {"tcp/22 from 10.0.0.0/16": ""}}, ["tcp/22 from 10.0.0.0/16"]),
    ("ssh", SERVICE, {"ingress": {"all from shop-balancer": ""}}, ["all from shop-balancer"]),
    ("gpu-training-without-end", VARIABLES, {"training_instance_maximum_hours": 100}, ["g5.xlarge for hours: 100"]),
    ("gpu-training-without-end", VARIABLES, {"training_instance_maximum_hours": 0}, ["g5.xlarge for hours: 0"]),
    ("gpu-training-without-end", VARIABLES, {"training_instance_maximum_hours": None}, ["g5.xlarge for hours: null"]),
    ("gpu-fleet-without-end", TEMPLATE, {"instance_type": "p5.48xlarge"}, ["p5.48xlarge"]),
    ("gpu-fleet-without-end", GROUP, {"mixed_instances": {"instance_types": ["c5.large", "gr6.4xlarge"]}}, ["gr6.4xlarge"]),
    ("burstable", TEMPLATE, {"instance_type": "t3.large"}, ["t3.large"]),
    ("burstable", GROUP, {"mixed_instances": {"instance_types": ["c5.large", "t4g.large"]}}, ["t4g.large"]),
    ("single-instance", GROUP, {"min_size": 1}, ["min_size 1"]),
    ("single-instance", GROUP, {"min_size": None}, ["min_size null"]),
    ("single-instance", GROUP, {"schedules": {"night": {"min_size": 0}, "day": {"min_size": 2}}}, ["night min_size 0"]),
    ("no-memory-alarm", ("alarm", "memory"), {"metric": "CPUUtilization"}, [""]),
    ("no-memory-alarm", ("alarm", "memory"), {"actions_enabled": False}, [""]),
    ("no-memory-alarm", ("alarm", "memory"), {"dimensions": {"AutoScalingGroupName": "another"}}, [""]),
    ("no-budget", ("budget", "monthly"), {"limit": {"amount": 0.0}}, [""]),
    ("no-budget", ("budget", "monthly"), {"notifications": {}}, [""]),
    ("no-budget", ("budget", "monthly"), {"notifications": {"ACTUAL GREATER_THAN 80 PERCENTAGE": []}}, [""]),
    ("unencrypted-volume", TEMPLATE, {"volumes": {"/dev/sdb": {"encrypted": False}}}, ["/dev/sdb encrypted: false"]),
    ("unencrypted-volume", TEMPLATE, {"volumes": {"/dev/sdb": {}}}, ["/dev/sdb encrypted: null"]),
    ("unencrypted-volume", TEMPLATE, {"volumes": {}}, ["the volumes are whatever the image says"]),
    ("imdsv1", TEMPLATE, {"metadata_options": {"http_tokens": "optional"}}, ["http_tokens: optional"]),
    ("imdsv1", TEMPLATE, {"metadata_options": {}}, ["http_tokens: null"]),
    (
        *("current-objects-expire", BUCKET, {"lifecycle": {"production/": {"expire_days": 365}}}),
        ["production/ after days: 365"],
    ),
    ("wildcard-action", ROLE, policy_of_role(allow("s3:*")), ["s3:*"]),
    ("wildcard-action", ROLE, policy_of_role(allow(["s3:GetObject", "*"])), ["*"]),
    (*("wildcard-action", ROLE, policy_of_role({"Effect": "Allow", "NotAction": "iam:*", "Resource": "x"})), ["all but iam:*"]),
    (*("wildcard-action", ROLE, policy_of_role(allow("ec2:RunInstances", ["*"]))), ["ec2:RunInstances of every resource"]),
    (
        *("wildcard-action", ROLE, {"managed_policies": ["arn:aws:iam::aws:policy/AdministratorAccess"]}),
        ["arn:aws:iam::aws:policy/AdministratorAccess"],
    ),
    *policies_with(
        allow("s3:?*", found=["s3:?*"]),
        allow("s3:*e*", found=["s3:*e*"]),
        allow(["s3:Get", "s3:Put"], "arn:aws:s3:::*", found=['["s3:Get","s3:Put"] of every resource']),
        allow("s3:GetObject", "arn:aws:s3:::*/*", found=["s3:GetObject of every resource"]),
        allow("iam:PassRole", "arn:aws:iam::*:role/shop", found=["iam:PassRole of every resource"]),
        allow("iam:PassRole", "arn:aws:iam::123456789012:role/*", found=["iam:PassRole of every resource"]),
        allow("s3:GetObject", "arn:aws:*", found=["s3:GetObject of every resource"]),
        *(
            allow("iam:PassRole", f"arn:aws:{resource}", found=["iam:PassRole of every resource"])
            for resource in (
                "iam::123456789012:role*",
                "iam::123456789012:ro*",
                "iam::123456789012:role/*e*",
                "ssm:us-east-1:123456789012:parameter*",
                "secretsmanager:us-east-1:123456789012:secret:*-*",
                "secretsmanager:us-east-1:123456789012:secret:*-??????",
                "kms:us-east-1:123456789012:key/????????-????-????-????-????????????",
                "autoscaling:us-east-1:123456789012:autoScalingGroup:*:autoScalingGroupName/*",
                "elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/*",
                "sqs:us-east-1:123456789012:*-*",
                "s3:::*-*/a",
                "s3:us-east-1:123456789012:accesspoint/*",
            )
        ),
        allow("secretsmanager:GetSecretValue", "*", found=["secretsmanager:GetSecretValue of every resource"]),
        allow("ssm:GetParameters", "*", found=["ssm:GetParameters of every resource"]),
        {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "x", "found": ["all but x"]},
        *(
            allow("ec2:RunInstances", "*", Condition=condition, found=["ec2:RunInstances of every resource"])
            for condition in (
                {"StringLike": {"aws:PrincipalArn": "*"}},
                {"StringLike": {"aws:PrincipalArn": ["arn:aws:iam::123456789012:role/shop", "arn:aws:*"]}},
                {"StringNotEquals": {"aws:PrincipalTag/team": "nobody"}},
                {"StringEqualsIfExists": {"aws:PrincipalTag/team": "shop"}},
                {"ForAllValues:StringEquals": {"aws:TagKeys": "team"}},
                {"Null": {"aws:PrincipalArn": "false"}},
                {"Bool": {"aws:SecureTransport": "true"}},
                {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}},
                {"IpAddress": {"aws:SourceIp": ["0.0.0.0/1", "128.0.0.0/1"]}},
                {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}},
                {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::????????????:role/shop"}},
                {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
                {"DateGreaterThan": {"aws:TokenIssueTime": "2020-01-01T00:00:00Z"}},
                {"StringEquals": {"aws:PrincipalType": ["User", "AssumedRole"]}},
                {"Bool": {"aws:ViaAWSService": "false"}},
                {"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}},
                {"StringLike": {"aws:PrincipalArn": "arn:*"}},
                {"StringLike": {"aws:PrincipalArn": "ar*"}},
                {"StringLike": {"aws:PrincipalArn": "*:role/*"}},
                {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*"}},
                {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}},
                {"Bool": {"aws:PrincipalIsAWSService": "false"}},
                {"Bool": {"aws:MultiFactorAuthPresent": ["true", "false"]}},
                {"StringLike": {"aws:PrincipalAccount": [f"{digit}*" for digit in range(10)]}},
                {"StringLike": {"aws:PrincipalAccount": [f"{digit:03}*" for digit in range(1000)]}},
                {"StringLike": {"aws:PrincipalOrgID": "o-*"}},
                {"StringLike": {"aws:userid": "AROA*"}},
                {"StringLike": {"aws:SourceVpc": "vpc-*"}},
                {"StringLike": {"iam:PassedToService": "*.amazonaws.com"}},
            )
        ),
    ),
    (
        *("wildcard-action", ROLE, {"managed_policies": ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"]}),
        ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"],
    ),
    ("wildcard-action", BUCKET, {"policy": document(allow("s3:*", Principal={"AWS": "123456789012"}))}, ["s3:*"]),
    (*("wildcard-action", ("policy", "shop-boundary"), {"document": document(allow("*", "*"))}), ["*", "* of every resource"]),
    *(
        ("foreign-trust", ROLE, {"trust": document({"Effect": "Allow", "Action": "sts:AssumeRole"} | whom)}, [found])
        for whom, found in (
            ({"Principal": {"AWS": "*"}}, "AWS *"),
            ({"Principal": "*"}, "AWS *"),
            ({"Principal": {"AWS": "arn:aws:iam::666666666666:root"}}, "AWS arn:aws:iam::666666666666:root"),
            ({"Principal": {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}}, "Service lambda.amazonaws.com"),
            ({"NotPrincipal": {"AWS": "1"}}, 'all but {"AWS":"1"}'),
        )
    ),
    (
        *("policy-for-everybody", BUCKET, {"policy": document(allow("s3:GetObject", Sid="Read", Principal="*"))}),
        ["Principal * Read s3:GetObject"],
    ),
    (
        *("policy-for-everybody", BUCKET, {"policy": document(allow("s3:GetObject", NotPrincipal={"AWS": "1"}))}),
        ['all but {"AWS":"1"}'],
    ),
    ("secret", TEMPLATE, {"user_data": "#!/bin/sh\nsecret"}, ["Word in line 2"]),
    ("secret", ("file", "main.yml"), {"text": "secret"}, ["Word in line 1"]),
    ("missing-tag", BUCKET, {"tags": {"Project": "pettracker", "Environment": "production"}}, ["ManagedBy"]),
    ("missing-tag", ("alarm", "memory"), {"tags": {}}, ["Project", "Environment", "ManagedBy"]),
    ("missing-tag", TEMPLATE, {"tags_of": {"instance": TAGS}}, ["volumes"]),
]


def secrets_of(text: str) -> list[str]:
    return [f"Word in line {number}" for number, line in enumerate(text.splitlines(), 1) if line == "secret"]


def plan(environment: str = "production", **changed: Any) -> Fields:
    """A plan of SOUND, with the fields of some resources replaced: `resource=(kind, name), fields={...}`."""
    state = copy.deepcopy(SOUND)
    if changed:
        state[changed["resource"]] |= changed["fields"]
    resources = [{"kind": kind, "name": name, "before": None, "after": after} for (kind, name), after in state.items()]
    return {"environment": environment, "complete": True, "resources": resources}


def judged(judged_plan: Fields, *waivers: Waiver, rules: list[Rule] = RULES, today: date = TODAY) -> Judgement:
    return judge(judged_plan, [], rules, waivers, today=today, secrets_of=secrets_of)


def waiver(**changed: Any) -> Waiver:
    fields: Fields = {
        "rule": "burstable",
        "resource": "launch template shop",
        "reason": "A trial that nobody depends on",
        "expires": TODAY + timedelta(days=30),
    }
    return Waiver(**fields | changed)


BURSTABLE = plan(resource=TEMPLATE, fields={"instance_type": "t3.large"})


def test_a_sound_environment_violates_nothing() -> None:
    assert judged(plan()) == Judgement("production", ())


@pytest.mark.parametrize(("rule", "resource", "fields", "found"), VIOLATIONS)
def test_a_rule_finds_what_it_is_for_and_no_other_rule_does(
    rule: str, resource: tuple[str, str], fields: Fields, found: list[str]
) -> None:
    judgement = judged(plan(resource=resource, fields=fields))
    assert [(finding.rule.id, finding.value) for finding in judgement.findings if finding.rule.id == rule] == [
        (rule, value) for value in found
    ]
    assert {finding.rule.id for finding in judgement.findings} == {rule}
    for_each = {"no-memory-alarm": "Auto Scaling group shop", "no-budget": "environment production"}
    named = for_each.get(rule, " ".join(resource))
    assert {finding.resource for finding in judgement.findings} == {named}


def test_every_rule_is_tried_here() -> None:
    assert {case[0] for case in VIOLATIONS} == {rule.id for rule in RULES}


def test_rules_about_production_leave_other_environments_alone() -> None:
    for fields in ({"instance_type": "t3.large"}, {"instance_type": "p5.48xlarge"}):
        found = judged(plan("dev", resource=TEMPLATE, fields=fields)).findings
        assert [finding.rule.id for finding in found] == ([] if "t3" in str(fields) else ["gpu-fleet-without-end"])
    assert not judged(plan("dev", resource=GROUP, fields={"min_size": 1})).findings


def test_a_resource_that_goes_violates_nothing() -> None:
    changed = plan(resource=SERVICE, fields={"ingress": {"tcp/22 from 0.0.0.0/0": ""}})
    assert {finding.rule.id for finding in judged(changed).findings} == {"open-port", "ssh"}
    for resource in changed["resources"]:
        if resource["name"] == "shop-service":
            resource["before"], resource["after"] = resource["after"], None
    assert not judged(changed).findings


def test_a_field_that_a_rule_cannot_read_stops_it() -> None:
    changed = plan()
    changed["resources"][3]["after"].pop("ingress")
    with pytest.raises(DeliveryError, match="the rule open-port cannot judge security group shop-balancer"):
        judged(changed)


def test_a_waiver_lets_its_finding_pass_and_is_shown() -> None:
    judgement = judged(BURSTABLE, waiver())
    assert (judgement.of("error"), judgement.remarks) == ([], ())
    assert [finding.waiver for finding in judgement.waived] == [waiver()]
    shown = "\n".join(line for line, _ in terminal(judgement))
    assert "waived burstable: launch template shop: t3.large" in shown
    assert "until 2026-12-26: A trial that nobody depends on" in shown
    assert "until 2026-12-26: A trial" in markdown(judgement)


@pytest.mark.parametrize(
    ("changed", "holds"),
    [
        ({"resource": "launch template *"}, True),
        ({"resource": "launch template other"}, False),
        ({"resource": "shop"}, False),
        ({"value": "t3.*"}, True),
        ({"value": "t4g.*"}, False),
        ({"rule": "imdsv1"}, False),
        ({"expires": TODAY}, True),
    ],
)
def test_a_waiver_is_for_what_it_names(changed: Fields, holds: bool) -> None:
    judgement = judged(BURSTABLE, waiver(**changed))
    assert bool(judgement.waived) == holds
    assert bool(judgement.of("error")) != holds
    assert bool(judgement.remarks) != holds


@pytest.mark.parametrize(
    ("changed", "remark"),
    [
        ({"expires": TODAY - timedelta(days=1)}, "expired on 2026-11-25, so its finding counts"),
        ({"reason": " "}, "has no reason, so its finding counts"),
        ({"expires": TODAY + timedelta(days=400)}, "lasts until 2027-12-31, and a year is the most, so its finding counts"),
    ],
)
def test_a_waiver_that_does_not_hold_is_named_and_its_finding_counts(changed: Fields, remark: str) -> None:
    judgement = judged(BURSTABLE, waiver(**changed))
    assert [finding.value for finding in judgement.of("error")] == ["t3.large"]
    assert judgement.remarks == (f"the waiver of burstable for launch template shop {remark}",)


def test_a_waiver_that_nothing_needs_is_named() -> None:
    assert judged(plan(), waiver()).remarks == ("the waiver of burstable for launch template shop is not needed: remove it",)
    (remark,) = judged(plan(), waiver(rule="burstabel")).remarks
    assert "is of no rule; there are" in remark


def test_a_warning_does_not_count_as_an_error() -> None:
    rules = [rule.model_copy(update={"severity": "warning"}) for rule in RULES]
    judgement = judged(BURSTABLE, rules=rules)
    assert not judgement.of("error")
    assert [finding.value for finding in judgement.of("warning")] == ["t3.large"]
    assert summary(judgement) == "1 warning."


def test_a_finding_says_what_is_wrong_why_and_what_to_do() -> None:
    judgement = judged(BURSTABLE)
    rule = next(rule for rule in RULES if rule.id == "burstable")
    for shown in ("\n".join(line for line, _ in terminal(judgement)), markdown(judgement)):
        for part in ("burstable", "launch template shop", "t3.large", rule.why, rule.fix, "1 error"):
            assert part in shown
    assert "Errors stop the merge" in markdown(judgement)


def test_a_comment_is_cut_and_nothing_in_it_ends_its_code() -> None:
    ingress = {f"tcp/{port} from `0.0.0.0/0": "" for port in range(1000)}
    shown = markdown(judged(plan(resource=SERVICE, fields={"ingress": ingress})), limit=15_000)
    assert len(shown) <= 15_000
    assert "tcp/0 from '0.0.0.0/0`" in shown
    assert "`make policy` says all of it" in shown


def test_of_an_incomplete_plan_no_more_is_said_than_is_known() -> None:
    judgement = judged(plan() | {"complete": False})
    assert "incomplete" in markdown(judgement)
    assert any("incomplete" in line for line, _ in terminal(judgement))


RULE: Fields = {
    **{"id": "x", "severity": "error", "title": "x", "why": "x", "fix": "x", "kinds": ["alarm"]},
    "violated_by": "after.metric",
}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"severity": "fatal"}, "severity"),
        ({"kinds": []}, "at least 1 item"),
        ({"why": " "}, "why"),
        ({"id": "No Id"}, "id"),
        ({"colour": "red"}, "colour"),
        ({"violated_by": "after.["}, "no JMESPath"),
        ({"violated_by": "!after.metric"}, "write !"),
        ({"violated_by": None}, "one of"),
        ({"secrets_in": "after.text"}, "one of"),
        ({"requires": {"kind": "alarm", "that": "("}, "violated_by": None}, "no JMESPath"),
    ],
)
def test_a_wrong_rule_is_refused(changed: Fields, reason: str) -> None:
    Rule(**RULE)
    with pytest.raises(ValidationError, match=reason):
        Rule(**RULE | changed)
