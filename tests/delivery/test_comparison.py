"""What an experiment's figures say: a difference counts if it is significant and large enough, and too little is too little."""

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.limits import Limits

from delivery.experiments.comparison import Copies, Finding, Side, compare_ab, compare_shadow, fewest_periods, interval
from inference.mirror import SLOWDOWN

LIMITS = Limits()


def side(requests: int = 500, errors: int = 0, medians: list[float] | None = None) -> Side:
    return Side(requests, errors, 0.05, 0.2, {60 * at: value for at, value in enumerate(medians or [])})


def errors(live: Side, candidate: Side) -> Finding:
    return compare_ab(live, candidate, LIMITS)[0]


def latencies(live: list[float], candidate: list[float]) -> Finding:
    return compare_ab(side(medians=live), side(medians=candidate), LIMITS)[1]


@pytest.mark.parametrize(
    ("live", "candidate", "verdict"),
    [
        (side(500, 0), side(500, 0), "alike"),
        (side(500, 1), side(500, 3), "alike"),
        (side(500, 0), side(500, 20), "worse"),
        (side(500, 20), side(500, 0), "better"),
        (side(500, 0), side(19, 19), "unknown"),
        (side(0, 0), side(0, 0), "unknown"),
    ],
)
def test_failures_are_compared_by_an_exact_test(live: Side, candidate: Side, verdict: str) -> None:
    assert errors(live, candidate).verdict == verdict


WAVES = [0.05, 0.08, 0.06, 0.2, 0.05, 0.07, 0.06, 0.3, 0.05, 0.06]


@pytest.mark.parametrize(
    ("factor", "verdict", "said"),
    [(1.0, "alike", "no significant"), (1.1, "alike", "too little"), (1.5, "worse", "1.50"), (0.5, "better", "0.50")],
)
def test_latencies_are_compared_by_periods_of_the_same_load(factor: float, verdict: str, said: str) -> None:
    # The load makes more of a difference than the variants.
    found = latencies(WAVES, [factor * value for value in WAVES])
    assert found.verdict == verdict
    assert said in found.sentence


def test_periods_in_which_only_one_has_answers_say_nothing() -> None:
    assert fewest_periods(0.01) == 8
    assert latencies(WAVES, WAVES[:7]).verdict == "unknown"
    assert latencies(WAVES, WAVES[:8]).verdict == "alike"


def test_what_goes_up_and_down_is_no_difference() -> None:
    swings = [value * (2 if at % 2 else 0.5) for at, value in enumerate(WAVES)]
    assert latencies(WAVES, swings).verdict == "alike"


def test_without_copies_nothing_is_said_of_the_candidate() -> None:
    [found] = compare_shadow(Copies(dropped=50), LIMITS)
    assert found.verdict == "unknown"
    assert "No copy" in found.sentence


def test_agreement_is_told_with_its_interval_and_judged_by_nobody() -> None:
    found = compare_shadow(Copies(compared=200, agreed=190, slower=20), LIMITS)
    assert "190 of 200 answers (95.0%; 95 % interval 91.0% to 97.3%)" in found[0].sentence
    assert [one.verdict for one in found] == ["unknown", "alike", "alike"]
    assert compare_shadow(Copies(compared=200, agreed=200), LIMITS)[0].verdict == "alike"


@pytest.mark.parametrize(
    ("copies", "at", "verdict"),
    [
        (Copies(compared=200, agreed=200, failed=20), 1, "worse"),
        (Copies(compared=200, agreed=200, failed=1), 1, "alike"),
        (Copies(failed=30), 1, "worse"),
        (Copies(failed=5), 1, "unknown"),
        (Copies(compared=200, agreed=200, slower=150), 2, "worse"),
        (Copies(compared=200, agreed=200, slower=105), 2, "alike"),
        (Copies(compared=19, agreed=19, slower=19), 2, "unknown"),
    ],
)
def test_copies_that_fail_or_take_longer_speak_against_the_candidate(copies: Copies, at: int, verdict: str) -> None:
    assert compare_shadow(copies, LIMITS)[at].verdict == verdict


def test_an_interval_knows_small_samples() -> None:
    assert interval(3, 3)[0] < 0.5
    assert interval(300, 300)[0] > 0.98


def test_hosts_and_report_mean_the_same_by_slower() -> None:
    assert LIMITS.slowdown == SLOWDOWN
