"""The state of an alarm from its data points: the tables of CloudWatch's user guide, row by row, and what lies between them."""

from datetime import datetime, timedelta

import pytest

from localcloud.telemetry.alarm_evaluation import Condition, Datapoint, Verdict, evaluate, evaluation_range
from localcloud.telemetry.alarm_messages import reason

NOW = datetime(2026, 3, 1, 12, 0, 7)
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
KEEPS = None
UNKNOWN = "INSUFFICIENT_DATA"


def points(picture: str) -> list[Datapoint | None]:
    """Read the guide's notation: 0 is good, X is bad, - is missing; the newest stands on the right."""
    values = {"0": 10.0, "X": 90.0}
    return [
        Datapoint(datetime(2026, 3, 1, 12, minute), values[mark]) if mark in values else None
        for minute, mark in enumerate(picture.split())
    ]


def condition(needed: int, missing: str = "missing", periods: int = 3, comparison: str = "") -> Condition:
    return Condition(comparison or "GreaterThanThreshold", 80.0, periods, needed, missing)


@pytest.mark.parametrize(
    ("needed", "picture", "filled", "states"),
    [
        (3, "0 - X - X", 0, ("OK", "OK", "OK", "OK")),
        (3, "0 - - - -", 2, ("OK", "OK", "OK", "OK")),
        (3, "- - - - -", 3, (UNKNOWN, KEEPS, "ALARM", "OK")),
        (3, "0 X X - X", 0, ("ALARM", "ALARM", "ALARM", "ALARM")),
        (3, "- - X - -", 2, ("ALARM", KEEPS, "ALARM", "OK")),
        (2, "0 - X - X", 0, ("ALARM", "ALARM", "ALARM", "ALARM")),
        (2, "0 0 X 0 X", 0, ("ALARM", "ALARM", "ALARM", "ALARM")),
        (2, "0 - X - -", 1, ("OK", "OK", "ALARM", "OK")),
        (2, "- - - - 0", 2, ("OK", "OK", "ALARM", "OK")),
        (2, "- - - X -", 2, ("ALARM", KEEPS, "ALARM", "OK")),
    ],
)
def test_the_guides_tables(needed: int, picture: str, filled: int, states: tuple[str | None, ...]) -> None:
    verdicts = [evaluate(condition(needed, treatment), points(picture)) for treatment in TREATMENTS]
    assert tuple(one.state for one in verdicts) == states
    assert {max(0, one.filled) for one in verdicts} == {filled}


@pytest.mark.parametrize("picture", ["- - - - X", "- - - X -"])
def test_a_first_bad_point_does_not_ring_too_early(picture: str) -> None:
    assert evaluate(condition(3), points(picture)).state is None


@pytest.mark.parametrize("picture", ["- - - X 0", "- - X - 0"])
def test_a_good_point_after_it_decides(picture: str) -> None:
    assert evaluate(condition(3), points(picture)).state == "OK"


@pytest.mark.parametrize(
    ("comparison", "states"),
    [
        ("GreaterThanThreshold", ("OK", "OK", "ALARM")),
        ("GreaterThanOrEqualToThreshold", ("OK", "ALARM", "ALARM")),
        ("LessThanThreshold", ("ALARM", "OK", "OK")),
        ("LessThanOrEqualToThreshold", ("ALARM", "ALARM", "OK")),
    ],
)
def test_every_comparison(comparison: str, states: tuple[str, ...]) -> None:
    wanted = condition(1, periods=1, comparison=comparison)
    assert tuple(evaluate(wanted, [Datapoint(NOW, value)]).state for value in (79.0, 80.0, 81.0)) == states


def test_periods_end_at_the_last_full_interval_or_period() -> None:
    assert evaluation_range(NOW, 300, 10, 3) == [
        datetime(2026, 3, 1, 12) - timedelta(seconds=300 * number) for number in (3, 2, 1)
    ]
    assert evaluation_range(NOW, 5, 10, 3)[-1] == datetime(2026, 3, 1, 12)
    assert evaluation_range(NOW, 60, 60, 1)[-1] == datetime(2026, 3, 1, 11, 59)


@pytest.mark.parametrize(
    ("picture", "needed", "missing", "text"),
    [
        (
            "0 X X",
            2,
            "missing",
            "Threshold Crossed: 2 out of the last 3 datapoints [90.0 (01/03/26 12:02:00), 90.0 (01/03/26 12:01:00)] were "
            "greater than the threshold (80.0) (minimum 2 datapoints for OK -> ALARM transition).",
        ),
        (
            "X 0 X",
            3,
            "missing",
            "Threshold Crossed: 1 out of the last 3 datapoints [10.0 (01/03/26 12:01:00)] was not greater than the threshold "
            "(80.0) (minimum 1 datapoint for ALARM -> OK transition).",
        ),
        ("- - - - -", 3, "missing", "Insufficient Data: 3 datapoints were unknown."),
        (
            "- - - - -",
            3,
            "breaching",
            "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as "
            "[Breaching].",
        ),
    ],
)
def test_reasons_name_the_points_that_decided(picture: str, needed: int, missing: str, text: str) -> None:
    wanted = condition(needed, missing)
    verdict: Verdict = evaluate(wanted, points(picture))
    assert reason(wanted, verdict) == text
