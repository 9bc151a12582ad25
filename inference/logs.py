"""Structured logs: one JSON object per line."""

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

_log = logging.getLogger("inference")
# What Tornado says of requests that are not HTTP. It answers them itself, so that no handler sees them.
_MALFORMED = "Malformed HTTP message"
_MOST_CHARACTERS = 300


class _JsonLines(logging.Formatter):
    def __init__(self, constant: dict[str, str]) -> None:
        super().__init__()
        self._constant = constant

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **self._constant,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class Limited:
    """Lines that anybody can cause at no cost: some at once, and then some a second. What is left out is counted.

    Args:
        left_out: called for each line that is.
        lines: at once.
        per_second: from then on.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        left_out: Callable[[], object] = lambda: None,
        lines: float = 200,
        per_second: float = 20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._left_out, self._most, self._per_second, self._clock = left_out, lines, per_second, clock
        self._allowance, self._at, self._omitted = lines, clock(), 0

    def info(self, event: str, **fields: object) -> None:
        """Write the line, unless there were too many; the next one that is written tells how many were left out."""
        if not self.admits():
            return
        if self._omitted:
            info("lines left out", count=self._omitted)
            self._omitted = 0
        info(event, **fields)

    def admits(self) -> bool:
        """Return whether one more line may be written, and count it."""
        now = self._clock()
        self._allowance = min(self._most, self._allowance + (now - self._at) * self._per_second)
        self._at = now
        if self._allowance < 1:
            self._omitted += 1
            self._left_out()
            return False
        self._allowance -= 1
        return True


class _Malformed(logging.Filter):
    """Turns what Tornado says of malformed requests into a line of ours, and drops what else it says in passing."""

    def __init__(self, limited: Limited) -> None:
        super().__init__()
        self._limited = limited

    def filter(self, record: logging.LogRecord) -> bool:
        if str(record.msg).startswith(_MALFORMED) and isinstance(record.args, tuple) and len(record.args) == 2:
            remote, problem = (ascii(str(each))[1:-1][:_MOST_CHARACTERS] for each in record.args)
            self._limited.info("malformed request", remote=remote, problem=problem)
            return False
        return record.levelno >= logging.WARNING


def log_malformed_requests(limited: Limited) -> None:
    """Log requests that are not HTTP, which are answered without a handler."""
    general = logging.getLogger("tornado.general")
    general.setLevel(logging.INFO)
    general.filters = [_Malformed(limited)]


def configure(constant: dict[str, str]) -> None:
    """Send all logs to standard output.

    Args:
        constant: fields that every line carries, such as the instance id.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines(constant))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    _log.setLevel(logging.INFO)


def info(event: str, **fields: object) -> None:
    _log.info(event, extra={"fields": fields})


def error(event: str, *, exc_info: BaseException | None = None, **fields: object) -> None:
    _log.error(event, exc_info=exc_info, extra={"fields": fields})
