"""Percentiles, medians over rounds, and the ratios that the project holds itself to. Pure functions."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """What one load on one contender gave. Latencies in seconds; None where there is no client.

    Attributes:
        requests_per_second: answers with status 200 per second.
        errors: answers with another status, and requests without an answer.
        rate: requests per second that were sent, where the load was open-loop.
        processor_seconds: what one answer cost the contender's processes, whatever else the machine did meanwhile.
    """

    requests_per_second: float
    p50: float | None = None
    p99: float | None = None
    errors: int = 0
    rate: float | None = None
    processor_seconds: float | None = None


@dataclass(frozen=True)
class Goal:
    """A promise, its bound, and the figure reached (None: not measured)."""

    text: str
    bound: float
    reached: float | None

    @property
    def met(self) -> bool:
        return self.reached is not None and self.reached >= self.bound


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of the values do not exceed (nearest rank).

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def median_load(loads: Iterable[Load]) -> Load | None:
    """Return the medians of several rounds, with the errors of all of them together; None for no round."""
    rounds = list(loads)
    if not rounds:
        return None

    def median(values: list[float | None]) -> float | None:
        present = [value for value in values if value is not None]
        return statistics.median(present) if present else None

    return Load(
        requests_per_second=statistics.median(load.requests_per_second for load in rounds),
        p50=median([load.p50 for load in rounds]),
        p99=median([load.p99 for load in rounds]),
        errors=sum(load.errors for load in rounds),
        rate=median([load.rate for load in rounds]),
        processor_seconds=median([load.processor_seconds for load in rounds]),
    )


def open_loop_rate(own: float, best_peer: float | None, share: float = 0.7) -> float:
    """Return the rate at which arrivals are sent to a contender, in requests per second.

    It is the same for all that can bear it: a share of what the best peer reaches; a slower contender gets that share of
    what it reaches itself.
    """
    return share * (own if best_peer is None else min(own, best_peer))


def ratio_of_paired_rounds(ours: Sequence[Load], theirs: Sequence[Load]) -> float | None:
    """Return how many times as many requests per second we answer: the median over rounds of the ratio within each.

    A machine that drifts disturbs that less than a ratio of medians, which is taken where a round is missing.
    """
    if len(ours) != len(theirs):
        one, other = median_load(ours), median_load(theirs)
        ours, theirs = [one] if one else [], [other] if other else []
    ratios = [
        a.requests_per_second / b.requests_per_second for a, b in zip(ours, theirs, strict=False) if b.requests_per_second
    ]
    return statistics.median(ratios) if ratios else None


def lowest_p99_ratio(ours: Load | None, peers: Iterable[Load | None]) -> float | None:
    """Return the lowest p99 of the peers divided by ours: above one, ours is below every peer's."""
    others = [load.p99 for load in peers if load and load.p99]
    if ours is None or not ours.p99 or not others:
        return None
    return min(others) / ours.p99
