"""The examples of CloudWatch's user guide, "CloudWatch statistics definitions", each beside what its words come to."""

from statistics import mean

import pytest

from localcloud.telemetry.extended_statistics import parse

# A hundred answers, so that one is a percent: milliseconds of which some are slow.
VALUES = [float(one) for one in (*range(10, 100), 150, 200, 250, 300, 500, 800, 1000, 1500, 2000, 5000)]
COUNTED = [(value, 1.0) for value in reversed(VALUES)]


def of(text: str, values: list[tuple[float, float]]) -> float | None:
    found = parse(text)
    assert found is not None
    return found.of(values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # "95 percent of the data within the period is lower than this value": it is the highest of those 95 percent.
        ("p95", VALUES[94]),
        ("p99", max(VALUES[:99])),
        ("p0", VALUES[0]),
        ("p100", VALUES[-1]),
        ("p99.9", VALUES[-1]),
        # "the average after removing the 10% of data points with the highest values"
        ("tm90", mean(VALUES[:90])),
        ("tm99", mean(VALUES[:99])),
        ("TM(:99%)", mean(VALUES[:99])),
        # "removing the 2% lowest data points and the 2% highest data points"
        ("TM(2%:98%)", mean(VALUES[2:98])),
        ("TM(10%:)", mean(VALUES[10:])),
        # "removing all data points that are lower than or equal to 150, or higher than 1000"
        ("TM(150:1000)", mean([200, 250, 300, 500, 800, 1000])),
        # "the middle 50% of values"
        ("IQM", mean(VALUES[25:75])),
        # "treating the 2% of the highest values to be equal to the value at the 98th percentile"
        ("wm98", mean([*VALUES[:98], VALUES[97], VALUES[97]])),
        # "treating the highest 10% ... to be the value of the 90% boundary", the lowest to be that of the 10% boundary
        ("WM(10%:90%)", mean([VALUES[9]] * 10 + VALUES[10:90] + [VALUES[89]] * 10)),
        # "the percentage of data points that have a value of 300 or less"
        ("PR(:300)", 94),
        ("PR(150:2000)", 8),
        # "not including any data points that fall in the highest 10% of the values"
        ("tc90", 90),
        ("TC(150:300)", 3),
        ("ts90", sum(VALUES[:90])),
        # "not including any data points with values in the lowest 80% of the range of values"
        ("TS(80%:)", sum(VALUES[80:])),
    ],
)
def test_the_guides_examples(text: str, expected: float) -> None:
    assert of(text, COUNTED) == pytest.approx(expected)


def test_a_value_that_came_often_counts_as_often() -> None:
    often = [(10.0, 990.0), (500.0, 10.0)]
    assert (of("p99", often), of("p99.1", often)) == (10, 500)
    assert of("TM(98%:)", often) == pytest.approx(mean([10, 500]))


def test_a_bound_cuts_a_value_in_two() -> None:
    assert of("tc50", [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]) == pytest.approx(1.5)
    assert of("ts50", [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]) == pytest.approx(2)


def test_there_are_none_of_negative_values_and_of_nothing() -> None:
    assert of("p50", [(-1.0, 1.0), (5.0, 1.0)]) is None
    assert of("p50", []) is None
    assert of("TM(100:200)", [(5.0, 1.0)]) is None
    assert of("TC(100:200)", [(5.0, 1.0)]) == 0


@pytest.mark.parametrize(
    "text",
    ["p101", "P95", "p", "median", "TM90", "tm(10%:90%)", "TM(10:90%)", "TM(:)", "TM(90%:10%)", "TM(0%:101%)", "PR(10%:20%)"],
)
def test_other_names_are_not_known(text: str) -> None:
    assert parse(text) is None
