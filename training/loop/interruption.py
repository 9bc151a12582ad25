"""Who may ask a training to stop: SIGTERM, SIGINT, and EC2 with a Spot notice."""

import http.client
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from urllib.parse import urlsplit

Say = Callable[[str], None]

_TOKEN_PATH = "/latest/api/token"  # noqa: S105
_ACTION_PATH = "/latest/meta-data/spot/instance-action"
# Seconds. AWS advises to ask every five; the notice comes two minutes ahead (EC2 user guide, "Spot Instance interruption
# notices"). A token is asked for each time: no state that could go stale.
INTERVAL = 5.0
_TIMEOUT = 2.0
_TOKEN_LIFETIME = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}


class Interruption:
    """Whether the training is to stop, and why. The loop looks at it between two steps.

    Attributes:
        reason: None: go on.
    """

    def __init__(self) -> None:
        self.reason: str | None = None

    @contextmanager
    def watched(self, spot_notices: str, warn: Say, interval: float = INTERVAL) -> Iterator[None]:
        """Listen to signals and, where there is a metadata service, to it. A second signal has its usual effect.

        Args:
            spot_notices: base URL of the instance metadata service; "": none.
            interval: seconds between two looks at it.
        """
        before = {number: signal.signal(number, self._signalled) for number in (signal.SIGTERM, signal.SIGINT)}
        self._before = before
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(spot_notices, warn, interval, done), daemon=True)
        if spot_notices:
            watcher.start()
        try:
            yield
        finally:
            done.set()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        self.reason = self.reason or signal.Signals(number).name
        signal.signal(number, self._before[signal.Signals(number)])

    def _watch(self, url: str, warn: Say, interval: float, done: threading.Event) -> None:
        warned = False
        while not done.is_set():
            try:
                notice = spot_notice(url)
            except (OSError, http.client.HTTPException) as error:
                if not warned:
                    warn(f"no Spot notices: {url} does not answer ({error}); it is asked again every {interval:g} s")
                warned = True
            else:
                warned = False
                if notice is not None:
                    self.reason = self.reason or f"a Spot notice ({notice})"
                    return
            done.wait(interval)


def spot_notice(url: str) -> str | None:
    """Ask IMDSv2 whether the host is to be taken away.

    Returns:
        The notice, such as {"action": "terminate", "time": "2026-01-01T00:02:00Z"}; None where there is none.

    Raises:
        OSError: nobody answers, or not as IMDSv2 does.
        http.client.HTTPException: the same.
    """
    status, token = _ask(url, "PUT", _TOKEN_PATH, _TOKEN_LIFETIME)
    if status != http.client.OK:
        raise OSError(f"status {status} in place of a token")
    status, document = _ask(url, "GET", _ACTION_PATH, {"X-aws-ec2-metadata-token": token})
    if status == http.client.NOT_FOUND:
        return None
    if status != http.client.OK:
        raise OSError(f"status {status}")
    return document[:200]


def _ask(url: str, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(4096).decode(errors="replace").strip()
    finally:
        connection.close()
