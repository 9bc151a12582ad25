"""Whether the process should get traffic."""

import time
from collections.abc import Callable
from enum import StrEnum

from inference.errors import DrainingError, NotReadyError


class Phase(StrEnum):
    """Life of the process. Requests are served in READY and DRAINING."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"


class State:
    """Readiness as /ready tells it. All methods belong to the event loop's thread.

    Args:
        clock: monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._phase = Phase.STARTING
        self._draining_since = 0.0

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def drained_seconds(self) -> float:
        """Seconds since draining began; 0 when it has not."""
        return self._clock() - self._draining_since if self._phase is Phase.DRAINING else 0.0

    def warmed_up(self) -> None:
        if self._phase is Phase.STARTING:
            self._phase = Phase.READY

    def accept(self) -> None:
        """Take traffic again.

        Raises:
            NotReadyError, DrainingError: the model is not warm yet; the process is ending.
        """
        self.check_serving()
        self._phase = Phase.READY

    def drain(self) -> None:
        """Ask for no more traffic, but serve what comes."""
        if self._phase is Phase.READY:
            self._phase = Phase.DRAINING
            self._draining_since = self._clock()

    def stop(self) -> None:
        self._phase = Phase.STOPPING

    def check_ready(self) -> None:
        """Raise NotReadyError or DrainingError unless new traffic is welcome."""
        self.check_serving()
        if self._phase is Phase.DRAINING:
            raise DrainingError("This host is draining.")

    def check_serving(self) -> None:
        """Raise NotReadyError or DrainingError unless requests are answered."""
        if self._phase is Phase.STARTING:
            raise NotReadyError("The model is being loaded.")
        if self._phase is Phase.STOPPING:
            raise DrainingError("This process is ending.")
