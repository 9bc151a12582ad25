"""Which fleet is live is read from AWS alone, whatever a rollout has left, and so is what it has to do next."""

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.blue_green import (
    TAG,
    Fleet,
    checkpoints,
    forward,
    lacks,
    plan,
    roles,
    share,
    standing,
    trouble,
    weights_of,
)

STEPS = [10, 50, 100]


def group(version: str = "1", mark: str = "", hosts: int = 2) -> dict[str, Any]:
    template = {"LaunchTemplateId": "lt-1", "Version": version}
    instance = {"LifecycleState": "InService", "HealthStatus": "Healthy", "LaunchTemplate": template}
    return {
        "LaunchTemplate": template,
        "DesiredCapacity": hosts,
        "Instances": [instance | {"InstanceId": f"i-{version}{number}"} for number in range(hosts)],
        "Tags": [{"Key": TAG, "Value": mark}] if mark else [],
    }


def blue(weight: int | None = 1, found: dict[str, Any] | None = None) -> Fleet:
    return Fleet("service", "service", "arn:blue", weight, found)


def green(weight: int | None = None, found: dict[str, Any] | None = None, arn: str = "arn:green") -> Fleet:
    return Fleet("service-g", "service-g", arn, weight, found)


@pytest.mark.parametrize(
    ("first", "second", "live", "incoming", "leftover"),
    [
        pytest.param(blue(None), green(arn=""), "service", False, False, id="an empty account"),
        pytest.param(blue(1, group()), green(arn=""), "service", False, False, id="never a blue/green rollout"),
        pytest.param(blue(100, group()), green(0), "service", False, True, id="a target group and no hosts yet"),
        pytest.param(
            blue(100, group()), green(0, group("2", "incoming")), "service", True, False, id="hosts that get nothing yet"
        ),
        pytest.param(blue(0, group()), green(100, group("2", "incoming")), "service", True, False, id="the old ones kept warm"),
        pytest.param(blue(None, group()), green(1, group("2")), "service-g", False, True, id="the old ones to be removed"),
        pytest.param(blue(100, group()), green(0, group("2", "withdrawn")), "service", False, True, id="new ones taken back"),
        pytest.param(blue(None), green(1, group("2")), "service-g", False, True, id="a target group to be removed"),
        pytest.param(
            Fleet("service", "service"), green(1, group("2")), "service-g", False, False, id="after the first rollout"
        ),
        pytest.param(blue(10, group("3", "incoming")), green(90, group("2")), "service-g", True, False, id="the other way"),
        pytest.param(blue(1), green(1, group("2", "incoming")), "service-g", False, True, id="the old group deleted by hand"),
    ],
)
def test_the_live_fleet_is_told_by_groups_marks_and_weights(
    first: Fleet, second: Fleet, live: str, incoming: bool, leftover: bool
) -> None:
    found = roles([first, second])
    assert (found.live.group, found.incoming, found.leftover) == (live, incoming, leftover)
    assert found.other.group != live


def planned(first: Fleet, second: Fleet, version: str = "2", refreshes: list[dict[str, Any]] | None = None) -> Any:
    return plan(roles([first, second]), refreshes or [], "lt-1", version, STEPS)


def test_a_rollout_starts_goes_on_where_it_was_and_ends() -> None:
    assert planned(blue(1), green(arn="")).action == "absent"
    started = planned(blue(1, group()), green(arn=""))
    assert (started.action, started.checkpoints) == ("start", [0, 10, 50, 100])
    for weights, left in (((100, 0), [0, 10, 50, 100]), ((90, 10), [10, 50, 100]), ((0, 100), [100])):
        going_on = planned(blue(weights[0], group()), green(weights[1], group("2", "incoming")))
        assert (going_on.action, going_on.checkpoints) == ("follow", left)
    assert planned(blue(None, group()), green(1, group("2"))).action == "clean"
    assert planned(blue(100, group()), green(0, group("2", "withdrawn")), "1").action == "clean"
    assert planned(Fleet("service", "service"), green(1, group("2"))).action == "none"


def test_steps_that_have_changed_meanwhile_begin_at_what_was_reached() -> None:
    assert checkpoints(25, STEPS) == [25, 50, 100]


def test_whatever_else_is_under_way_is_refused_and_named() -> None:
    other = planned(blue(90, group()), green(10, group("2", "incoming")), version="3")
    assert other.action == "refuse"
    assert "rollout to version 2 is under way: service-g gets 10 % of the requests" in other.reason
    refresh = {"InstanceRefreshId": "r-1", "Status": "InProgress", "StartTime": datetime(2026, 5, 4, tzinfo=UTC)}
    rolling = planned(blue(1, group()), green(arn=""), refreshes=[refresh])
    assert rolling.action == "refuse"
    assert "The instance refresh r-1" in rolling.reason


def test_weights_are_read_from_either_form_of_a_forward_action() -> None:
    assert weights_of([{"Type": "forward", "TargetGroupArn": "arn:blue"}]) == {"arn:blue": 1}
    assert weights_of(forward({"arn:blue": 90, "arn:green": 10})) == {"arn:blue": 90, "arn:green": 10}
    assert weights_of([{"Type": "redirect"}]) == {}


@pytest.mark.parametrize(
    ("weight", "beside", "expected"), [(None, 1, 0), (0, 0, 0), (10, 90, 10), (1, 2, 33), (1, None, 100), (100, 0, 100)]
)
def test_a_share_is_what_the_weights_make_of_it(weight: int | None, beside: int | None, expected: int) -> None:
    assert share(weight, beside) == expected


@pytest.mark.parametrize(
    ("live", "incoming", "said"),
    [
        (blue(90, group()), green(10, group("2", "incoming")), ""),
        (blue(90, group()), green(10, None), "The group service-g is gone."),
        (blue(90, group()), green(10, group("2", "withdrawn")), "Somebody has taken service-g back."),
        (blue(100, group()), green(0, group("2", "incoming")), "service-g gets 0 % instead of 10 %."),
        (blue(1, group()), green(None, group("2", "incoming")), "service-g gets 0 % instead of 10 %."),
        (blue(90, None), green(10, group("2", "incoming")), "so there is nothing to go back to."),
    ],
)
def test_what_somebody_else_has_done_ends_a_rollout(live: Fleet, incoming: Fleet, said: str) -> None:
    found = trouble(live, incoming, 10)
    assert found.endswith(said)
    assert bool(found) == bool(said)


def test_a_fleet_that_does_not_serve_yet_says_what_it_lacks() -> None:
    incoming = green(0, group("2", "incoming"))
    health = [
        {"Target": {"Id": "i-20"}, "TargetHealth": {"State": "healthy"}},
        {"Target": {"Id": "i-21"}, "TargetHealth": {"State": "initial", "Reason": "Elb.InitialHealthChecking"}},
    ]
    assert lacks(incoming, health)[0] == "1 of 2 targets are healthy."
    assert standing(blue(100), incoming, health) == "service-g gets 0 % of the requests, 1 of 2 hosts are healthy"
    health[1]["TargetHealth"] = {"State": "healthy"}
    assert lacks(incoming, health) == []
