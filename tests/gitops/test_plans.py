"""What was reviewed is applied, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from gitops.plans import decide, digest

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
    assert digest(plan(THRESHOLD, RETENTION)) == digest(plan(RETENTION | {"task": "another"}, THRESHOLD))
    assert digest(plan(THRESHOLD)) != digest(plan(RETENTION))


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (
            change("cpu", field("threshold", 80, 95)),
            "alarm cpu: threshold was reviewed as 80 -> 90 and is 80 -> 95 now",
        ),
        (
            change("cpu", field("threshold", 70, 90)),
            "alarm cpu: threshold was reviewed as 80 -> 90 and is 70 -> 90 now",
        ),
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


def test_an_id_that_the_review_could_not_know_may_be_any_but_nothing_else_may() -> None:
    reviewed = plan(
        change("service", field("image_id", "ami-1", "image-to-be-made", unknown=True), kind="launch template")
    )
    made = change("service", field("image_id", "ami-1", "ami-2"), kind="launch template")
    assert decide(reviewed, plan(made)).go
    assert not decide(plan(made), reviewed).go


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
