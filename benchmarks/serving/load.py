"""The two kinds of load. Both cost little, since they share the cores with what they measure.

Closed loop: `wrk`, whose clients each wait for an answer before they send the next request. Open loop: arrivals at a constant
rate, each in a task of its own over aiohttp, whatever happened to the ones before; the latency counts from the moment at which
a request was due, so a server that stalls is charged for those who would have arrived meanwhile (coordinated omission).
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.statistics import Load, percentile

_BOUNDARY = "photo-of-a-cat"
_LUA = Path(__file__).with_name("wrk.lua")
TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Request:
    """What is posted: where, the file that holds the body, and its content type."""

    url: str
    body: Path
    content_type: str


@dataclass(frozen=True)
class Answer:
    """One request of an open-loop load. Times in seconds; `due` counts from the start. Status 0: no answer."""

    due: float
    latency: float
    status: int
    retry_after: bool


def body_of(photo: bytes, form_field: str | None) -> tuple[bytes, str]:
    """Return a body and its content type: the photo itself, or a multipart form with the photo in a field."""
    if form_field is None:
        return photo, "image/jpeg"
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{form_field}"; filename="cat.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + photo + f"\r\n--{_BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={_BOUNDARY}"


def closed_loop(request: Request, clients: int, seconds: float) -> Load:
    """Load with wrk.

    Raises:
        RuntimeError: wrk itself failed.
    """
    done = subprocess.run(
        [
            *("wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{max(1, round(seconds))}s"),
            *("--timeout", f"{TIMEOUT_SECONDS}s", "--script", str(_LUA), request.url, "--"),
            *(str(request.body), request.content_type),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if not found:
        raise RuntimeError(f"wrk failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return parse_wrk(found[1])


def parse_wrk(line: str) -> Load:
    """Turn the line of wrk.lua into a load."""
    result = json.loads(line)
    return Load(
        requests_per_second=(result["requests"] - result["status"]) / (result["microseconds"] / 1e6),
        p50=result["p50"] / 1e6,
        p99=result["p99"] / 1e6,
        errors=result["status"] + result["lost"],
    )


def open_loop(request: Request, rate: float, seconds: float) -> list[Answer]:
    """Load at a constant rate, from a process of its own."""
    arguments = [request.url, str(request.body), request.content_type, str(rate), str(seconds)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving.arrivals", *arguments], stdout=subprocess.PIPE, check=True, text=True
    )
    return [Answer(**answer) for answer in json.loads(done.stdout)]


def summary(answers: list[Answer], rate: float, seconds: float) -> Load:
    """Return an open-loop load's figures; the latencies are those of status 200."""
    served = [answer for answer in answers if answer.status == 200]
    good = [answer.latency for answer in served]
    # What the server needed after the last arrival counts, or a backlog would look like throughput.
    ended = max([seconds, *(answer.due + answer.latency for answer in served)])
    return Load(
        requests_per_second=len(good) / ended,
        p50=percentile(good, 50) if good else None,
        p99=percentile(good, 99) if good else None,
        errors=len(answers) - len(good),
        rate=rate,
    )
