"""What an experiment's figures say, and what they do not: figures in, sentences out. Pure functions only.

As for the judge of a rollout, a difference has to be both significant and large enough to matter
(`judge.py` of the collection, with which it shares its limits). Unlike there both directions count:
nobody knows beforehand which variant is better.
"""

import statistics
from dataclasses import dataclass, field

from ansible_collections.pettracker.aws.plugins.module_utils.rollout.limits import Limits
from scipy.stats import binomtest, fisher_exact, wilcoxon


@dataclass(frozen=True)
class Side:
    """What one fleet did.

    Attributes:
        requests: predictions that were answered or failed.
        errors: of these, answers with status 500 and above.
        p50, p99: seconds that answers took; None where none was measured.
        medians: of the seconds, by period (seconds since the epoch).
    """

    requests: int = 0
    errors: int = 0
    p50: float | None = None
    p99: float | None = None
    medians: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Copies:
    """What became of the predictions that were to be copied.

    Attributes:
        compared: copies whose answer was compared with that of the live fleet; the next four are of these.
        agreed: the likeliest class was the same.
        slower: the candidate took more than a fifth longer than the live host, by what each says of itself.
        classes, common: classes that the live fleet named, and how many of them the candidate named as well.
        confidence_difference: mean size of the difference in confidence in the likeliest class (0 to 1).
        failed: copies without a usable answer.
        dropped: copies that were not made.
    """

    compared: int = 0
    agreed: int = 0
    slower: int = 0
    classes: int = 0
    common: int = 0
    confidence_difference: float | None = None
    failed: int = 0
    dropped: int = 0


@dataclass(frozen=True)
class Finding:
    """One sentence.

    Attributes:
        verdict: `better` or `worse`, which the candidate is; `alike`: no difference that counts; `unknown`: too little to say.
    """

    verdict: str
    sentence: str


def compare_ab(live: Side, candidate: Side, limits: Limits) -> list[Finding]:
    """Return what there is to say of two fleets that share the clients between them."""
    return [_errors(live, candidate, limits), _latencies(live, candidate, limits)]


def compare_shadow(copies: Copies, limits: Limits) -> list[Finding]:
    """Return what there is to say of copies."""
    made = copies.compared + copies.failed
    if not made:
        return [
            Finding(
                "unknown", "No copy was made: there was no request, or the live hosts are of a release that does not know how."
            )
        ]
    return [_agreement(copies), _failures(copies, made, limits), _slowness(copies, limits)]


def interval(hits: int, tries: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share (Journal of the American Statistical Association 22, 1927)."""
    found = binomtest(hits, tries).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def fewest_periods(alpha: float) -> int:
    """Return how many pairs the signed-rank test needs to be able to find anything: 2/2^n is its smallest probability."""
    return next(count for count in range(1, 64) if 2 / 2**count < alpha)


def _errors(live: Side, candidate: Side, limits: Limits) -> Finding:
    said = (
        f"{candidate.errors} of {candidate.requests} requests to the candidate failed, and {live.errors} of {live.requests} to "
        "the live fleet"
    )
    if min(live.requests, candidate.requests) < limits.minimum_requests:
        return Finding("unknown", f"{said}: too few to compare, {limits.minimum_requests} each are needed.")
    table = [[candidate.errors, candidate.requests - candidate.errors], [live.errors, live.requests - live.errors]]
    worse = candidate.errors / candidate.requests > live.errors / live.requests
    return _difference(said, float(fisher_exact(table).pvalue), limits, worse=worse)


def _latencies(live: Side, candidate: Side, limits: Limits) -> Finding:
    """Compare the medians of the same periods, which had the same load."""
    periods = sorted(live.medians.keys() & candidate.medians.keys())
    needed = fewest_periods(limits.alpha)
    if len(periods) < needed:
        return Finding(
            "unknown", f"{len(periods)} periods with answers of both are too few to compare latencies: {needed} are needed."
        )
    ours, theirs = ([side.medians[period] for period in periods] for side in (candidate, live))
    ratio = statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True) if other > 0)
    same = all(mine == other for mine, other in zip(ours, theirs, strict=True))
    probability = 1.0 if same else float(wilcoxon(ours, theirs).pvalue)
    said = f"The candidate's median latency is {ratio:.2f} times that of the live fleet, over {len(periods)} periods"
    matters = not 1 / limits.slowdown <= ratio <= limits.slowdown
    return _difference(said, probability, limits, worse=ratio > 1, matters=matters)


def _difference(said: str, probability: float, limits: Limits, *, worse: bool, matters: bool = True) -> Finding:
    """Return the verdict on a difference, which has to be significant and to matter."""
    if probability >= limits.alpha:
        return Finding("alike", f"{said}. That is no significant difference ({_by_chance(probability)}).")
    if not matters:
        return Finding("alike", f"{said}: significant ({_by_chance(probability)}), but too little to matter.")
    return Finding("worse" if worse else "better", f"{said}; {_by_chance(probability)}.")


def _agreement(copies: Copies) -> Finding:
    if not copies.compared:
        return Finding("unknown", "No answer of the candidate could be compared.")
    low, high = interval(copies.agreed, copies.compared)
    return Finding(
        "alike" if copies.agreed == copies.compared else "unknown",
        f"The candidate's likeliest class is the same in {copies.agreed} of {copies.compared} answers "
        f"({copies.agreed / copies.compared:.1%}; 95 % interval {low:.1%} to {high:.1%}). Which of the two is right where they "
        "differ, no copy can tell.",
    )


def _failures(copies: Copies, made: int, limits: Limits) -> Finding:
    said = f"{copies.failed} of {made} copies got no usable answer"
    if made < limits.minimum_requests:
        return Finding("unknown", f"{said}: too few to say more.")
    # The live fleet answered each of them, or there would have been no copy.
    probability = float(fisher_exact([[copies.failed, copies.compared], [0, made]], alternative="greater").pvalue)
    if copies.failed and probability < limits.alpha:
        return Finding("worse", f"{said}, where the live fleet answered; {_by_chance(probability)}.")
    return Finding("alike", f"{said}.")


def _slowness(copies: Copies, limits: Limits) -> Finding:
    """Compare pairs, each of the same photo, by the sign test."""
    if copies.compared < limits.minimum_requests:
        return Finding(
            "unknown", f"{copies.compared} pairs are too few to compare latencies: {limits.minimum_requests} are needed."
        )
    probability = float(binomtest(copies.slower, copies.compared, 0.5, alternative="greater").pvalue)
    said = f"The candidate took more than {limits.slowdown - 1:.0%} longer for {copies.slower} of {copies.compared} photos"
    if probability < limits.alpha:
        return Finding("worse", f"{said}, which is more than half; {_by_chance(probability)}.")
    return Finding("alike", f"{said}; it has only the copies to do, so that is no promise for the whole load.")


def _by_chance(probability: float) -> str:
    return f"by chance with a probability of {probability:.2g}"
