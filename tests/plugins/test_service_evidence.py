"""A host's service is watched as it is, and one that does not answer is evidence as well."""

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.evidence.background import Background, BackgroundError
from ansible_collections.pettracker.aws.plugins.module_utils.evidence.probing import Pace

from bundle import load as load_bundle
from tests.bundles import CAT, tiny_bundle
from tests.inference.servers import serving, wait_until
from tests.plugins.loading import load
from tests.roles.controllers import COUNTED

INPUTS = {case.input for case in load_bundle(tiny_bundle()).golden().cases}


class Host:
    """One host, which is this machine, and the module on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "evidence"
        self._module = load("modules", "service_evidence")

    def start(self, url: str, bundle: Path | None = None, **changes: Any) -> None:
        assert self._module.start(self._parameters(url, bundle) | changes) == {"changed": False}

    def collect(self, url: str, **changes: Any) -> dict[str, Any]:
        result: dict[str, Any] = self._module.collect(self._parameters(url, None) | changes)
        return result

    def watch(self, url: str, seconds: float, **changes: Any) -> dict[str, Any]:
        self.start(url)
        time.sleep(seconds)
        return self.collect(url, **changes)

    def _parameters(self, url: str, bundle: Path | None) -> dict[str, Any]:
        return {
            **{"url": url, "bundle": str(bundle or tiny_bundle()), "directory": str(self.directory)},
            "metrics": COUNTED,
            **{"interval": 0.2, "slot": 0.5, "seconds": 60.0, "timeout": 5.0, "check": [], "check_timeout": 10.0},
        }


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    there = Host(tmp_path)
    yield there
    with suppress(BackgroundError):
        Background(there.directory).collect(20)


def test_a_service_that_serves_is_measured(host: Host) -> None:
    with serving(tiny_bundle()) as running:
        seen = host.watch(running.url, seconds=2)
    assert (seen["ready"], seen["reason"], seen["changed"]) == (True, "", False)
    assert seen["digest"] == load_bundle(tiny_bundle()).digest
    watched = seen["watched"]
    assert watched["errors"] == []
    assert len(watched["rounds"]) >= 2
    for taken in list(watched["rounds"].values())[:-1]:  # the last one may have been cut short
        assert len(taken) == len(INPUTS)
        for seconds, computing, waiting in taken.values():
            assert 0 < computing < seconds + 5
            assert 0 < seconds < 5
            assert waiting >= 0


def test_what_people_ask_is_told_apart_from_what_the_watch_asks(host: Host) -> None:
    with serving(tiny_bundle()) as running:
        host.start(running.url)
        for _ in range(40):
            running.predict(CAT.read_bytes())
            time.sleep(0.05)
        running.predict(b"no photo")
        watched = host.collect(running.url)["watched"]
    counted = watched["after"]["requests"] - watched["before"]["requests"]
    assert counted - watched["answered"] == 41
    assert watched["answered"] == sum(map(len, watched["rounds"].values()))
    # Those that fall into a round are left out, and none of the watch's own is among the others.
    assert 0 < watched["buckets"]["+Inf"] <= 41
    assert watched["before"]["started"] == watched["after"]["started"] > 0


def test_rounds_are_those_of_the_clock_and_hosts_alternate() -> None:
    first, last = Pace(interval=10.0, slot=0.1), Pace(interval=10.0, slot=0.9)
    assert (first.next(1000.0), last.next(1000.0)) == ((100, 1001.0), (100, 1009.0))

    assert (first.next(1001.0), first.next(1001.5), last.next(1009.5)) == ((100, 1001.0), (101, 1011.0), (101, 1019.0))


def test_no_service_is_evidence(host: Host) -> None:
    seen = host.watch("http://127.0.0.1:9", seconds=1)
    assert (seen["ready"], seen["digest"], seen["watched"]["before"]) == (False, "", {})
    assert seen["reason"].startswith("no answer: ")
    assert seen["watched"]["errors"]
    assert all(text.startswith("no answer: ") for text in seen["watched"]["errors"])


class Broken(http.server.BaseHTTPRequestHandler):
    """A service that answers 503 with a reason."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b"the model is not warm")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: Any) -> None: ...


class Hanging(Broken):
    """A service that takes requests and answers none."""

    def do_POST(self) -> None:
        time.sleep(60)


@pytest.fixture
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), request.param)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("address", [Broken], indirect=True)
def test_a_service_that_refuses_says_why(host: Host, address: str) -> None:
    seen = host.watch(address, seconds=1)
    assert (seen["ready"], seen["reason"]) == (False, "503: the model is not warm")
    assert seen["watched"]["errors"][0] == "503: the model is not warm"
    assert seen["watched"]["failed"] == len(seen["watched"]["errors"]) == seen["watched"]["answered"]


@pytest.mark.parametrize("address", [Hanging], indirect=True)
def test_a_service_that_hangs_holds_nobody_up_for_longer_than_one_request(host: Host, address: str) -> None:
    host.start(address, timeout=1.0)
    time.sleep(0.5)
    errors = host.collect(address, timeout=1.0)["watched"]["errors"]
    assert len(errors) == 1  # and not one for each golden input


def test_a_bundle_that_cannot_be_read_is_an_error(host: Host, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        host.start("http://127.0.0.1:9", bundle=tmp_path)


def test_what_was_not_begun_cannot_be_collected_and_nothing_is_collected_twice(host: Host) -> None:
    with pytest.raises(BackgroundError, match="nothing was begun"):
        host.collect("http://127.0.0.1:9")
    host.watch("http://127.0.0.1:9", seconds=0)
    with pytest.raises(BackgroundError, match="nothing was begun"):
        host.collect("http://127.0.0.1:9")


def test_a_second_watch_ends_the_first_one_whose_controller_has_died(host: Host) -> None:
    with serving(tiny_bundle()) as running:
        host.start("http://127.0.0.1:9")
        host.start(running.url)
        wait_until(lambda: running.ask("/metrics").body.count(b'path="/predict"') > 0)
        assert host.collect(running.url)["watched"]["errors"] == []


def test_a_watch_that_nobody_collects_ends_by_itself(host: Host) -> None:
    host.start("http://127.0.0.1:9", seconds=0.3)
    wait_until((host.directory / "result.json").exists)


class Ready(Broken):
    """A service that is ready, and has nothing else to say."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


@pytest.mark.parametrize("address", [Ready], indirect=True)
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 0", []),
        ("echo 'cat.jpg: expected 0.9' >&2; echo; exit 1", ["cat.jpg: expected 0.9"]),
        ("exit 3", ["the check ended with 3"]),
        ("sleep 20", ["the service was not through with its golden inputs after 0.5 seconds"]),
    ],
)
def test_golden_answers_are_compared_by_the_hosts_own_check(host: Host, address: str, script: str, expected: list[str]) -> None:
    asked = {"check": ["/bin/sh", "-c", script], "check_timeout": 0.5}
    assert host.watch("http://127.0.0.1:9", seconds=0, **asked)["golden"] == []  # it is not even ready
    assert host.watch(address, seconds=0, **asked)["golden"] == expected
