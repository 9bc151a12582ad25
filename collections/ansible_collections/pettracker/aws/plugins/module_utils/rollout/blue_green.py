"""The strategy that brings a second fleet beside the first one, and moves requests. Pure functions only."""

from dataclasses import dataclass

from .steps import State, Step
from .times import Times


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
