"""From the results of tasks to a plan, and from a plan to what people and programs read."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from ansible.module_utils.plan import Plan, as_json, changed_fields, changes_of, claims_of, unmanaged
from ansible.module_utils.plan_text import COMMENT_LIMIT, markdown, terminal
from ansible.module_utils.state import as_diff, removal

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/plan.schema.json").read_text())
RULES = {"tcp/443": "from clients", "tcp/80": "from clients"}
GROUP = {"ingress": RULES, "tags": {"Name": "balancer"}}
OPENED = {"ingress": RULES | {"tcp/22": "for a minute only"}, "tags": {"Name": "balancer"}}


def plan_of(*diffs: dict, **more: object) -> Plan:
    return Plan("dev", tuple(changes_of({"changed": True, "diff": list(diffs)}, "Make it")), **more)  # type: ignore[arg-type]


def text_of(plan: Plan) -> str:
    return "\n".join(line for line, _ in terminal(plan))


def test_a_rule_added_by_hand_is_the_one_field_that_is_named() -> None:
    (change,) = plan_of(as_diff("security group balancer", GROUP, OPENED)).changes
    assert (change.kind, change.name, change.action) == ("security group", "balancer", "update")
    assert [(item.path, item.before, item.after) for item in change.fields] == [
        ("ingress.tcp/22", "for a minute only", None)
    ]


def test_statements_of_a_policy_are_told_apart_by_their_sid() -> None:
    before = {"Statement": [{"Sid": "Read", "Action": "s3:*"}, {"Sid": "Write", "Action": "s3:PutObject"}]}
    after = {"Statement": [{"Sid": "Write", "Action": "s3:PutObject"}, {"Sid": "Read", "Action": "s3:GetObject"}]}
    assert [item.path for item in changed_fields({"policy": before}, {"policy": after})] == [
        "policy.Statement.Read.Action"
    ]


def test_what_exists_is_replaced_where_aws_cannot_change_it_and_updated_where_it_can() -> None:
    wanted, found = {"log_group": "new", "tags": {}}, {"log_group": "old", "tags": {}}
    assert as_diff("flow log x", wanted, found, replacing=["log_group"])["action"] == "replace"
    assert (
        as_diff("flow log x", wanted, found | {"log_group": "new", "tags": {"a": "b"}}, ["log_group"])["action"]
        == "update"
    )
    assert as_diff("flow log x", wanted, None, replacing=["log_group"])["action"] == "create"
    assert removal("flow log x", found)["action"] == "delete"


def test_who_notices_is_said_of_changes_and_not_of_what_is_made_new() -> None:
    sentences = {"idle_timeout": "Open connections are cut."}
    wanted, found = {"idle_timeout": 60, "tags": {}}, {"idle_timeout": 5, "tags": {}}
    changed = plan_of(as_diff("load balancer x", wanted, found, interrupts=sentences))
    assert "! Open connections are cut." in text_of(changed)
    assert "Open connections are cut." in markdown(changed, "Plan")
    assert "Open" not in text_of(plan_of(as_diff("load balancer x", wanted, None, interrupts=sentences)))
    retagged = as_diff("load balancer x", wanted, wanted | {"tags": {"a": "b"}}, interrupts=sentences)
    assert "Open" not in text_of(plan_of(retagged))


def test_an_id_that_is_not_known_yet_is_marked_so() -> None:
    plan = plan_of(as_diff("flow log x", {"vpc_id": "vpc-to-be-made", "port": 1}, {"vpc_id": "vpc-1", "port": 1}))
    assert "vpc_id: vpc-1 → (unknown until apply)" in text_of(plan)
    assert [item.unknown for item in plan.changes[0].fields] == [True]


def test_loops_and_lists_of_differences_are_all_in_the_plan() -> None:
    item = {
        "changed": True,
        "item": "a",
        "diff": [as_diff("bucket a", {"x": 1}, None), as_diff("bucket b", {"x": 1}, None)],
    }
    quiet = {"changed": False, "item": "c", "diff": as_diff("bucket c", {"x": 1}, {"x": 1})}
    assert [change.name for change in changes_of({"changed": True, "results": [item, quiet]}, "Make")] == ["a", "b"]


def test_a_task_that_does_not_say_what_it_changes_is_not_passed_over() -> None:
    result = {"changed": True, "results": [{"changed": True, "item": "x"}, {"changed": False, "item": "y"}]}
    (change,) = changes_of(result, "Make the certificate")
    assert (change.action, change.name) == ("unknown", "Make the certificate (x)")
    assert "Make the certificate (x)" in text_of(Plan("dev", (change,)))
    assert "Make the certificate (x)" in markdown(Plan("dev", (change,)), "Plan")


def test_differences_of_other_modules_are_taken_as_far_as_they_go() -> None:
    diff = {"before": {"state": "absent", "path": "/x"}, "after": {"state": "directory", "path": "/x"}}
    (change,) = changes_of({"changed": True, "diff": diff}, "Make the directory")
    assert [(item.path, item.after) for item in change.fields] == [("state", "directory")]
    (change,) = changes_of({"changed": True, "diff": {"before": "a\n", "after": "b\n"}}, "Write the file")
    assert change.action == "unknown"


def test_no_difference_is_an_empty_plan() -> None:
    assert changes_of({"changed": False, "diff": as_diff("bucket a", {"x": 1}, {"x": 1})}, "Make") == []
    assert text_of(Plan("dev")) == "dev: Nothing to change."


def test_what_no_task_names_is_unmanaged_unless_others_own_its_kind() -> None:
    claimed = claims_of({"results": [{"managed": {"bucket": ["models"]}}]}, "s3_buckets")
    claimed |= claims_of({"invocation": {"module_args": {"name": "service"}}}, "scaling_group")
    owned = {
        "bucket": ["models", "secrets"],
        "Auto Scaling group": ["service", "old"],
        "instance": ["i-1"],
        "role": ["r"],
    }
    left = unmanaged(owned, claimed)
    assert left == {"Auto Scaling group": ["old"], "bucket": ["secrets"], "role": ["r"]}
    assert "bucket secrets" in text_of(Plan("dev", unmanaged=left))
    assert "`secrets`" in markdown(Plan("dev", unmanaged=left), "Drift")


def test_a_plan_that_could_not_look_everywhere_says_so_everywhere() -> None:
    plan = Plan("dev", problems=("Find the network: AccessDenied",))
    assert not as_json(plan)["complete"]
    assert "AccessDenied" in text_of(plan)
    assert "AccessDenied" in markdown(plan, "Plan")


def test_a_comment_cannot_be_broken_by_a_value_and_fits_into_what_github_takes() -> None:
    value = "a | b ` <script>\n# heading"
    text = markdown(plan_of(as_diff("alarm x", {"description": value}, {"description": "y"})), "Plan")
    assert "| `description` | `y` | `a \\| b ' <script> # heading` |" in text
    many = [as_diff(f"bucket {number}", {f"f{n}": "x" * 60 for n in range(20)}, None) for number in range(100)]
    assert len(markdown(plan_of(*many), "Plan")) < COMMENT_LIMIT + 100


@pytest.mark.parametrize(
    "plan",
    [
        Plan("dev"),
        plan_of(as_diff("security group balancer", GROUP, OPENED), as_diff("bucket b", {"x": None}, None)),
        plan_of(unmanaged={"bucket": ["secrets"]}, problems=("no",)),
    ],
)
def test_the_json_is_what_its_schema_says(plan: Plan) -> None:
    jsonschema.validate(json.loads(json.dumps(as_json(plan))), SCHEMA)
