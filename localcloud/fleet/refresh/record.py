"""One instance refresh: what was asked for, how far it is, and how DescribeInstanceRefreshes shows it.

Source: Amazon EC2 Auto Scaling API reference, InstanceRefresh and RollbackDetails.
"""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from localcloud.fleet.configuration import Configuration
from localcloud.fleet.refresh.preferences import Preferences

ACTIVE = frozenset({"Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress"})


def now() -> datetime:
    """Return the time as moto's answers have it: UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass
class Round:
    """One pass over a group, forwards or back.

    `outdated` are the ids of the instances to replace, `known` those of all that were there when it began; what came later
    is new. `total` is how many instances the group has now, `done` how many of them are as they shall be. `reached` is the
    latest checkpoint that is behind it, 0 before the first. Times are the clock's seconds.
    """

    outdated: frozenset[str]
    known: frozenset[str]
    progressed: float
    checkpoints: tuple[int, ...]
    total: int = 0
    done: int = 0
    reached: int = 0
    surplus: int = 0
    paused_until: float | None = None

    @property
    def percentage(self) -> int:
        """How much is done, rounded down; of nothing to do all is done."""
        return 100 * self.done // self.total if self.total else 100

    @property
    def ahead(self) -> int:
        """The next checkpoint, the last one if there is no other."""
        return next((one for one in self.checkpoints if one > self.percentage), self.checkpoints[-1])

    def passed(self) -> int:
        """Return the latest checkpoint that is reached, 0 before the first; the last one is the end, nobody waits there."""
        return max((one for one in self.checkpoints[:-1] if one <= self.percentage), default=0)


@dataclass
class Refresh:
    """One instance refresh of one group."""

    group_name: str
    preferences: Preferences
    desired: Configuration | None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "Pending"
    reason: str | None = None
    started: datetime = field(default_factory=now)
    ended: datetime | None = None
    forwards: Round | None = None
    back: Round | None = None
    rollback: dict[str, Any] | None = None
    baked_at: float = 0.0
    waits_for_transitions: bool = True

    @property
    def active(self) -> bool:
        """Whether it stands in the way of another refresh."""
        return self.status in ACTIVE

    @property
    def current(self) -> Round | None:
        """The round that replaces instances just now."""
        return {"InProgress": self.forwards, "RollbackInProgress": self.back}.get(self.status)

    def percentage(self) -> int:
        """Return PercentageComplete; during a rollback it goes back down to zero."""
        if self.forwards is None:
            return 0
        if self.back is None:
            return self.forwards.percentage
        return min(self.forwards.percentage, 100 - self.back.percentage)

    def remaining(self) -> int:
        """Return InstancesToUpdate; since a rollback began, what the refresh had not updated until then."""
        return self.forwards.total - self.forwards.done if self.forwards else 0

    def end(self, status: str, reason: str | None = None) -> None:
        """Settle it."""
        self.status, self.reason, self.ended = status, reason, now()

    def describe(self) -> dict[str, Any]:
        """Return an InstanceRefresh structure."""
        described: dict[str, Any] = {
            "InstanceRefreshId": self.id,
            "AutoScalingGroupName": self.group_name,
            "Status": self.status,
            "StartTime": self.started,
            "Strategy": "Rolling",
            "Preferences": self.preferences.describe(),
        }
        if self.forwards is not None:
            progress = {"PercentageComplete": self.percentage(), "InstancesToUpdate": self.remaining()}
            described |= progress | {"ProgressDetails": {"LivePoolProgress": progress}}
        optional = {
            "StatusReason": self.reason,
            "EndTime": self.ended,
            "RollbackDetails": self.rollback,
            "DesiredConfiguration": self.desired.describe() if self.desired else None,
        }
        return described | {name: value for name, value in optional.items() if value is not None}
