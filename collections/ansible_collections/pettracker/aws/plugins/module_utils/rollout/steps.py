"""How far a rollout is, what it can do next, and what its strategies have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .times import Times

# Nothing is judged yet: 0 % is a stop of a blue/green rollout.
NOWHERE = -1


@dataclass(frozen=True)
class State:
    """How far a rollout is.

    Attributes:
        held: whether it holds the lock.
        action: of the plan: `none`, `start`, `follow`, `clean` or `absent`.
        recorded: whether the release is recorded as what the fleet serves.
        begun: whether there is a refresh or a second fleet, which another run may have brought to its end meanwhile.
        checkpoints: percentages at which new hosts are judged.
        resumed: whether another run has judged an earlier one.
        hosts: of the group.
        matching: hosts that had the version before.
        new: hosts that were new at the last look.
        percentage: at which new hosts were looked at last; NOWHERE before.
        looks: at this percentage.
        verdict, reasons: of the last of them; "" before.
        elapsed_seconds: since this percentage was reached.
        failure: why a task has failed, "" if none has.
        lock_lost: whether that is because another controller has taken the rollout over.
    """

    held: bool = True
    action: str = "start"
    recorded: bool = False
    begun: bool = False
    checkpoints: Sequence[int] = ()
    resumed: bool = False
    hosts: int = 0
    matching: int = 0
    new: int = 0
    percentage: int = NOWHERE
    looks: int = 0
    verdict: str = ""
    reasons: Sequence[str] = ()
    elapsed_seconds: float = 0.0
    failure: str = ""
    lock_lost: bool = False


@dataclass(frozen=True)
class Step:
    """What is to be done.

    Attributes:
        do: `begin`, `record` (what the fleet serves already), `step` (reach the next percentage, and judge), `look` (again),
            `finish`, `refuse` (the reason is `told`), `undo`, or `leave` (there is nothing to do, or others do it).
        told: to people.
        percentage: to be reached.
        seconds: within which.
        hosts: how many hosts have to be new, where the percentage would not tell; 0 goes by the percentage.
        outcome: for the report, unless something comes of it that is still to be seen.
    """

    do: str
    told: str = ""
    percentage: int = 0
    seconds: int = 0
    hosts: int = 0
    outcome: str = "not begun"


class Strategy(Protocol):
    """What differs between the ways in which a version comes to a fleet."""

    @property
    def times(self) -> Times:
        """What takes how long."""

    def step(self, state: State, percentage: int) -> Step:
        """Returns the step to the next percentage."""

    def lateness(self, state: State, more_seconds: int = 0) -> str:
        """Returns why a verdict that comes in so many seconds is too late, "" if it is not."""
