"""How many instances a refresh replaces now: pure arithmetic on healthy percentages and checkpoints.

Source: Amazon EC2 Auto Scaling API reference, RefreshPreferences (MinHealthyPercentage, MaxHealthyPercentage); user guide, "How
an instance refresh works in an Auto Scaling group" and "Add checkpoints to an instance refresh".
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Situation:
    """A group in the middle of a refresh; all numbers are instances.

    `serving` counts those that serve and are warmed up, old ones among them. `idle` are to be replaced and do not serve,
    `replaceable` are all that may be replaced now, idle ones among them. `short` is how many replacements the desired
    capacity lacks. `quota` is how many may be replaced before the next checkpoint.
    """

    desired: int
    serving: int
    replaceable: int
    idle: int
    short: int
    quota: int


@dataclass(frozen=True)
class Step:
    """Instances to terminate now, and how many to run above the desired capacity from now on."""

    terminate: int
    surplus: int


def count_of(percentage: int, total: int) -> int:
    """Return how many of `total` instances a percentage is, rounded up: a part of an instance is a whole one."""
    return -(-percentage * total // 100)


def next_step(situation: Situation, minimum: int, maximum: int | None) -> Step:
    """Return the next step within `minimum` and `maximum` healthy percentage.

    Without a maximum an instance is terminated and its replacement launched at the same time, one at least, even where the
    minimum leaves no room for it. With a maximum, replacements above the desired capacity come first; where both bounds leave
    no room, one instance too many is launched all the same. So says the API reference on MaxHealthyPercentage.

    An instance to be replaced that does not serve costs no healthy capacity, so it goes at once.
    """
    floor = count_of(minimum, situation.desired)
    room = 0
    if maximum is not None:
        room = situation.desired * maximum // 100 - situation.desired
        if room == 0 and floor >= situation.desired:
            room = 1
    spare = max(0, situation.serving - floor)
    if spare == 0 and maximum is None and situation.short == 0 and situation.serving >= situation.desired:
        spare = 1
    open_to_replacement = min(situation.quota, situation.replaceable)
    terminate = max(0, min(open_to_replacement, situation.idle + spare))
    return Step(terminate, max(0, min(room, open_to_replacement - terminate)))
