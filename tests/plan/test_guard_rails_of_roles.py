"""The guard rails over the plans that the roles themselves make of each environment, on an empty account."""

import functools
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.plan.changes import MADE_BY_APPLY

from delivery.inventories import environments, sources
from delivery.policy.files import described, read_rules, read_waivers, waivers_file
from delivery.policy.judgement import Judgement, judge
from delivery.policy.secret_scan import secrets_of
from localcloud import settings as constants
from localcloud.account import Account
from tests.plan.world import TAGS, alarm

ROOT = Path(__file__).parents[2]
RULES = read_rules(ROOT / "delivery/policy/rules.yml")
ENVIRONMENTS = environments(ROOT)
TODAY = date(2026, 11, 26)
# What a plan needs to be complete, and no environment has before its certificate and its first release.
RELEASED = {
    "load_balancer_certificate_arn": f"arn:aws:acm:us-east-1:{constants.ACCOUNT_ID}:certificate/1",
    **{"model_name": "m", "model_version": "1.0.0", "model_digest": f"sha256:{'a' * 64}", "model_public_key": ""},
}
# All of site.yml that describes resources; what makes a model's image and rolls it out only announces.
FOUNDATION, DELIVERY = ("network", "storage", "identity", "observability"), ("service",)
Plan = dict[str, Any]
Planned = Callable[..., Plan]


@pytest.fixture(scope="module")
def planned(account: Account, served: tuple[str, Callable[[str], Any]], tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """Called with an environment, playbooks and variables as a commit would set them, plans it."""
    endpoint, _ = served
    account.reset()
    directory = tmp_path_factory.mktemp("plan")
    process_environment = os.environ | {
        **{"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "AWS_ENDPOINT_URL": endpoint},
        **account.keys.root.environment,
        **{
            "ANSIBLE_STDOUT_CALLBACK": "pettracker.aws.plan",
            "ANSIBLE_CALLBACKS_ENABLED": "pettracker.aws.plan",
            "PLAN_DIRECTORY": str(directory),
        },
    }
    ansible = str(Path(sys.executable).with_name("ansible-playbook"))

    @functools.cache
    def plan(environment: str, variables: str, names: tuple[str, ...]) -> Plan:
        given = json.dumps(RELEASED | json.loads(variables))
        playbooks = [f"playbooks/{name}.yml" for name in names]
        inventories = [f"--inventory={source}" for source in sources(ROOT, environment)]
        done = subprocess.run(
            [ansible, "--check", *inventories, "-e", given, *playbooks],
            cwd=ROOT,
            env=process_environment | {"PLAN_ENVIRONMENT": environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        report: Plan = json.loads((directory / "plan.json").read_text())
        assert report["complete"]
        return report | {"said": " ".join((done.stdout + done.stderr).split())}

    return lambda environment, playbooks=FOUNDATION + DELIVERY, **variables: plan(environment, json.dumps(variables), playbooks)


def judged(plan: Plan) -> Judgement:
    more, waivers = [*described(plan["environment"], ROOT)], read_waivers(plan["environment"], ROOT)
    return judge(plan, more, RULES, waivers, today=TODAY, secrets_of=secrets_of)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_as_it_is_in_git_has_no_error(planned: Planned, environment: str) -> None:
    judgement = judged(planned(environment))
    assert judgement.of("error") == []
    assert judgement.remarks == ()


def test_a_plan_names_the_quotas_that_a_new_account_has_to_raise(planned: Planned) -> None:
    fleet = "(L-1216C47A) is 5 vCPUs in us-east-1, for everything in the account; this environment may run 24 at once"
    assert f"{fleet} (the fleet at its largest" in planned("production")["said"]


def test_what_a_commit_to_production_could_do_wrong_is_found(planned: Planned) -> None:
    plan = planned(
        "production",
        service_instance_type="t3.large",
        alarms_list=[alarm("pettracker-production-cpu")],
        alarms_tags={},
        autoscaling_group_more_instance_types=["g5.xlarge"],
        autoscaling_group_user_data="#!/bin/sh\nexport DB_PASSWORD=hunter2secretX\n",
    )
    group = "pettracker-production-service"
    found = {(finding.rule.id, finding.resource, finding.value) for finding in judged(plan).of("error")}
    assert found == {("missing-tag", "alarm pettracker-production-cpu", name) for name in TAGS} | {
        ("burstable", f"launch template {group}", "t3.large"),
        ("burstable", f"Auto Scaling group {group}", "t3.large"),
        ("gpu-fleet-without-end", f"Auto Scaling group {group}", "g5.xlarge"),
        ("no-memory-alarm", f"Auto Scaling group {group}", ""),
        ("secret", f"launch template {group}", "Secret Keyword in line 2"),
    }
    assert "hunter2secretX" not in json.dumps(plan["changes"])


def test_rules_are_about_kinds_and_environments_that_there_are(planned: Planned) -> None:
    plans = [planned("production"), planned("local")]  # one has an address for a budget, and the other has none yet
    kinds = {item["kind"] for plan in plans for item in plan["resources"]} | {"*"}
    kinds |= {item["kind"] for item in described("production", ROOT)}
    for rule in RULES:
        assert {*rule.kinds, *([rule.requires.kind] if rule.requires else [])} <= kinds, rule.id
        assert set(rule.environments) <= set(ENVIRONMENTS), rule.id


def test_a_file_of_waivers_is_no_inventory(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("all: {hosts: {localhost: {}}}")
    (tmp_path / waivers_file("dev").name).write_text("- {rule: ssh}")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), "-i", tmp_path, "--list"],
        env=os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "localhost" in done.stdout


def test_the_halves_of_site_yml_see_side_by_side_what_they_see_in_a_row(planned: Planned) -> None:
    whole, *halves = (planned("dev", playbooks) for playbooks in (FOUNDATION + DELIVERY, FOUNDATION, DELIVERY))
    for part in ("changes", "resources"):
        assert [item for half in halves for item in half[part]] == whole[part]


def names(plan: Plan) -> set[tuple[str, str]]:
    return {(one["kind"], one["name"]) for one in plan["resources"]}


def metrics(plan: Plan) -> set[tuple[str, ...]]:
    """What its alarms look at."""
    alarms = [one["after"] for one in plan["resources"] if one["kind"] == "alarm"]
    return {(one["namespace"], one["metric"], *sorted(map(str, one["dimensions"].items()))) for one in alarms}


def written(plan: Plan) -> set[str]:
    """The namespaces of metrics and the log groups that its hosts may write to."""
    policies = [
        policy for one in plan["resources"] if one["kind"] == "role" for policy in one["after"]["inline_policies"].values()
    ]
    statements = [statement for policy in policies for statement in policy["Statement"]]
    bounds = [bound for one in statements for bound in one.get("Condition", {}).get("StringEquals", {}).items()]
    resources = [one["Resource"] if isinstance(one["Resource"], list) else [one["Resource"]] for one in statements]
    groups = {arn for arns in resources for arn in arns if arn.startswith("arn:aws:logs:")}
    return groups | {value for key, value in bounds if key == "cloudwatch:namespace"}


@pytest.mark.parametrize("of", [names, metrics, written])
def test_environments_in_one_account_and_region_share_nothing(planned: Planned, of: Callable[[Plan], set[Any]]) -> None:
    own = [of(planned(environment)) for environment in ENVIRONMENTS if environment != "local"]
    assert all(len(found) >= 5 for found in own)
    assert {one for left, right in itertools.combinations(own, 2) for one in left & right} == set()


def test_hosts_are_bounded_without_workflows_too(planned: Planned) -> None:
    roles = {item["name"]: item["after"] for item in planned("production")["resources"] if item["kind"] == "role"}
    assert {"pettracker-production-service", "pettracker-production-flow-logs"} < roles.keys()
    for role in roles.values():
        assert role["permissions_boundary"].endswith(":policy/pettracker-production-boundary")
        assert role["managed_policies"] == []


def test_what_a_plan_cannot_know_is_declared(planned: Planned) -> None:
    changes = [change for name in ("production", "local") for change in planned(name)["changes"]]
    unknown = {(one["kind"], item["path"]) for one in changes for item in one["fields"] if item["unknown"]}
    declared = {(kind, path) for kind, paths in MADE_BY_APPLY.items() for path in paths}
    # What only the making of an image announces, and a certificate that the local cloud makes itself.
    elsewhere = {("image", "content_digest"), ("wheelhouse", "sha256"), ("listener", "certificate")}
    assert unknown == declared - elsewhere
