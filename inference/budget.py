"""How many bytes of request bodies the process holds, and who has to go when there is no room for more."""

import math
import random
import time
from collections.abc import Callable

# Seconds after which what came counts for little (1/e) in the pace of an upload.
_MEMORY_SECONDS = 2.0
# Uploads that are compared when room is made; of more, some at random, so that it takes no longer with thousands.
_COMPARED = 64


class Upload:
    """A body that comes, or has come.

    Attributes:
        held: bytes.

    Args:
        end: called when its bytes were given to others, with the upload not having been asked.
    """

    def __init__(self, end: Callable[[], None]) -> None:
        self.end = end
        self.held = 0
        self._recent, self._at = 0.0, 0.0

    def came(self, size: int, now: float) -> None:
        self._recent = self._recent_at(now) + size
        self._at = now

    def cost(self, now: float) -> float:
        """Return how long, in seconds, the upload would take at its present pace to send again what is held of it."""
        return self.held / max(1.0, self._recent_at(now) / _MEMORY_SECONDS)

    def _recent_at(self, now: float) -> float:
        return self._recent * math.exp((self._at - now) / _MEMORY_SECONDS)


class Budget:
    """Bytes that a process may hold of all bodies together. All methods belong to the event loop's thread.

    Where there is no room, room is made: a few clients that send some megabytes and then hardly anything would otherwise keep
    everybody else out for as long as a body may take. The upload that holds most for its pace is ended, which may be the one
    that asks. Those that are complete are worked on, and stay.

    Attributes:
        limit: bytes that may be held.
        held: bytes that are.

    Args:
        clock: monotonic time in seconds.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit, self.held, self._clock = limit, 0, clock
        self._coming: set[Upload] = set()

    @property
    def coming(self) -> int:
        """Bodies that are expected and not complete."""
        return len(self._coming)

    def expect(self, upload: Upload) -> None:
        """Count an upload as coming, of which no byte may be there yet."""
        self._coming.add(upload)

    def take(self, upload: Upload, size: int) -> bool:
        """Hold bytes that came; False if there is no room, whereupon none of the upload's bytes are held any more."""
        now = self._clock()
        upload.came(size, now)
        upload.held += size
        self.held += size
        while self.held > self.limit:
            # Nobody else has to go for one that could not be held even alone.
            costliest = upload if upload.held > self.limit else self._costliest(now)
            self.give_back(costliest)
            if costliest is upload:
                return False
            costliest.end()
        return True

    def complete(self, upload: Upload) -> None:
        """Keep what is held until it is given back: all of the upload is there."""
        self._coming.discard(upload)

    def give_back(self, upload: Upload) -> None:
        """Hold nothing of an upload any more."""
        self._coming.discard(upload)
        self.held -= upload.held
        upload.held = 0

    def _costliest(self, now: float) -> Upload:
        # Who holds nothing makes no room.
        coming = [upload for upload in self._coming if upload.held]
        if len(coming) > _COMPARED:
            coming = random.sample(coming, _COMPARED)
        return max(coming, key=lambda each: each.cost(now))
