"""The judge of latencies as it was: hosts asked one after the other, and at 100 % new hosts beside old ones of before."""

import statistics

from scipy.stats import mannwhitneyu

from benchmarks.judge.hosts import OLD
from benchmarks.judge.record import Sample

SLOWDOWN, ALPHA = 1.2, 0.01


def rejects(samples: list[Sample], number: int, release: str) -> bool:
    """Say whether a rollout is rejected, at its canary or at its end, when the old host was seen in the sample before."""
    new, old, earlier = (
        samples[number]["in_turn"][release],
        samples[number]["in_turn"][OLD],
        samples[number - 1]["in_turn"][OLD],
    )
    return slower(new, old) or slower(new, earlier)


def slower(new: list[list[float]], old: list[list[float]]) -> bool:
    """Say whether latencies are longer, by quartile and median and by the Mann-Whitney test; of each input, in seconds."""
    medians = [statistics.median(values) for values in old]
    ours = sorted(value / median for values, median in zip(new, medians, strict=True) for value in values)
    theirs = sorted(value / median for values, median in zip(old, medians, strict=True) for value in values)
    ratio = min(_quantile(ours, share) / _quantile(theirs, share) for share in (0.25, 0.5))
    return bool(ratio > SLOWDOWN and mannwhitneyu(ours, theirs, alternative="greater").pvalue < ALPHA)


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[int(share * (len(ordered) - 1))]
