"""What one part of AWS does not know yet of what another part has just made.

EC2's describes lag behind its changes: https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html. So do others
behind IAM: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency. AWS
does not tell for how long; here it is one number of seconds for all.
"""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager


class Consistency:
    """Knows what was made, or got another value, less than `delay` seconds ago by `clock`."""

    def __init__(self, delay: float, clock: Callable[[], float]) -> None:
        self.delay = delay
        self._clock = clock
        self._lock = threading.Lock()
        self._made: dict[Hashable, float] = {}
        self._request = threading.local()

    def made(self, what: Hashable) -> None:
        """Note that `what` has just been made."""
        now = self._clock()
        with self._lock:
            self._made = {one: then for one, then in self._made.items() if now - then < self.delay}
            self._made[what] = now

    @property
    def has_news(self) -> bool:
        """Whether anything may be new."""
        return self.delay > 0 and bool(self._made)

    def is_new(self, what: Hashable) -> bool:
        """Tell whether other parts of AWS do not know `what` yet."""
        then = self._made.get(what)
        return then is not None and self._clock() - then < self.delay

    @contextmanager
    def describing(self) -> Iterator[None]:
        """Let this thread see for a while what EC2's describes see."""
        self._request.describes = True
        try:
            yield
        finally:
            self._request.describes = False

    def hidden(self, what: Hashable) -> bool:
        """Tell whether a describe is being answered in this thread that does not show `what` yet."""
        return getattr(self._request, "describes", False) and self.is_new(what)
