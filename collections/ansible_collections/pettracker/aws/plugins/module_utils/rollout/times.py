"""How long the stops of an instance refresh have to be; docs/decisions/0026 derives it. Pure functions only."""

from dataclasses import dataclass
from typing import Any

# CloudWatch looks at an alarm once a minute at least.
MINUTE = 60


@dataclass(frozen=True)
class Times:
    """What takes how long, in seconds, and how often.

    Attributes:
        bake_seconds: for which new hosts are watched before a verdict.
        looks: how often hosts are looked at when there is too little data.
        evidence_seconds: that looking at one host takes, apart from the bake.
        most_hosts: that there are.
        notice_seconds: that Auto Scaling takes to notice an alarm, and the role to notice that a step has come about.
        abandoned_period, abandoned_periods: of the dead man's alarm: seconds, and how many without a heartbeat make it ring.
        timeout: seconds within which one host has to be replaced, and a second fleet to be there.
        checkpoint_delay: seconds of a stop; 0 for as many as it needs.
    """

    bake_seconds: int
    looks: int
    evidence_seconds: int
    most_hosts: int
    notice_seconds: int
    abandoned_period: int
    abandoned_periods: int
    timeout: int
    checkpoint_delay: int = 0

    @property
    def alarm_seconds(self) -> int:
        """From the last heartbeat until AWS goes back.

        The rest of its period, the silent ones, the minute in which CloudWatch looks at the alarm, and what Auto Scaling takes
        to notice it.
        """
        silent = self.abandoned_period * (self.abandoned_periods + 1)
        return silent + min(self.abandoned_period, MINUTE) + self.notice_seconds

    @property
    def look_seconds(self) -> int:
        """Of one look, at the last stop, where all hosts are new."""
        return self.bake_seconds + self.evidence_seconds * self.most_hosts

    @property
    def needed_stop_seconds(self) -> int:
        """Of a stop that outlasts all looks, and the alarm after a controller that dies in the last of them.

        It has begun before that is noticed.
        """
        return self.looks * self.look_seconds + self.alarm_seconds + self.notice_seconds

    @property
    def stop_seconds(self) -> int:
        """Of a stop as it is asked for."""
        return self.checkpoint_delay or self.needed_stop_seconds

    @property
    def verdict_seconds(self) -> int:
        """Within which there has to be a verdict: later nobody vouches for hosts that have none."""
        return self.stop_seconds - self.alarm_seconds

    def derived(self) -> dict[str, Any]:
        """Returns what follows, by name."""
        names = ("alarm_seconds", "look_seconds", "needed_stop_seconds", "stop_seconds", "verdict_seconds")
        return {name: getattr(self, name) for name in names}
