"""The two strategies of a rollout: an instance refresh of the fleet, and a second fleet beside it. Pure functions only."""

import math
from dataclasses import dataclass

from .instance_refreshes import hosts_at
from .steps import NOWHERE, State, Step
from .times import Times


@dataclass(frozen=True)
class Rolling:
    """An instance refresh, which goes on by itself when a stop is over."""

    times: Times

    def step(self, state: State, percentage: int) -> Step:
        """Returns the step to a percentage of the hosts: each may take its time-out, and AWS ends a stop first."""
        first = state.percentage == NOWHERE
        coming = hosts_at(percentage, state.hosts) - (state.matching if first else state.new)
        waits = self.times.stop_seconds if state.resumed or not first else 0
        return Step(
            "step",
            percentage=percentage,
            seconds=self.times.timeout * max(coming, 1) + waits,
            # Hosts that had the version before may count as new, or not.
            hosts=state.matching + 1 if state.matching and first else 0,
        )

    def lateness(self, state: State, more_seconds: int = 0) -> str:
        """Returns why AWS could not go back any more before it goes on, if nobody vouched for the hosts after that."""
        if state.elapsed_seconds + more_seconds <= self.times.verdict_seconds:
            return ""
        took, within, look = math.floor(state.elapsed_seconds), self.times.verdict_seconds, self.times.evidence_seconds
        return (
            f"The verdict on {state.percentage} % took {took} seconds, and must not take more than {within}. Raise "
            f"rollout_evidence_seconds, which is {look}, if looking at a host takes longer than that."
        )


@dataclass(frozen=True)
class BlueGreen:
    """A second fleet, whose hosts come at once, and whose share of the requests stays until somebody changes it."""

    times: Times

    def step(self, _state: State, percentage: int) -> Step:
        """Returns the step to a percentage of the requests."""
        return Step("step", percentage=percentage, seconds=self.times.timeout)

    def lateness(self, _state: State, _more_seconds: int = 0) -> str:
        """Returns nothing: no verdict is too late."""
        return ""
