"""A host tells its group that it is warm, and that it has drained, and nothing sooner than that."""

import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from inference.lifecycle import Actions, Arrival, Departure
from inference.metadata import Metadata
from localcloud.metadata.instance_data import InstanceView
from localcloud.metadata.server import MetadataServer
from localcloud.settings import Settings
from tests.bundles import REPOSITORY

VIEW = InstanceView(
    "i-0123456789abcdef0", "us-east-1", "us-east-1a", "123456789012", "ami-1", "c5.large", "127.0.0.1", "02:00:00:00:00:01",
    tags={"AutoScalingGroup": "fleet"}, role_name="service", target_lifecycle_state="InService",
)  # fmt: skip
KEYS = {"AccessKeyId": "AKID", "SecretAccessKey": "secret", "Token": "token", "Expiration": "2026-01-01T00:00:00Z"}
NOT_WAITING = (400, "<Error><Code>ValidationError</Code><Message>No active Lifecycle Action found</Message></Error>")
FORBIDDEN = (403, "<Error><Code>AccessDenied</Code><Message>not authorized to perform it</Message></Error>")


@dataclass
class Host:
    """A host's service, its metadata and the API in one, a clock, and what the API was asked."""

    url: str = ""
    metadata_url: str = ""
    metadata: Metadata = field(default_factory=lambda: Metadata(""))
    view: InstanceView = VIEW
    now: float = 1000.0
    ready: bool = False
    in_flight: float = 0.0
    answered: float = 0.0
    answer: tuple[int, str] = (200, "<CompleteLifecycleActionResponse/>")
    asked: list[dict[str, str]] = field(default_factory=list)
    called: threading.Condition = field(default_factory=threading.Condition)

    def hooks(self) -> list[str]:
        return [one["LifecycleHookName"] for one in self.asked]

    def get(self, path: str) -> tuple[int, str]:
        if path == "/ready":
            return (200 if self.ready else 503), "{}"
        counter = 'pettracker_requests_total{method="POST",path="/predict",status="200"}'
        health = 'pettracker_requests_total{method="GET",path="/ready",status="503"} 99'
        return 200, f"pettracker_predictions_in_flight {self.in_flight}\n{counter} {self.answered}\n{health}\n"

    def arrival(self) -> Arrival:
        return Arrival(Actions(self.metadata, self.url), self.url, "ready", lambda: self.now)

    def departure(self) -> Departure:
        actions = Actions(self.metadata, self.url)
        return Departure(actions, self.metadata, self.url, "drained", log_seconds=8, clock=lambda: self.now)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    one = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(*one.get(self.path))

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            fields = {name: values[0] for name, values in parse_qs(form).items()}
            with one.called:
                one.asked.append(fields | dict(self.headers.items()))
                one.called.notify_all()
            self._send(*one.answer)

        do_PUT = do_GET

        def _send(self, status: int, text: str) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    service = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    one.url = f"http://127.0.0.1:{service.server_port}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = MetadataServer(Settings(root=tmp_path, metadata_port=port), lambda _: one.view, lambda _: KEYS)
    server.listen("127.0.0.1")
    one.metadata_url = f"http://127.0.0.1:{port}"
    one.metadata = Metadata(one.metadata_url)
    yield one
    server.close()
    service.shutdown()
    service.server_close()


def test_a_launch_is_completed_once_and_only_when_the_host_is_warm(host: Host) -> None:
    arrival = host.arrival()
    assert (arrival.look(), arrival.look(), host.asked) == (True, True, [])
    host.ready = True
    assert not arrival.look()
    assert not arrival.look()
    (asked,) = host.asked
    assert asked["Action"] == "CompleteLifecycleAction"
    assert (asked["AutoScalingGroupName"], asked["LifecycleHookName"]) == ("fleet", "ready")
    assert (asked["InstanceId"], asked["LifecycleActionResult"]) == (VIEW.instance_id, "CONTINUE")
    assert asked["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    assert "/us-east-1/autoscaling/aws4_request" in asked["authorization"]


def test_a_group_that_does_not_wait_yet_is_asked_again_ever_more_rarely_and_not_for_ever(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    host.ready, host.answer = True, NOT_WAITING
    arrival, times = host.arrival(), []
    with caplog.at_level(logging.INFO, "inference"):
        for _ in range(300):
            before = len(host.asked)
            arrival.look()
            times += [host.now - 1000] * (len(host.asked) - before)
            host.now += 1
    assert times == [0, 1, 3, 7, 15, 31, 63]
    assert [one.message for one in caplog.records] == ["launch not completed"]


def test_a_group_that_begins_to_wait_after_the_host_is_warm_is_told_then(host: Host) -> None:
    host.ready, host.answer = True, NOT_WAITING
    arrival = host.arrival()
    arrival.look()
    host.answer = (200, "")
    host.now += 1
    arrival.look()
    host.now += 100
    arrival.look()
    assert len(host.asked) == 2


@pytest.mark.parametrize("change", [{"tags": {}}, {"tags": None}])
def test_a_host_of_no_group_asks_nobody(host: Host, change: dict[str, object]) -> None:
    host.view = replace(VIEW, **change)  # type: ignore[arg-type]
    host.ready = True
    assert not host.arrival().look()
    assert host.asked == []


def test_without_a_hook_nothing_is_done(host: Host) -> None:
    host.ready = True
    actions = Actions(host.metadata, host.url)
    assert not Arrival(actions, host.url, "").look()
    host.view = replace(VIEW, target_lifecycle_state="Terminated")
    Departure(actions, host.metadata, host.url, "", log_seconds=0).look()
    assert host.asked == []


def test_a_termination_is_completed_when_all_is_answered_and_the_log_is_sent(host: Host) -> None:
    host.view = replace(VIEW, target_lifecycle_state="Terminated")
    host.in_flight, host.answered = 1, 5
    departure = host.departure()
    for _ in range(10):  # one prediction takes long
        departure.look()
        host.now += 2
    assert host.asked == []
    host.in_flight, host.answered = 0, 6
    departure.look()
    host.now += 7
    departure.look()
    assert host.asked == []
    host.answered = 7  # another one has come and gone between two looks, and is in the log
    departure.look()
    host.now += 7
    departure.look()
    assert host.asked == []
    host.now += 1
    departure.look()
    departure.look()
    assert host.hooks() == ["drained"]


def test_a_group_that_waits_for_the_balancer_first_is_asked_until_it_waits_for_the_host(host: Host) -> None:
    host.view = replace(VIEW, target_lifecycle_state="Terminated")
    host.answer = NOT_WAITING
    departure = host.departure()
    departure.look()
    for _ in range(3):
        host.now += 10
        departure.look()
    assert len(host.asked) == 3
    host.answer = (200, "")
    departure.look()
    departure.look()
    assert len(host.asked) == 4


def test_a_host_that_only_spot_takes_away_tells_nobody(host: Host) -> None:
    departure = host.departure()
    departure.look()
    host.now += 100
    departure.look()
    assert host.asked == []


def test_a_host_whose_service_is_gone_is_let_go(host: Host) -> None:
    host.view = replace(VIEW, target_lifecycle_state="Terminated")
    gone = "http://127.0.0.1:1"
    actions = Actions(host.metadata, host.url)
    departure = Departure(actions, host.metadata, gone, "drained", log_seconds=8, clock=lambda: host.now)
    departure.look()
    host.now += 8
    departure.look()
    assert len(host.asked) == 1


def test_a_refusal_is_logged_once_with_its_reason_and_no_secret(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    host.view = replace(VIEW, target_lifecycle_state="Terminated")
    host.answer = FORBIDDEN
    departure = host.departure()
    departure.look()
    with caplog.at_level(logging.INFO, "inference"):
        for _ in range(3):
            host.now += 8
            departure.look()
    (record,) = caplog.records
    said = str(record.__dict__)
    assert record.message == "termination not completed"
    assert "AccessDenied to drained of fleet: not authorized to perform it" in said
    assert "secret" not in said


def test_the_process_completes_the_hooks_that_its_environment_names(host: Host) -> None:
    host.ready = True
    hooks = {"PETTRACKER_LAUNCH_HOOK": "warm", "PETTRACKER_TERMINATE_HOOK": "empty", "AWS_ENDPOINT_URL": host.url}
    command = [sys.executable, "-m", "inference.notices", "--interval=0.05", "--log-seconds=0"]
    process = subprocess.Popen(
        [*command, f"--metadata-url={host.metadata_url}", f"--service-url={host.url}"], cwd=REPOSITORY, env=os.environ | hooks
    )
    try:
        with host.called:
            assert host.called.wait_for(lambda: host.hooks() == ["warm"], 20)
            host.view = replace(VIEW, target_lifecycle_state="Terminated")
            assert host.called.wait_for(lambda: host.hooks() == ["warm", "empty"], 20)
    finally:
        process.terminate()
        process.wait(20)
