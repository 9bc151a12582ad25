"""How large a group shall be: the arithmetic of scaling policies, without any state.

Source: Amazon EC2 Auto Scaling user guide, "Step and simple scaling policies" (adjustment types, rounding, instance warm-up)
and "Target tracking scaling policies". How target tracking computes is not documented in full; what is not is said below.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Ten instances at exactly the target are enough, whatever binary fractions make of it.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Step:
    """A step adjustment; bounds are relative to the alarm's threshold, None is infinite."""

    lower: float | None
    upper: float | None
    amount: int


def adjusted(capacity: int, kind: str, amount: int, least: int = 0) -> int:
    """Return what an adjustment of type `kind` makes of a capacity; `least` is MinAdjustmentMagnitude.

    Percentages are rounded towards zero, but not to zero.
    """
    if kind == "ExactCapacity":
        return amount
    if kind == "ChangeInCapacity":
        return capacity + amount
    exact = capacity * amount / 100
    size = max(math.floor(abs(exact)), 1 if exact else 0, least)
    return capacity + (size if amount > 0 else -size)


def amount_of_step(steps: Sequence[Step], breach: float) -> int | None:
    """Return the adjustment of the step that the metric's distance from the threshold falls into, None if into none.

    Above the threshold a step includes its lower bound, below it its upper bound.
    """
    for step in steps:
        lower = -math.inf if step.lower is None else step.lower
        upper = math.inf if step.upper is None else step.upper
        if (lower <= breach < upper) if breach >= 0 else (lower < breach <= upper):
            return step.amount
    return None


def stepped(desired: int, warming: int, kind: str, amount: int, least: int = 0) -> int:
    """Return the capacity after a step of `amount` while `warming` of the desired instances warm up.

    Those do not count when a step adds, so that a further step adds only what the first has not; and nothing is taken away
    before they are warm.
    """
    warm = desired - warming
    wanted = adjusted(warm, kind, amount, least)
    if wanted >= warm:
        return max(desired, wanted)
    return desired if warming else wanted


def tracked_out(desired: int, warm: int, value: float, target: float) -> int:
    """Return the capacity that brings the metric of `warm` instances from `value` down to its target, never less than now.

    Proportional; instances that are warming up count as capacity and not in the metric.
    """
    return max(desired, math.ceil(warm * value / target - TOLERANCE))


def tracked_in(desired: int, warming: int, warm: int, value: float, target: float) -> int:
    """Return the capacity after one cautious step down.

    "Scales in more gradually" is all that is documented: here one instance each time the alarm is acted upon, none while
    others warm up, and none whose load would bring the rest above the target.
    """
    if warming:
        return desired
    return min(desired, max(desired - 1, math.ceil(warm * value / target - TOLERANCE)))
