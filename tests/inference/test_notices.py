"""Termination notices, from the local cloud's metadata service as a host finds it."""

import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from inference import notices
from inference.notices import LONGEST_INTERVAL, wait_for_notice
from localcloud.metadata.instance_data import InstanceView
from localcloud.metadata.server import MetadataServer, Tokens
from localcloud.settings import Settings
from tests.bundles import REPOSITORY

VIEW = InstanceView(
    "i-0123456789abcdef0", "us-east-1", "us-east-1a", "123456789012", "ami-1", "c5.large", "127.0.0.1", "02:00:00:00:00:01"
)  # fmt: skip
SPOT = {"action": "terminate", "time": "2026-01-01T00:02:00Z"}


@dataclass
class Metadata:
    """A metadata service and what it says."""

    server: MetadataServer
    url: str
    view: InstanceView = VIEW


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[Metadata]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = MetadataServer(Settings(root=tmp_path, metadata_port=port), lambda _: None, lambda _: {})
    one = Metadata(server, f"http://127.0.0.1:{port}")
    server.lookup = lambda _: one.view
    server.listen("127.0.0.1")
    yield one
    server.close()


class Over(Exception):
    """The scene has been played."""


def scenes(*each: Callable[[], object]) -> tuple[list[float], Callable[[float], None]]:
    """Return a sleep that plays one scene each time and then ends the wait, and the list of times slept."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > len(each):
            raise Over
        each[len(slept) - 1]()

    return slept, sleep


def nothing() -> None:
    """Let time pass."""


def test_nothing_is_told_while_there_is_no_notice(metadata: Metadata) -> None:
    metadata.view = replace(VIEW, target_lifecycle_state="InService")
    slept, sleep = scenes(nothing, nothing)
    with pytest.raises(Over):
        wait_for_notice(notices.Metadata(metadata.url), 2, sleep)
    assert slept == [2, 2, 2]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"spot_action": SPOT}, "spot: terminate at 2026-01-01T00:02:00Z"),
        ({"spot_action": {"action": "stop"}}, 'spot: {"action": "stop"}'),
        ({"target_lifecycle_state": "Terminated"}, "autoscaling: the target life-cycle state is Terminated"),
    ],
)
def test_a_notice_is_told_as_soon_as_it_is_there(metadata: Metadata, change: dict[str, object], reason: str) -> None:
    def give() -> None:
        metadata.view = replace(VIEW, **change)  # type: ignore[arg-type]

    slept, sleep = scenes(nothing, give)
    assert wait_for_notice(notices.Metadata(metadata.url), 2, sleep) == reason
    assert slept == [2, 2]


def test_a_rebalance_recommendation_is_logged_once_and_is_no_notice(
    metadata: Metadata, caplog: pytest.LogCaptureFixture
) -> None:
    metadata.view = replace(VIEW, rebalance_time="2026-01-01T00:00:00Z")
    with caplog.at_level(logging.INFO, "inference"), pytest.raises(Over):
        wait_for_notice(notices.Metadata(metadata.url), 2, scenes(nothing, nothing)[1])
    assert [one.message for one in caplog.records] == ["rebalance recommended"]


def test_a_token_that_has_ended_is_replaced(metadata: Metadata, caplog: pytest.LogCaptureFixture) -> None:
    def end_tokens() -> None:
        metadata.server.tokens = Tokens()

    slept, sleep = scenes(end_tokens, nothing)
    with caplog.at_level(logging.INFO, "inference"), pytest.raises(Over):
        wait_for_notice(notices.Metadata(metadata.url), 2, sleep)
    assert (slept, caplog.records) == ([2, 2, 2], [])


def test_a_service_that_is_off_is_mentioned_once_asked_more_rarely_and_heeded_when_it_is_on(
    metadata: Metadata, caplog: pytest.LogCaptureFixture
) -> None:
    metadata.view = replace(VIEW, http_endpoint=False)

    def switch_on() -> None:
        metadata.view = replace(VIEW, spot_action=SPOT)

    slept, sleep = scenes(*[nothing] * 6, switch_on)
    with caplog.at_level(logging.INFO, "inference"):
        assert wait_for_notice(notices.Metadata(metadata.url), 2, sleep).startswith("spot")
    assert slept == [4, 8, 16, 32, LONGEST_INTERVAL, LONGEST_INTERVAL, LONGEST_INTERVAL]
    assert [one.message for one in caplog.records] == ["no instance metadata"]


@pytest.fixture
def lines() -> Iterator[tuple[str, list[str], list[int]]]:
    """The address of a service, what it was told at /shadow, and the statuses that it answers before 200."""
    told: list[str] = []
    statuses: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            told.append(f"{self.path} {body}")
            self.send_response(statuses.pop(0) if statuses else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", told, statuses
    server.shutdown()
    server.server_close()


def test_the_tag_is_told_again_and_again_and_its_end_until_it_is_heard(
    metadata: Metadata, lines: tuple[str, list[str], list[int]]
) -> None:
    url, told, statuses = lines

    def tag(**tags: str) -> Callable[[], None]:
        def change() -> None:
            metadata.view = replace(VIEW, tags=tags)

        return change

    def untag() -> None:
        metadata.view = replace(VIEW, tags={"Name": "host"})
        statuses.append(503)

    slept, sleep = scenes(nothing, tag(Shadow="one"), nothing, tag(Shadow="two"), untag, nothing, nothing)
    with pytest.raises(Over):
        notices.keep_shadowing(notices.Metadata(metadata.url), url, 2, sleep)
    assert told == ["/shadow one", "/shadow one", "/shadow two", "/shadow ", "/shadow "]
    assert set(slept) == {2}


def test_a_tag_that_the_service_refuses_is_mentioned_once(
    metadata: Metadata, lines: tuple[str, list[str], list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    url, told, statuses = lines
    metadata.view = replace(VIEW, tags={"Shadow": "nonsense"})
    statuses.extend([400] * 3)
    with caplog.at_level(logging.ERROR, "inference"), pytest.raises(Over):
        notices.keep_shadowing(notices.Metadata(metadata.url), url, 2, scenes(nothing, nothing)[1])
    assert told == ["/shadow nonsense"] * 3
    [record] = caplog.records
    assert record.fields["line"] == "nonsense"


def test_a_host_that_cannot_ask_for_its_tags_goes_on() -> None:
    slept, sleep = scenes(nothing)
    with pytest.raises(Over):
        notices.keep_shadowing(notices.Metadata("http://127.0.0.1:1"), "http://127.0.0.1:1", 2, sleep)
    assert slept == [2, 2]


def test_a_service_out_of_reach_ends_nothing() -> None:
    slept, sleep = scenes(nothing)
    with pytest.raises(Over):
        wait_for_notice(notices.Metadata("http://127.0.0.1:1"), 2, sleep)
    assert slept == [4, 8]


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str], threading.Event]]:
    """The address of a service, what it was asked, and an event that is set at its second drain."""
    calls: list[str] = []
    twice = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            calls.append(self.path)
            self.send_response(503 if len(calls) == 1 else 200)
            self.end_headers()
            if len(calls) == 2:
                twice.set()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", calls, twice
    server.shutdown()
    server.server_close()


def test_the_process_drains_the_service_again_and_again_and_says_why(
    metadata: Metadata, asked: tuple[str, list[str], threading.Event]
) -> None:
    metadata.view = replace(VIEW, spot_action=SPOT)
    url, calls, twice = asked
    command = [sys.executable, "-m", "inference.notices", "--interval=0.05"]
    process = subprocess.Popen(
        [*command, f"--metadata-url={metadata.url}", f"--service-url={url}"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    try:
        assert twice.wait(20)
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=20)
    assert set(calls) == {"/health/drain"}
    assert '"termination notice", "reason": "spot: terminate at 2026-01-01T00:02:00Z"' in output
