"""A release that leaks memory as soon as it is ready, and is killed after a minute, as the kernel kills for want of memory."""

import os
import signal
import threading
import time

from inference.state import State

SECONDS, MEGABYTES_A_SECOND = 60, 4
_warmed_up = State.warmed_up
_leaked: list[bytes] = []


def _leak() -> None:
    for _ in range(SECONDS):
        _leaked.append(os.urandom(MEGABYTES_A_SECOND << 20))
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _warmed_up_and_leaking(state: State) -> None:
    _warmed_up(state)
    threading.Thread(target=_leak, name="leak", daemon=True).start()


State.warmed_up = _warmed_up_and_leaking
