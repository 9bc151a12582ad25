"""Statistics that look at single values: percentiles, trimmed and winsorized means, counts, sums and ranks.

Source: CloudWatch user guide, "CloudWatch statistics definitions", with its syntax and its requirements on data. They are exact
here: CloudWatch interpolates.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf

# A value and how often it came.
Weighted = tuple[float, float]

SIMPLE = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_NUMBER = r"\d+(?:\.\d{1,10})?"
_SHORT = re.compile(rf"(p|tm|tc|ts|wm)({_NUMBER})")
_RANGE = re.compile(rf"(TM|TC|TS|WM|PR)\((?:({_NUMBER})(%?))?:(?:({_NUMBER})(%?))?\)")


@dataclass(frozen=True)
class ExtendedStatistic:
    """What is asked for: `kind` is P, TM, TC, TS, WM or PR, of values above `low` up to `high`.

    The bounds are percent of the number of values where `percent` is set, else values of the metric.
    """

    kind: str
    low: float
    high: float
    percent: bool

    def of(self, values: Iterable[Weighted]) -> float | None:
        """Return the statistic; None of no values, of negative ones, and where nothing lies between the bounds."""
        ordered = sorted(one for one in values if one[1] > 0)
        if not ordered or ordered[0][0] < 0:
            return None
        total = sum(count for _, count in ordered)
        if self.kind == "P":
            return _at(ordered, self.high / 100 * total)
        if self.kind == "WM":
            return self._winsorized(ordered, total)
        return self._trimmed(ordered, total)

    def _trimmed(self, ordered: Sequence[Weighted], total: float) -> float | None:
        kept = self._kept(ordered, total)
        number = sum(count for _, count in kept)
        if self.kind in {"TC", "PR"}:
            return number if self.kind == "TC" else 100 * number / total
        if not number:
            return None
        summed = sum(value * count for value, count in kept)
        return summed if self.kind == "TS" else summed / number

    def _kept(self, ordered: Sequence[Weighted], total: float) -> list[Weighted]:
        if not self.percent:
            return [one for one in ordered if self.low < one[0] <= self.high]
        # A value that a bound cuts through counts in part: "Trimmed count can return decimal values".
        begin, end = self.low / 100 * total, self.high / 100 * total
        ends = list(accumulate(count for _, count in ordered))
        return [
            (value, max(0.0, min(end, until) - max(begin, until - count)))
            for (value, count), until in zip(ordered, ends, strict=True)
        ]

    def _winsorized(self, ordered: Sequence[Weighted], total: float) -> float:
        low, high = self.low, self.high
        if self.percent:
            low, high = _at(ordered, low / 100 * total), _at(ordered, high / 100 * total)
        return sum(min(max(value, low), high) * count for value, count in ordered) / total


def _at(ordered: Sequence[Weighted], rank: float) -> float:
    """Return the value at a rank: the highest of the values that are left when those above the rank are removed."""
    ends = accumulate(count for _, count in ordered)
    return next((value for (value, _), until in zip(ordered, ends, strict=True) if until >= rank), ordered[-1][0])


def parse(text: str) -> ExtendedStatistic | None:
    """Return the extended statistic that CloudWatch calls `text`, None if there is none of that name."""
    if text == "IQM":
        return ExtendedStatistic("TM", 25.0, 75.0, percent=True)
    short = _SHORT.fullmatch(text)
    if short:
        statistic = ExtendedStatistic(short[1].upper(), 0.0, float(short[2]), percent=True)
    else:
        found = _RANGE.fullmatch(text)
        if found is None:
            return None
        kind, low, low_sign, high, high_sign = found.groups()
        signs = {sign for number, sign in ((low, low_sign), (high, high_sign)) if number}
        if len(signs) != 1 or (kind == "PR" and "%" in signs):
            return None
        percent = signs == {"%"}
        # Without a lower bound zero itself is a value like any other.
        lowest, highest = (0.0, 100.0) if percent else (-inf, inf)
        statistic = ExtendedStatistic(kind, float(low) if low else lowest, float(high) if high else highest, percent=percent)
    if statistic.low > statistic.high or (statistic.percent and statistic.high > 100):
        return None
    return statistic


def is_known(text: str) -> bool:
    """Say whether CloudWatch has a statistic, simple or extended, of this name."""
    return text in SIMPLE or parse(text) is not None
