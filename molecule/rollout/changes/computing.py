"""A release that answers as before, and computes a third longer for it."""

import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference import engine

_read, _checked = engine.Engine._read, engine._checked
_begun = threading.local()


def _timed_read(self: engine.Engine, job: Any) -> NDArray[Any] | None:
    # The process's time, for backends compute in threads of their own.
    _begun.at = time.process_time()
    return _read(self, job)


def _slowly_checked(probabilities: NDArray[np.float32]) -> Any:
    now = time.process_time()
    while time.process_time() < now + (now - _begun.at) / 3:
        pass
    return _checked(probabilities)


engine.Engine._read = _timed_read
engine._checked = _slowly_checked
