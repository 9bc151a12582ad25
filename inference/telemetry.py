"""Latencies and failures for CloudWatch, sent as StatsD to the agent on this host.

The format, `name:value|type|#tag:value`, is that of "Retrieve custom metrics with StatsD" in the CloudWatch user guide; the
agent makes dimensions of the tags and adds those of the instance. Our own because it is one line of text a figure, and
PyPI's `statsd` has had no release since 2022.
"""

import asyncio
import socket
from contextlib import suppress

from inference import logs
from inference.metric_table import METRICS

# Between two counts of no error: within each interval of the agent, which is a minute by default, there are some.
ZERO_SECONDS = 5.0
# StatsD calls every distribution a timing, whatever is measured.
_TYPES = {"counter": "c", "histogram": "ms"}


class Telemetry:
    """Sends each figure at once, as a datagram that is lost when nobody listens. No method blocks or raises.

    Args:
        address: host:port of the agent; "": nothing is sent.
    """

    def __init__(self, address: str) -> None:
        self._socket: socket.socket | None = None
        if not address:
            return
        host, _, port = address.rpartition(":")
        try:
            family, kind, protocol, _, target = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setblocking(False)
            self._socket.connect(target)
        except OSError as error:
            # A host without metrics still serves.
            logs.error("no telemetry", address=address, reason=str(error))
            self.close()

    def latency(self, seconds: float) -> None:
        """Tell how long an answered prediction took."""
        self._send(_line("latency", f"{seconds * 1000:.3f}"))

    def error(self, code: str) -> None:
        """Count a prediction that failed for a reason of the server's own; `code` is the error code of the answer."""
        self.count("errors", 1, code=code)

    async def count_no_errors(self) -> None:
        """Count no error again and again, until cancelled.

        An alarm takes a minute without a count for one that it knows nothing of, and judges older ones instead ("Configuring
        how CloudWatch alarms treat missing data" in the CloudWatch user guide).
        """
        while True:
            self._send(_line("errors", "0"))
            await asyncio.sleep(ZERO_SECONDS)

    def count(self, key: str, number: int, **tags: str) -> None:
        """Add to a counter of the table; a number of 0 is not sent."""
        if number:
            self._send(_line(key, str(number), **tags))

    def value(self, key: str, value: float) -> None:
        """Tell one value of a histogram of the table."""
        self._send(_line(key, f"{value:.6f}"))

    def close(self) -> None:
        """Send nothing any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, line: str) -> None:
        if self._socket is not None:
            # The buffer is full, or an earlier datagram came back because nobody listens.
            with suppress(OSError):
                self._socket.send(line.encode())


def _line(key: str, value: str, **tags: str) -> str:
    metric = METRICS[key]
    labels = ",".join(f"{name}:{text}" for name, text in tags.items())
    return f"{metric.cloudwatch}:{value}|{_TYPES[metric.kind]}" + (f"|#{labels}" if labels else "")
