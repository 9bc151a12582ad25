"""Structured logs: one JSON object per line."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

_log = logging.getLogger("inference")


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
