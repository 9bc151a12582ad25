"""The guard rails over plans that the modules make, on an empty account and on one that is as planned."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from delivery.policy.files import read_rules
from delivery.policy.judgement import judge
from delivery.policy.secret_scan import secrets_of
from tests.plan.world import World, policy, rule, tagged

RULES = read_rules(Path(__file__).parents[2] / "delivery/policy/rules.yml")
WORLD = ["0.0.0.0/0"]
TODAY = date(2026, 11, 26)
ENVIRONMENT = {"kind": "environment", "name": "dev", "before": {}, "after": {}}


@pytest.fixture
def world(world: World) -> World:
    """What the roles would ask for besides: tags of volumes."""
    tags = {"resource_type": "volume", "tags": tagged("service")}
    world.parameters["launch_template"]["tag_specifications"].append(tags)
    return world


def found(world: World) -> set[tuple[str, str]]:
    """Rule and resource of each finding in the plan of now."""
    world.plan()
    judgement = judge(world.report, [ENVIRONMENT], RULES, [], today=TODAY, secrets_of=secrets_of)
    return {(finding.rule.id, finding.resource) for finding in judgement.findings}


def test_the_fixture_violates_nothing_planned_or_applied(world: World) -> None:
    assert found(world) == set()
    world.apply()
    assert found(world) == set()


def ingress(world: World, *rules: dict[str, Any]) -> None:
    world.parameters["security_groups"]["groups"][1]["ingress"] += rules


def template(world: World, **changed: Any) -> None:
    world.parameters["launch_template"] |= changed


VIOLATIONS: list[tuple[str, str, Callable[[World], None]]] = [
    ("open-port", "security group service", lambda world: ingress(world, rule(8080, "all", cidrs=WORLD))),
    ("ssh", "security group service", lambda world: ingress(world, rule(22, "SSH", cidrs=["10.0.0.0/16"]))),
    ("gpu-fleet-without-end", "launch template service", lambda world: template(world, instance_type="g5.xlarge")),
    (
        *("unencrypted-volume", "launch template service"),
        lambda world: template(
            world, block_device_mappings=[{"device_name": "/dev/xvda", "ebs": {"volume_size": 50, "encrypted": None}}]
        ),
    ),
    (*("imdsv1", "launch template service"), lambda world: template(world, metadata_options={"http_tokens": "optional"})),
    (
        *("secret", "launch template service"),
        # base64 of `DB_PASSWORD=hunter2secretX`
        lambda world: template(world, user_data="REJfUEFTU1dPUkQ9aHVudGVyMnNlY3JldFg="),
    ),
    ("no-budget", "environment dev", lambda world: world.parameters["cost_budget"].update(subscribers=[])),
    (
        *("wildcard-action", "role service"),
        lambda world: world.parameters["iam_roles"]["roles"][0]["inline_policies"].update(
            x=policy("X", "s3:*", "arn:aws:s3:::x")
        ),
    ),
    (
        *("policy-for-everybody", "bucket models"),
        lambda world: world.parameters["s3_buckets"]["buckets"][0]["policy"]["Statement"].append(
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/*"}
        ),
    ),
    (
        *("current-objects-expire", "bucket models"),
        lambda world: world.parameters["s3_buckets"]["buckets"][0]["lifecycle_rules"][0].update(expire_days=365),
    ),
    (
        *("missing-tag", "log group /flow"),
        lambda world: world.parameters["log_groups"]["groups"][0].update(tags={"Project": "x", "Environment": "y"}),
    ),
]


@pytest.mark.parametrize(("rule_id", "resource", "change"), VIOLATIONS, ids=[case[0] for case in VIOLATIONS])
def test_a_change_that_violates_a_rule_is_found_before_and_after_it_is_applied(
    world: World, rule_id: str, resource: str, change: Callable[[World], None]
) -> None:
    change(world)
    assert found(world) == {(rule_id, resource)}
    world.apply()
    assert world.plan() == []
    assert found(world) == {(rule_id, resource)}
