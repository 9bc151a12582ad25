"""Bad hosts are rejected on small samples, noise is not, and too little data promotes nothing."""

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.judge import HOLD, PROMOTE, REJECT, Limits, judge
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plugins.loading import FakeModule, load

DIGEST = "sha256:new"
LIMITS = Limits()
OK = {"memory": "OK", "abandoned": "OK"}


class Pace:
    """How a host of a test answers: seconds of each part of one answer, which vary from round to round by some percent."""

    def __init__(self, computing: float = 0.02, waiting: float = 0.0, elsewhere: float = 0.002, noise: float = 0.03) -> None:
        self._parts, self._noise = (computing, waiting, elsewhere), noise

    def rounds(self, name: str, first: int = 100, count: int = 20, counted: bool = True) -> dict[str, Any]:
        seed = sum(map(ord, name))
        taken = {}
        for number in range(first, first + count):
            factor = 1 + self._noise * math.sin(seed + number)
            computing, waiting, elsewhere = (part * factor for part in self._parts)
            whole = computing + waiting + elsewhere
            one = [whole, computing, waiting] if counted else [whole, None, None]
            taken[str(number)] = {"a": one, "b": [3 * part if part is not None else None for part in one]}
        return taken


def watched(rounds: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """What one host did while it was watched; by default it answers the golden inputs of both, and nobody else asks."""
    rounds = Pace().rounds("any") if rounds is None else rounds
    answered = sum(map(len, rounds.values()))
    return {
        **{"rounds": rounds, "errors": [], "answered": answered, "failed": 0},
        **{"before": counted(1.0, 0), "after": counted(1.0, answered), "buckets": {}},
    } | changes


def live(requests: int, errors: int = 0, slow: int = 0, started: float = 1.0, **changes: Any) -> dict[str, Any]:
    """The same of a host to which people send requests."""
    seen = watched(**changes)
    after = counted(started, seen["answered"] + requests, errors)
    return seen | {"after": after, "buckets": {"0.05": requests - slow, "0.1": requests, "+Inf": requests}}


def host(name: str, pace: Pace | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "instance_id": name,
        "problem": "",
        "ready": True,
        "reason": "",
        "digest": DIGEST,
        "golden": [],
        "watched": watched((pace or Pace()).rounds(name)),
    } | changes


def counted(started: float, requests: int, errors: int = 0) -> dict[str, Any]:
    return {"started": started, "requests": requests, "errors": errors, "buckets": {}}


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
        "New hosts compute 1.",
        "New hosts wait for something else than a processor 1.",
    ):
        assert part in reasons


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ready": False, "reason": "the model is not warm"}, "i-new is not ready: the model is not warm"),
        ({"digest": "sha256:other"}, "serves the model sha256:other, not sha256:new"),
        ({"golden": ["cat.jpg: expected 0.9, got 0.1"]}, "golden answers: cat.jpg: expected 0.9"),
        ({"watched": live(0, started=200.0)}, "has started anew"),
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


def test_an_alarm_that_old_hosts_make_ring_says_nothing_of_new_hosts() -> None:
    ringing = OK | {"memory": "ALARM", "errors": "ALARM"}
    found, reasons = verdict([host("i-new")], [host("i-1")], alarms=ringing, uncounted=["memory"])
    assert found == REJECT
    assert "The alarm errors rings." in reasons
    assert "The alarm memory rings." not in reasons
    found, reasons = verdict([host("i-new")], [host("i-1")], alarms=ringing, uncounted=["memory", "errors"])
    assert found == PROMOTE
    assert "The alarm memory rings, and is not counted: it is of old hosts as well" in reasons


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
    ("through", "counted_live", "expected", "told"),
    [
        ({}, 20, PROMOTE, "20 requests through the balancer reached new hosts"),
        ({}, 19, HOLD, "New hosts counted 19 of 20 requests"),
        ({"digests": ["sha256:old"]}, 20, REJECT, "new hosts answer with sha256:old"),
        ({"errors": ["502: bad gateway"]}, 20, REJECT, "the last: 502: bad gateway"),
        ({"errors": ["no answer: timed out"]}, 20, HOLD, "1 of 20 requests to new hosts through the balancer failed"),
    ],
)
def test_what_was_sent_through_the_balancer_has_to_arrive_at_new_hosts(
    through: dict[str, Any], counted_live: int, expected: str, told: str
) -> None:
    new = host("i-new", watched=live(counted_live))
    found, reasons = verdict([new], [host("i-1")], through={"sent": 20, "errors": [], "digests": [DIGEST]} | through)
    assert found == expected
    assert told in reasons


@pytest.mark.parametrize(
    ("pace", "told"),
    [
        (Pace(computing=0.02 * 4 / 3), "New hosts compute 1.3"),
        # What a lock or a sleep takes is no processor's time.
        (Pace(elsewhere=0.002 + 0.022 / 3), "New hosts wait for something else than a processor 1.3"),
        # A process beside the service, in each round.
        (Pace(waiting=0.02), "New hosts answer 1.8"),
    ],
)
def test_slower_is_rejected_whatever_it_comes_from(pace: Pace, told: str) -> None:
    found, reasons = verdict([host("i-new", pace)], [host("i-1"), host("i-2")])
    assert found == REJECT
    assert told in reasons
    assert "times as long as old ones, in 20 rounds, more than 1.2" in reasons


@pytest.mark.parametrize("pace", [Pace(computing=0.02 * 1.1), Pace(computing=0.01), Pace(elsewhere=0.004)])
def test_a_little_slower_and_faster_are_not(pace: Pace) -> None:
    assert verdict([host("i-new", pace)], [host("i-1"), host("i-2")])[0] == PROMOTE


def test_other_load_that_delays_some_rounds_of_either_side_is_no_slower_release() -> None:
    quiet, busy = Pace().rounds("i-new"), Pace(waiting=0.3).rounds("i-new")
    disturbed = {number: busy[number] if place % 3 else taken for place, (number, taken) in enumerate(quiet.items())}
    assert verdict([host("i-new", watched=watched(disturbed))], [host("i-1")])[0] == PROMOTE
    assert verdict([host("i-new")], [host("i-1", watched=watched(disturbed))])[0] == PROMOTE


class Alone(Pace):
    """A host that is asked six golden inputs in each round, and serves nobody else."""

    def rounds(self, name: str, first: int = 100, count: int = 20, counted: bool = True) -> dict[str, Any]:
        seen = super().rounds(name, first, count, counted)
        return {number: {f"{sent}{n}": [*taken[sent]] for sent in taken for n in range(3)} for number, taken in seen.items()}


class Busy(Alone):
    """One that serves somebody else during half of the answers, on a processor of its own, for which they queue."""

    def rounds(self, name: str, first: int = 100, count: int = 20, counted: bool = True) -> dict[str, Any]:
        chance = random.Random(name)  # noqa: S311 - a test's
        seen = super().rounds(name, first, count, counted)
        for taken in seen.values():
            for seconds in taken.values():
                if chance.random() < 0.5:
                    seconds[1] += 0.02
                    seconds[2] += 0.06 * chance.random()
        return seen


@pytest.mark.parametrize("slower", [{}, {"computing": 0.02 * 4 / 3}, {"elsewhere": 0.002 + 0.022 / 3}])
@pytest.mark.parametrize(("ours", "theirs"), [(Alone, Busy), (Busy, Alone), (Busy, Busy)])
def test_whom_else_a_host_serves_is_neither_a_reason_nor_a_screen(
    ours: type[Pace], theirs: type[Pace], slower: dict[str, float]
) -> None:
    """A second fleet has no traffic at its begin, and the first one has none at its end."""
    new = [host("i-new", ours(**slower)), host("i-newer", ours(**slower))]
    found, reasons = verdict(new, [host("i-1", theirs())])
    assert found == (REJECT if slower else PROMOTE), reasons


def test_where_the_kernel_does_not_count_the_whole_time_decides_and_the_verdict_says_so() -> None:
    def uncounted(name: str, factor: float) -> dict[str, Any]:
        return host(name, watched=watched(Pace(0.02 * factor).rounds(name, counted=False)))

    promoted, told = verdict([uncounted("i-new", 1.0)], [uncounted("i-1", 1.0)])
    assert (promoted, "only whole times were compared" in told) == (PROMOTE, True)
    found, reasons = verdict([uncounted("i-new", 1.5)], [uncounted("i-1", 1.0)])
    assert (found, "New hosts answer 1.4" in reasons) == (REJECT, True)


def test_hosts_that_were_seen_at_another_time_are_not_compared_with() -> None:
    """What a machine did minutes before says nothing of what it does now."""
    slow = Pace(0.04).rounds("i-new", first=500)
    found, reasons = verdict([host("i-new", watched=watched(slow))], [host("i-1")], must_compare=False)
    assert (found, "were asked the same in 0 rounds" in reasons) == (PROMOTE, True)
    assert verdict([host("i-new", watched=watched(slow))], [host("i-1")])[0] == HOLD


def test_without_old_hosts_the_others_are_compared_with_those_that_have_proved_themselves() -> None:
    earlier = host("i-old")
    proven = host("i-canary", watched=watched(Pace().rounds("i-canary", first=500)))
    other = host("i-other", watched=watched(Pace(0.04).rounds("i-other", first=500)))
    found, reasons = verdict([proven, other], [earlier], proven=["i-canary"], must_compare=False)
    assert found == REJECT
    assert "New hosts compute 2.0" in reasons
    assert "times as long as hosts that have proved themselves" in reasons
    alike = host("i-other", watched=watched(Pace().rounds("i-other", first=500)))
    assert verdict([proven, alike], [earlier], proven=["i-canary"], must_compare=False)[0] == PROMOTE


def test_a_host_that_was_late_is_compared_with_the_round_before() -> None:
    def every_second(name: str, first: int, pace: Pace) -> dict[str, Any]:
        rounds = pace.rounds(name, first=first)
        return host(name, watched=watched(dict(list(rounds.items())[::2])))

    old = every_second("i-1", 100, Pace())
    assert verdict([every_second("i-new", 101, Pace())], [old])[0] == PROMOTE
    assert verdict([every_second("i-new", 101, Pace(0.03))], [old])[0] == REJECT


@pytest.mark.parametrize(
    ("new_errors", "requests", "expected"),
    [(1, 30, PROMOTE), (3, 30, PROMOTE), (8, 30, REJECT), (30, 30, REJECT), (3, 3000, PROMOTE)],
)
def test_errors_are_compared_exactly(new_errors: int, requests: int, expected: str) -> None:
    new = host("i-new", watched=live(requests, new_errors, rounds={}))
    old = host("i-1", watched=live(requests, rounds={}))
    assert verdict([new], [old], must_compare=False)[0] == expected


def test_errors_that_old_hosts_have_as_well_are_no_reason() -> None:
    new = host("i-new", watched=live(100, 20))
    old = host("i-1", watched=live(100, 20))
    assert verdict([new], [old])[0] == PROMOTE


def test_slow_live_answers_are_found_in_the_histogram() -> None:
    old = host("i-1", watched=live(500))
    found, reasons = verdict([host("i-new", watched=live(500, slow=50))], [old])
    assert found == REJECT
    assert "50 of 500 live answers of new hosts took more than 0.05 s, and 0 of 500" in reasons
    assert verdict([host("i-new", watched=live(500, slow=3))], [old])[0] == PROMOTE


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ([], [host("i-1")]),
        ([host("i-new")], []),
        ([host("i-new", problem="unreachable", watched={})], [host("i-1")]),
        ([host("i-new")], [host("i-1", problem="unreachable", watched={})]),
        ([host("i-new", watched=watched(Pace().rounds("i-new", count=6)))], [host("i-1")]),
        ([host("i-new", watched=watched({"100": {"a": [0.02, 0.02, 0.0]}}))], [host("i-1")]),
        ([host("i-new")], [host("i-1", watched=watched({}))]),
    ],
)
def test_too_little_data_is_no_promotion(new: list[dict[str, Any]], old: list[dict[str, Any]]) -> None:
    assert verdict(new, old)[0] == HOLD


# Of a rollback, old hosts may be too bad to be entered, or die again and again while they are asked.
@pytest.mark.parametrize(
    "old",
    [
        [],
        [host("i-1", problem="unreachable", watched={})],
        [host("i-1", watched=live(0, started=2.0, rounds=Pace().rounds("i-1", count=4)))],
    ],
)
def test_where_nothing_must_be_compared_new_hosts_prove_themselves_alone(old: list[dict[str, Any]]) -> None:
    def alone(**changes: Any) -> str:
        return verdict([host("i-new", **changes)], old, must_compare=False)[0]

    assert alone() == PROMOTE
    assert alone(ready=False) == REJECT
    assert alone(golden=["cat.jpg: expected 0.9, got 0.1"]) == REJECT
    assert alone(watched=live(100, 90)) == REJECT
    assert alone(watched=watched(Pace().rounds("i-new", count=4))) == HOLD
    assert alone(problem="unreachable", watched={}) == HOLD


def test_other_inputs_are_not_compared_and_that_is_said() -> None:
    other = {number: {"other": taken["a"]} for number, taken in Pace(9.0).rounds("i-new").items()}
    found, reasons = verdict([host("i-new", watched=watched(other, answered=20))], [host("i-1")])
    assert found == PROMOTE
    assert "no golden input in common" in reasons


@pytest.mark.parametrize("counted", [True, False])
def test_only_the_same_inputs_in_the_same_rounds_are_compared(counted: bool) -> None:
    """Each host answers one input, and the other one once, which makes both of them common."""

    def answers(pace: Pace, often: str, once: str) -> dict[str, Any]:
        rounds = Pace().rounds("any", count=1, first=130, counted=counted)
        slow = pace.rounds("any", count=30, counted=counted)
        return {number: {often: taken[often]} for number, taken in slow.items()} | {"130": {once: rounds["130"][once]}}

    new = host("i-new", watched=watched(answers(Pace(0.06), "a", "b")))
    old = host("i-1", watched=watched(answers(Pace(), "b", "a")))
    found, reasons = verdict([new], [old])
    assert (found, "were asked the same in 2 rounds" in reasons) == (HOLD, True)


@pytest.mark.parametrize("slow", [False, True])
def test_an_input_that_one_side_answered_uncounted_only_is_compared_by_its_whole_time(slow: bool) -> None:
    """Its service was started anew in that round, so that the kernel had nothing to count."""
    both = Pace(0.06 if slow else 0.02).rounds("any")
    once = {number: {"a": taken["a"]} for number, taken in Pace().rounds("any").items()}
    once["119"] = Pace().rounds("any", counted=False)["119"]
    found, reasons = verdict([host("i-new", watched=watched(both))], [host("i-1", watched=watched(once))])
    assert (found, "in 20 rounds" in reasons) == (REJECT if slow else PROMOTE, True)
    new, old = host("i-new", watched=watched(once)), host("i-1", watched=watched(both))
    assert verdict([new], [old])[0] == PROMOTE


def test_a_probe_without_an_answer_is_an_error() -> None:
    found, reasons = verdict([host("i-new", watched=watched(errors=["no answer: timed out"] * 12))], [host("i-1")])
    assert found == REJECT
    assert "12 of 52 requests to new hosts failed" in reasons


@given(requests=st.integers(1, 400), errors=st.tuples(st.integers(0, 400), st.integers(0, 400)), factor=st.floats(0.2, 5.0))
@settings(max_examples=60, deadline=None)
def test_whatever_old_hosts_do_alike_is_never_a_reason_to_reject(requests: int, errors: tuple[int, int], factor: float) -> None:
    failed = min(errors[0], requests)
    same = live(requests, failed, rounds=Pace(factor).rounds("any"))
    assert verdict([host("i-new", watched=same)], [host("i-1", watched=same)])[0] == PROMOTE


@given(errors=st.integers(0, 60), more=st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_more_errors_never_help(errors: int, more: int) -> None:
    order = [REJECT, HOLD, PROMOTE]
    old = host("i-1", watched=live(120, 2))
    few = verdict([host("i-new", watched=live(120, errors))], [old])[0]
    many = verdict([host("i-new", watched=live(120, errors + more))], [old])[0]
    assert order.index(many) <= order.index(few)


@given(factor=st.floats(1.0, 4.0), further=st.floats(1.0, 2.0))
@settings(max_examples=60, deadline=None)
def test_slower_never_helps(factor: float, further: float) -> None:
    order = [REJECT, HOLD, PROMOTE]
    old = [host("i-1"), host("i-2")]
    fast = verdict([host("i-new", Pace(0.02 * factor))], old)[0]
    slow = verdict([host("i-new", Pace(0.02 * factor * further))], old)[0]
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
            "uncounted": [],
            "metric": {},
            "alarms": ["memory", "abandoned"],
            "required": ["abandoned"],
            "new": [host("i-new")],
            "old": [host("i-1")],
        },
        **{
            "digest": DIGEST,
            "must_compare": True,
            "proven": [],
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
