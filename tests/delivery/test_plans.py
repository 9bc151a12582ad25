"""What was reviewed is applied, and nothing else."""

from typing import Any

import pytest

from delivery.plan.decision import decide, reviewed_part

Plan = dict[str, Any]


def field(path: str, before: Any, after: Any, unknown: bool = False) -> dict[str, Any]:
    return {"path": path, "before": before, "after": after, "unknown": unknown}


def change(name: str, *fields: dict[str, Any], action: str = "update", kind: str = "alarm") -> dict[str, Any]:
    return {
        **{"kind": kind, "name": name, "action": action, "fields": list(fields)},
        **{"interrupts": [], "task": f"Keep {name}"},
    }


def plan(*changes: dict[str, Any], environment: str = "staging", problems: tuple[str, ...] = ()) -> Plan:
    return {
        **{"schema_version": 2, "environment": environment, "complete": not problems, "problems": list(problems)},
        **{"summary": {}, "changes": list(changes), "unmanaged": {}, "not_compared": {}},
    }


THRESHOLD = change("cpu", field("threshold", 80, 90))
RETENTION = change("/service", field("retention_days", 14, 30), kind="log group")


def test_what_was_reviewed_is_applied() -> None:
    decision = decide(plan(THRESHOLD, RETENTION), plan(RETENTION, THRESHOLD | {"task": "Keep the alarms"}))
    assert decision.go
    assert decision.done == ()


def test_the_order_of_changes_and_the_names_of_tasks_are_not_reviewed() -> None:
    part = reviewed_part(plan(THRESHOLD, RETENTION))
    assert part == reviewed_part(plan(RETENTION | {"task": "another"}, THRESHOLD)) == reviewed_part(part)
    assert reviewed_part(plan(THRESHOLD)) != reviewed_part(plan(RETENTION))


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (change("cpu", field("threshold", 80, 95)), "alarm cpu: threshold was reviewed as 80 -> 90 and is 80 -> 95 now"),
        (change("cpu", field("threshold", 70, 90)), "alarm cpu: threshold was reviewed as 80 -> 90 and is 70 -> 90 now"),
        (
            change("cpu", field("threshold", 80, 90), field("period", 60, 300)),
            "alarm cpu: period was reviewed as left as it is and is 60 -> 300 now",
        ),
        (change("cpu", action="delete"), "alarm cpu: to update when it was reviewed, to delete now"),
        (change("disk", field("threshold", 80, 90)), "alarm disk: nobody has reviewed that it is to update"),
    ],
)
def test_what_nobody_has_reviewed_stops_it(now: dict[str, Any], reason: str) -> None:
    decision = decide(plan(THRESHOLD), plan(now))
    assert not decision.go
    assert reason in decision.reasons


def test_a_change_that_is_made_already_is_none_to_stop_for() -> None:
    decision = decide(plan(THRESHOLD, RETENTION), plan(RETENTION))
    assert decision.go
    assert decision.done == ("alarm cpu",)


def of_template(after: Any, path: str = "image", kind: str = "launch template") -> dict[str, Any]:
    return change("service", field(path, "ami-0123456789abcdef0", after, unknown=True), kind=kind)


DIGEST = "sha256:" + 64 * "a"


@pytest.mark.parametrize(
    ("reviewed", "now", "go"),
    [
        ("image-to-be-made", "ami-00112233445566778", True),
        ("image-to-be-made", "image-to-be-made", True),
        ("ami-00112233445566778", "image-to-be-made", False),
        # What stands for an id stands for nothing else.
        ("image-to-be-made", "0.0.0.0/0", False),
        ("image-to-be-made", "ami-00112233445566778 and more", False),
        ("image-to-be-made", ["ami-00112233445566778"], False),
        ("image-to-be-made", None, False),
        ("ami-0000", "ami-00112233445566778", False),
        # Around it, everything is as it was reviewed.
        ("tcp/80 from sg-to-be-made", "tcp/80 from sg-00112233", True),
        ("tcp/80 from sg-to-be-made", "tcp/22 from sg-00112233", False),
        ("arn-to-be-made", "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/a/b", True),
        ("archive-to-be-made", DIGEST, True),
        (["a-to-be-made", "subnet-00112233"], ["subnet-00112233", "subnet-44556677"], True),
        (["a-to-be-made", "subnet-00112233"], ["subnet-8899aabb", "subnet-44556677"], False),
        (["a-to-be-made"], ["subnet-00112233", "subnet-44556677"], False),
        ({"id": "a-to-be-made", "port": 80}, {"id": "sg-00112233", "port": 80}, True),
        ({"id": "a-to-be-made", "port": 80}, {"id": "sg-00112233", "port": 22}, False),
        ({"id": "a-to-be-made"}, {"id": "sg-00112233", "port": 22}, False),
    ],
    ids=str,
)
def test_an_id_that_the_review_could_not_know_may_be_any_and_nothing_else_may(reviewed: Any, now: Any, go: bool) -> None:
    assert decide(plan(of_template(reviewed)), plan(of_template(now))).go is go


@pytest.mark.parametrize(("path", "kind"), [("user_data", "launch template"), ("image", "alarm")])
def test_only_what_is_declared_may_be_unknown(path: str, kind: str) -> None:
    reviewed, now = (plan(of_template(after, path, kind)) for after in ("a-to-be-made", "ami-00112233445566778"))
    decision = decide(reviewed, now)
    assert not decision.go
    assert '"a-to-be-made" and is' in decision.reasons[0]
    assert decide(reviewed, reviewed).go


def test_a_review_that_calls_everything_unknown_reviews_nothing() -> None:
    unknown = plan(THRESHOLD | {"fields": [field("threshold", 80, 80, unknown=True)]})
    assert not decide(unknown, plan(THRESHOLD)).go


def test_who_notices_was_reviewed_too() -> None:
    cut = THRESHOLD | {"interrupts": ["Open connections are cut."]}
    decision = decide(plan(THRESHOLD), plan(cut))
    assert decision.reasons == ("alarm cpu: the review does not say: Open connections are cut.",)
    assert decide(plan(cut), plan(THRESHOLD)).go


def test_two_changes_of_one_resource_are_two() -> None:
    assert not decide(plan(THRESHOLD), plan(THRESHOLD, THRESHOLD)).go
    assert decide(plan(THRESHOLD, THRESHOLD), plan(THRESHOLD, THRESHOLD)).go


def test_an_incomplete_plan_is_never_applied() -> None:
    assert not decide(plan(THRESHOLD), plan(THRESHOLD, problems=("IAM did not answer",))).go
    assert not decide(plan(THRESHOLD, problems=("IAM did not answer",)), plan(THRESHOLD)).go


def test_without_a_review_only_nothing_is_applied() -> None:
    assert decide(None, plan()).go
    assert not decide(None, plan(THRESHOLD)).go


def test_a_plan_of_another_environment_is_none_of_this_one() -> None:
    assert not decide(plan(THRESHOLD, environment="dev"), plan(THRESHOLD)).go
