"""Bad hosts are rejected on small samples, noise is not, and too little data promotes nothing."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible.module_utils.judge import HOLD, PROMOTE, REJECT, Limits, judge
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plugins.loading import FakeModule, load

DIGEST = "sha256:new"
LIMITS = Limits()
OK = {"memory": "OK", "abandoned": "OK"}


def latencies(seconds: float, count: int = 20, seed: int = 1, noise: float = 0.1) -> list[float]:
    return [seconds * (1 + noise * math.sin(seed + number)) for number in range(count)]


def host(name: str, seconds: float = 0.02, **changes: Any) -> dict[str, Any]:
    probes = {"a": latencies(seconds, seed=sum(map(ord, name))), "b": latencies(3 * seconds, seed=7)}
    return {
        "instance_id": name,
        "problem": "",
        "ready": True,
        "reason": "",
        "digest": DIGEST,
        "golden": [],
        "probes": {"latencies": probes, "errors": []},
    } | changes


def counted(started: float, requests: int, errors: int = 0, slow: int = 0) -> dict[str, Any]:
    buckets = {"0.05": requests - slow, "0.1": requests, "+Inf": requests}
    return {"started": started, "requests": requests, "errors": errors, "buckets": buckets}


def verdict(new: list[dict[str, Any]], old: list[dict[str, Any]], **options: Any) -> tuple[str, str]:
    found, reasons = judge(options.pop("alarms", OK), ["abandoned"], new, old, DIGEST, limits=LIMITS, **options)
    return found, " ".join(reasons)


def test_a_good_canary_is_promoted_and_told_why() -> None:
    found, reasons = verdict([host("i-new")], [host("i-1"), host("i-2")])
    assert found == PROMOTE
    for part in (
        "No alarm rings, of 2",
        "i-new is ready",
        "0 of 40 requests to new hosts failed",
        "times the old hosts' time",
    ):
        assert part in reasons


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ready": False, "reason": "the model is not warm"}, "i-new is not ready: the model is not warm"),
        ({"digest": "sha256:other"}, "serves the model sha256:other, not sha256:new"),
        ({"golden": ["cat.jpg: expected 0.9, got 0.1"]}, "golden answers: cat.jpg: expected 0.9"),
        ({"before": counted(100.0, 5), "after": counted(200.0, 5)}, "has started anew"),
    ],
)
def test_a_new_host_that_is_not_as_it_should_be_is_rejected(change: dict[str, Any], told: str) -> None:
    found, reasons = verdict([host("i-new", **change)], [host("i-1")])
    assert found == REJECT
    assert told in reasons
    # The same of an old host is no reason against the new ones.
    assert verdict([host("i-new")], [host("i-1", **change)])[0] == PROMOTE


@pytest.mark.parametrize(
    ("alarms", "expected", "told"),
    [
        (OK | {"memory": "ALARM"}, REJECT, "The alarm memory rings"),
        (OK | {"memory": "INSUFFICIENT_DATA"}, PROMOTE, "No alarm rings"),
        (OK | {"abandoned": "INSUFFICIENT_DATA"}, HOLD, "The alarm abandoned has no data"),
        ({"memory": "OK"}, HOLD, "The alarm abandoned has no data"),
        (OK | {"abandoned": "ALARM"}, REJECT, "The alarm abandoned rings"),
    ],
)
def test_alarms_decide(alarms: dict[str, str], expected: str, told: str) -> None:
    found, reasons = verdict([host("i-new")], [host("i-1")], alarms=alarms)
    assert found == expected
    assert told in reasons


def test_an_alarm_that_rang_before_says_nothing_of_new_hosts() -> None:
    ringing = OK | {"memory": "ALARM", "errors": "ALARM"}
    found, reasons = verdict([host("i-new")], [host("i-1")], alarms=ringing, rang=["memory"])
    assert found == REJECT
    assert "The alarm errors rings." in reasons
    assert "The alarm memory rings." not in reasons
    found, reasons = verdict([host("i-new")], [host("i-1")], alarms=ringing, rang=["memory", "errors"])
    assert found == PROMOTE
    assert "The alarm memory rings, as it did before anything was replaced." in reasons


def test_a_new_host_of_which_cloudwatch_has_no_data_is_not_promoted() -> None:
    found, reasons = verdict([host("i-new"), host("i-newer")], [host("i-1")], unheard=["i-newer"])
    assert found == HOLD
    assert "CloudWatch has heard nothing of i-newer yet." in reasons


def test_the_data_of_each_host_are_its_own(account: Any) -> None:
    client = account("cloudwatch")
    metric = {"namespace": "agent", "metric": "mem_used_percent", "dimensions": {"AutoScalingGroupName": "service"}}

    def send(when: datetime, **dimensions: str) -> None:
        named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        datum = {"MetricName": "mem_used_percent", "Dimensions": named, "Value": 40.0, "Timestamp": when}
        client.put_metric_data(Namespace="agent", MetricData=[datum])

    now = datetime.now(UTC)
    send(now, AutoScalingGroupName="service")  # of the whole group, as the agents of old hosts send it
    send(now, AutoScalingGroupName="service", InstanceId="i-old")
    send(now - timedelta(hours=1), AutoScalingGroupName="service", InstanceId="i-gone")
    unheard = load("modules", "rollout_verdict").unheard
    assert unheard(client, metric, ["i-new", "i-old", "i-gone"]) == ["i-new", "i-gone"]
    assert unheard(client, {}, ["i-new"]) == []


@pytest.mark.parametrize(
    ("through", "live", "expected", "told"),
    [
        ({}, 20, PROMOTE, "20 requests through the balancer reached new hosts"),
        ({}, 19, HOLD, "New hosts counted 19 of 20 requests"),
        ({"digests": ["sha256:old"]}, 20, REJECT, "new hosts answer with sha256:old"),
        ({"errors": ["502: bad gateway"]}, 20, REJECT, "the last: 502: bad gateway"),
        ({"errors": ["no answer: timed out"]}, 20, HOLD, "1 of 20 requests to new hosts through the balancer failed"),
    ],
)
def test_what_was_sent_through_the_balancer_has_to_arrive_at_new_hosts(
    through: dict[str, Any], live: int, expected: str, told: str
) -> None:
    new = host("i-new", before=counted(1, 0), after=counted(1, live))
    found, reasons = verdict([new], [host("i-1")], through={"sent": 20, "errors": [], "digests": [DIGEST]} | through)
    assert found == expected
    assert told in reasons


def test_slower_by_a_third_is_rejected_and_noise_is_not() -> None:
    old = [host("i-1"), host("i-2")]
    found, reasons = verdict([host("i-new", seconds=0.02 * 4 / 3)], old)
    assert found == REJECT
    assert "times the old hosts' time, more than 1.2" in reasons
    assert verdict([host("i-new", seconds=0.02 * 1.1)], old)[0] == PROMOTE
    assert verdict([host("i-new", seconds=0.01)], old)[0] == PROMOTE


def test_a_neighbour_that_delays_some_answers_is_no_slower_model() -> None:
    disturbed = latencies(0.02, 14) + latencies(0.2, 16)
    probes = {"latencies": {"a": disturbed}, "errors": []}
    assert verdict([host("i-new", probes=probes)], [host("i-1")])[0] == PROMOTE


@pytest.mark.parametrize(
    ("new_errors", "requests", "expected"),
    [(1, 30, PROMOTE), (3, 30, PROMOTE), (8, 30, REJECT), (30, 30, REJECT), (3, 3000, PROMOTE)],
)
def test_errors_are_compared_exactly(new_errors: int, requests: int, expected: str) -> None:
    new = host("i-new", before=counted(1.0, 0), after=counted(1.0, requests, new_errors))
    old = host("i-1", before=counted(1.0, 100, 5), after=counted(1.0, 100 + requests, 5))
    assert verdict([new], [old])[0] == expected


def test_errors_that_old_hosts_have_as_well_are_no_reason() -> None:
    new = host("i-new", after=counted(1.0, 100, 20))
    old = host("i-1", after=counted(1.0, 100, 20))
    assert verdict([new], [old])[0] == PROMOTE


def test_slow_live_answers_are_found_in_the_histogram() -> None:
    old = host("i-1", before=counted(1.0, 1000, slow=900), after=counted(1.0, 1500, slow=900))
    found, reasons = verdict([host("i-new", after=counted(1.0, 500, slow=50))], [old])
    assert found == REJECT
    assert "50 of 500 live answers of new hosts took more than 0.05 s, and 0 of 500" in reasons
    assert verdict([host("i-new", after=counted(1.0, 500, slow=3))], [old])[0] == PROMOTE


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ([], [host("i-1")]),
        ([host("i-new")], []),
        ([host("i-new", problem="unreachable")], [host("i-1")]),
        ([host("i-new")], [host("i-1", problem="unreachable")]),
        ([host("i-new", probes={"latencies": {"a": [0.02] * 5}, "errors": []})], [host("i-1")]),
        ([host("i-new")], [host("i-1", probes={})]),
    ],
)
def test_too_little_data_is_no_promotion(new: list[dict[str, Any]], old: list[dict[str, Any]]) -> None:
    assert verdict(new, old)[0] == HOLD


def test_hosts_that_were_compared_before_need_no_old_ones() -> None:
    assert verdict([host("i-new")], [], must_compare=False)[0] == PROMOTE
    assert verdict([host("i-new", ready=False)], [], must_compare=False)[0] == REJECT


def test_other_inputs_are_not_compared_and_that_is_said() -> None:
    probes = {"latencies": {"other": latencies(9.0, 40)}, "errors": []}
    found, reasons = verdict([host("i-new", probes=probes)], [host("i-1")])
    assert found == PROMOTE
    assert "no golden input in common" in reasons


def test_a_probe_without_an_answer_is_an_error() -> None:
    probes = host("i-new")["probes"] | {"errors": ["HTTP 500"] * 12}
    found, reasons = verdict([host("i-new", probes=probes)], [host("i-1")])
    assert found == REJECT
    assert "12 of 52 requests to new hosts failed" in reasons


@given(
    requests=st.integers(1, 400),
    errors=st.tuples(st.integers(0, 400), st.integers(0, 400)),
    factor=st.floats(0.2, 5.0),
)
@settings(max_examples=60, deadline=None)
def test_whatever_old_hosts_do_alike_is_never_a_reason_to_reject(
    requests: int, errors: tuple[int, int], factor: float
) -> None:
    failed = min(errors[0], requests)
    same = {
        "after": counted(1.0, requests, failed),
        "probes": {"latencies": {"a": latencies(factor, 30)}, "errors": []},
    }
    assert verdict([host("i-new", **same)], [host("i-1", **same)])[0] == PROMOTE


@given(errors=st.integers(0, 60), more=st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_more_errors_never_help(errors: int, more: int) -> None:
    order = [REJECT, HOLD, PROMOTE]
    old = host("i-1", after=counted(1.0, 120, 2))
    few = verdict([host("i-new", after=counted(1.0, 120, errors))], [old])[0]
    many = verdict([host("i-new", after=counted(1.0, 120, errors + more))], [old])[0]
    assert order.index(many) <= order.index(few)


@given(factor=st.floats(1.0, 4.0), further=st.floats(1.0, 2.0))
@settings(max_examples=60, deadline=None)
def test_slower_never_helps(factor: float, further: float) -> None:
    order = [REJECT, HOLD, PROMOTE]
    old = [host("i-1"), host("i-2")]
    fast = verdict([host("i-new", seconds=0.02 * factor)], old)[0]
    slow = verdict([host("i-new", seconds=0.02 * factor * further)], old)[0]
    assert order.index(slow) <= order.index(fast)


def test_the_module_judges_by_the_alarms_that_there_are(account: Any) -> None:
    client = account("cloudwatch")
    for name, state in (("memory", "OK"), ("abandoned", "ALARM"), ("another", "ALARM")):
        client.put_metric_alarm(
            AlarmName=name,
            MetricName="m",
            Namespace="n",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="LessThanThreshold",
            Statistic="Sum",
        )
        client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")
    parameters = {
        **{
            "rang": [],
            "metric": {},
            "alarms": ["memory", "abandoned"],
            "required": ["abandoned"],
            "new": [host("i-new")],
            "old": [host("i-1")],
        },
        **{
            "digest": DIGEST,
            "must_compare": True,
            "through": {},
            "alpha": 0.01,
            "minimum_requests": 20,
            "slowdown": 1.2,
            "slow_share": 0.05,
        },
    }
    result = load("modules", "rollout_verdict").run(FakeModule(parameters))
    assert (result["verdict"], result["reasons"]) == (REJECT, ["The alarm abandoned rings."])
    assert result["alarms"] == {"memory": "OK", "abandoned": "ALARM"}
    client.set_alarm_state(AlarmName="abandoned", StateValue="OK", StateReason="test")
    assert load("modules", "rollout_verdict").run(FakeModule(parameters))["verdict"] == PROMOTE
