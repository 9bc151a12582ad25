"""Reads the requests that HAProxy has answered from its log.

The log is the balancer's telemetry because it loses nothing: all processes, also those that finish their requests after a
reload, write one line a request to the same file. Counters of "show stat" end with their process, and its times are
averages of the last 1024 requests, from which no percentile can be had.
"""

import re
from dataclasses import dataclass
from pathlib import Path

# https://docs.haproxy.org/2.6/configuration.html#8.2.3: client, date, frontend, backend/server, TR/Tw/Tc/Tr/Ta, status.
LINE = re.compile(
    r"\S+ \[[^\]]+\] (?P<frontend>\S+) (?P<backend>\S+)/(?P<server>\S+) "
    r"-?\d+/-?\d+/-?\d+/(?P<response>-?\d+)/\+?-?\d+ (?P<status>-?\d+) "
)
# HAProxy's word for "no server was chosen".
NO_SERVER = "<NOSRV>"


@dataclass(frozen=True)
class Request:
    """One answered request. `pool` and `target` are None if the balancer chose none.

    `milliseconds` is how long the target took until its response headers were there; None if it sent none, and then
    `status` is the balancer's own (-1: the client had gone).
    """

    port: int
    pool: str | None
    target: str | None
    status: int
    milliseconds: int | None


def parse(line: str) -> Request | None:
    """Return the request of a log line; None if the line tells of something else."""
    found = LINE.match(line)
    if found is None or not found["frontend"].startswith("port_"):
        return None
    chosen = found["server"] != NO_SERVER
    response = int(found["response"])
    return Request(
        port=int(found["frontend"].removeprefix("port_").rstrip("~")),
        pool=found["backend"] if chosen else None,
        target=found["server"] if chosen else None,
        status=int(found["status"]),
        milliseconds=response if chosen and response >= 0 else None,
    )


class BalancerLog:
    """The growing log of one HAProxy; a line that is not yet complete is left for the next time."""

    def __init__(self, path: Path) -> None:
        """Start after what is already there: an earlier cloud's requests are not this one's."""
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0

    def read(self) -> list[Request]:
        """Return the requests that have been logged since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._position)
            text = file.read()
        complete = text[: text.rfind(b"\n") + 1]
        self._position += len(complete)
        requests = (parse(line) for line in complete.decode(errors="replace").splitlines())
        return [one for one in requests if one is not None]
