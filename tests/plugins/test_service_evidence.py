"""A host's service is looked at as it is, and one that does not answer is evidence as well."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bundle import load as load_bundle
from tests.bundles import tiny_bundle
from tests.inference.servers import serving
from tests.plugins.loading import load


def look(url: str, probes: int = 0, bundle: Path | None = None) -> dict[str, Any]:
    parameters = {"url": url, "bundle": str(bundle or tiny_bundle()), "probes": probes, "timeout": 5.0}
    result: dict[str, Any] = load("modules", "service_evidence").run(parameters)
    return result


def test_a_service_that_serves_is_measured() -> None:
    with serving(tiny_bundle()) as running:
        seen = look(running.url, probes=2)
        after = look(running.url)
    assert (seen["ready"], seen["reason"], seen["changed"]) == (True, "", False)
    assert seen["digest"] == load_bundle(tiny_bundle()).digest
    cases = {case.input for case in load_bundle(tiny_bundle()).golden().cases}
    assert [len(each) for each in seen["probes"]["latencies"].values()] == [2] * len(cases)
    assert all(0 < seconds < 5 for each in seen["probes"]["latencies"].values() for seconds in each)
    assert seen["probes"]["errors"] == []
    # The probes are no live traffic of the look that made them, and the next one counts them.
    assert seen["counters"]["requests"] == 0
    assert (after["counters"]["requests"], after["counters"]["errors"]) == (2 * len(cases), 0)
    assert after["counters"]["started"] == seen["counters"]["started"]
    assert after["counters"]["buckets"]["+Inf"] == 2 * len(cases)


def test_no_service_is_evidence() -> None:
    seen = look("http://127.0.0.1:9", probes=1)
    assert (seen["ready"], seen["digest"], seen["counters"]) == (False, "", {})
    assert seen["reason"].startswith("no answer: ")
    assert all(text.startswith("no answer: ") for text in seen["probes"]["errors"])
    assert seen["probes"]["errors"]


@pytest.fixture
def broken() -> Iterator[str]:
    """The address of a service that answers 503 with a reason."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.end_headers()
            self.wfile.write(b"the model is not warm")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_service_that_refuses_says_why(broken: str) -> None:
    seen = look(broken, probes=1)
    assert (seen["ready"], seen["reason"]) == (False, "503: the model is not warm")
    assert seen["probes"]["errors"][0] == "503: the model is not warm"


def test_a_bundle_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        look("http://127.0.0.1:9", probes=1, bundle=tmp_path)
