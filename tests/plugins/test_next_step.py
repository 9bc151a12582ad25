"""What a rollout does next follows from what was found and measured, with the numbers of a production environment."""

from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.next_step import next_step
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.steps import State, Step, Strategy
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.strategies import BlueGreen, Rolling
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.times import Times

# In seconds, by docs/decisions/0026: the alarm takes 540, a look 540, a stop 1740, and a verdict has to come within 1200.
TIMES = Times(
    bake_seconds=240,
    looks=2,
    evidence_seconds=30,
    most_hosts=10,
    notice_seconds=120,
    abandoned_period=60,
    abandoned_periods=5,
    timeout=600,
)
STRATEGIES: list[Strategy] = [Rolling(TIMES), BlueGreen(TIMES)]
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES, ids=["rolling", "blue_green"])


def at(percentage: int, verdict: str, **more: Any) -> State:
    """Return the state of a rollout of ten hosts after a first look at a percentage."""
    known: dict[str, Any] = {"begun": True, "checkpoints": [10, 100], "hosts": 10, "new": 1, "looks": 1}
    return State(percentage=percentage, verdict=verdict, **known | more)


def test_a_stop_outlasts_all_looks_and_the_alarm_after_the_last_of_them() -> None:
    assert TIMES.derived() == {
        "alarm_seconds": 60 * 6 + 60 + 120,
        "look_seconds": 240 + 30 * 10,
        "needed_stop_seconds": 2 * 540 + 540 + 120,
        "stop_seconds": 1740,
        "verdict_seconds": 1200,
    }


@every_strategy
@pytest.mark.parametrize(
    ("action", "recorded", "expected"),
    [
        ("start", False, "begin"),
        ("follow", True, "begin"),
        ("clean", True, "begin"),
        ("none", False, "record"),
        ("none", True, "leave"),
        ("absent", False, "leave"),
    ],
)
def test_a_fleet_that_has_the_version_is_left_alone_and_recorded_once(
    strategy: Strategy, action: str, recorded: bool, expected: str
) -> None:
    step = next_step(State(held=False, action=action, recorded=recorded), strategy)
    assert step.do == expected


@every_strategy
def test_steps_follow_one_another_while_hosts_prove_themselves(strategy: Strategy) -> None:
    begun = next_step(State(begun=True, checkpoints=[10, 100], hosts=10), strategy)
    assert (begun.do, begun.percentage) == ("step", 10)
    rest = next_step(at(10, "promote"), strategy)
    assert (rest.do, rest.percentage) == ("step", 100)
    assert next_step(at(100, "promote"), strategy).do == "finish"


@every_strategy
def test_what_another_run_has_ended_meanwhile_is_finished(strategy: Strategy) -> None:
    assert next_step(State(begun=False, checkpoints=[100]), strategy).do == "finish"


def test_a_second_fleet_is_judged_before_it_gets_requests() -> None:
    strategy = BlueGreen(TIMES)
    assert next_step(State(begun=True, checkpoints=[0, 100]), strategy) == Step("step", percentage=0, seconds=600)
    assert next_step(at(0, "promote", checkpoints=[0, 100]), strategy).percentage == 100


@every_strategy
def test_too_little_data_is_looked_at_again_and_then_refused(strategy: Strategy) -> None:
    assert next_step(at(10, "hold"), strategy).do == "look"
    step = next_step(at(10, "hold", looks=2, reasons=["Nobody asked."]), strategy)
    assert (step.do, step.told) == ("refuse", "New hosts did not prove themselves in time. Nobody asked.")


@every_strategy
def test_bad_hosts_are_refused_at_once(strategy: Strategy) -> None:
    step = next_step(at(10, "reject", reasons=["i-1 is not ready.", "More."]), strategy)
    assert (step.do, step.told) == ("refuse", "New hosts are bad. i-1 is not ready. More.")


def test_there_is_another_look_only_while_it_leaves_the_alarm_its_time() -> None:
    rolling = Rolling(TIMES)
    assert next_step(at(10, "hold", elapsed_seconds=1200 - 540), rolling).do == "look"
    assert next_step(at(10, "hold", elapsed_seconds=1200 - 540 + 1), rolling).do == "refuse"
    assert next_step(at(10, "hold", elapsed_seconds=99999), BlueGreen(TIMES)).do == "look"


def test_a_good_verdict_that_comes_when_aws_could_not_go_back_is_refused() -> None:
    rolling = Rolling(TIMES)
    assert next_step(at(100, "promote", elapsed_seconds=1200), rolling).do == "finish"
    step = next_step(at(100, "promote", elapsed_seconds=1200.9), rolling)
    assert step.do == "refuse"
    assert step.told == (
        "The verdict on 100 % took 1200 seconds, and must not take more than 1200. Raise rollout_evidence_seconds, which is "
        "30, if looking at a host takes longer than that."
    )
    assert next_step(at(100, "promote", elapsed_seconds=99999), BlueGreen(TIMES)).do == "finish"


@pytest.mark.parametrize(
    ("state", "seconds", "hosts"),
    [
        pytest.param(State(begun=True, checkpoints=[10, 100], hosts=10), 600, 0, id="the canary"),
        pytest.param(at(10, "promote"), 9 * 600 + 1740, 0, id="the rest, after the canary's stop"),
        pytest.param(at(10, "promote", checkpoints=[10, 33, 100]), 3 * 600 + 1740, 0, id="a part, rounded up"),
        pytest.param(
            State(begun=True, checkpoints=[30, 100], hosts=10, matching=2), 600, 3, id="after two that have it already"
        ),
        pytest.param(
            State(begun=True, checkpoints=[100], hosts=10, resumed=True), 10 * 600 + 1740, 0, id="after a dead controller"
        ),
        pytest.param(at(10, "promote", new=10), 600 + 1740, 0, id="all of them new already"),
    ],
)
def test_each_host_may_take_its_time_out_and_a_stop_is_waited_for(state: State, seconds: int, hosts: int) -> None:
    step = next_step(state, Rolling(TIMES))
    assert (step.do, step.seconds, step.hosts) == ("step", seconds, hosts)


@every_strategy
def test_a_failure_is_undone_unless_somebody_else_goes_on_or_nothing_has_begun(strategy: Strategy) -> None:
    assert next_step(at(10, "", failure="It broke."), strategy) == Step("undo", "It broke.")
    taken = next_step(at(10, "", failure="Lost.", lock_lost=True), strategy)
    assert taken == Step("leave", "Lost.", outcome="taken over")
    assert next_step(State(begun=False, failure="Refused."), strategy) == Step("leave", "Refused.")
