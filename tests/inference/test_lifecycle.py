"""From start to end of the process."""

import http.client
import io
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from bundle import load, seal
from tests.bundles import CAT, REPOSITORY, copy_of_tiny, efficientnet_bundle, tiny_bundle
from tests.inference.servers import Response, Running, ask, start, wait_until


def _serve(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "inference", "serve", *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=60, check=False)


def test_a_corrupt_bundle_is_refused_at_start_by_name(tmp_path: Path) -> None:
    root = copy_of_tiny(tmp_path)
    weights = load(root).manifest.chosen.weights
    assert weights
    with (root / weights).open("r+b") as stream:
        stream.write(b"\x00\x01\x02\x03")
    result = _serve("--bundle", str(root))
    assert result.returncode == 3
    assert weights in result.stderr
    assert "Traceback" not in result.stderr


def test_another_digest_than_the_pinned_one_is_refused_at_start() -> None:
    result = _serve("--bundle", str(tiny_bundle()), "--bundle-digest", "sha256:" + "0" * 64)
    assert result.returncode == 3
    assert load(tiny_bundle()).digest in result.stderr


def test_a_busy_port_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = _serve("--bundle", str(tiny_bundle()), "--port", str(port))
    assert result.returncode == 5
    assert f"port {port}" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_program_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    root = copy_of_tiny(tmp_path)
    manifest = load(root).manifest
    (root / manifest.chosen.path).write_text("<net></net>")
    seal(root, manifest.model_dump(exclude={"files"}))
    result = _serve("--bundle", str(root), "--port", "0")
    assert result.returncode == 4
    assert manifest.chosen.path in result.stderr
    assert "Traceback" not in result.stderr


def test_a_program_that_the_bundle_does_not_have_is_told() -> None:
    result = _serve("--bundle", str(tiny_bundle()), "--port", "0", "--program", "onnx-fp16")
    assert result.returncode == 4
    assert "no program onnx-fp16; it has openvino-fp32" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_model_that_does_not_get_ready_in_time_ends_the_process() -> None:
    ended = _serve("--bundle", str(tiny_bundle()), "--port", "0", "--program", "torch-fp32", "--start-seconds", "0.1")
    assert ended.returncode == 6
    assert ended.stderr == "Error: the model was not ready 0.1 s after the start (--start-seconds)\n"


def test_settings_come_from_the_environment() -> None:
    digest = load(tiny_bundle()).digest
    running = start(tiny_bundle(), PETTRACKER_BUNDLE_DIGEST=digest, PETTRACKER_INSTANCE_ID="i-0abc")
    try:
        assert running.wait_for("ready")["instance_id"] == "i-0abc"
    finally:
        running.process.send_signal(signal.SIGINT)
        assert running.finish() == 0


def test_not_ready_before_the_warm_up() -> None:
    # The torch backend takes seconds to load: long enough to be asked meanwhile.
    running = start(tiny_bundle(), "--program", "torch-fp32", "--drain-seconds", "0")
    try:
        assert ask(f"{running.url}/health").status == 200
        for path, method, body in (("/ready", "GET", None), ("/health/ready", "PUT", None), ("/predict", "POST", b"x")):
            answer = ask(f"{running.url}{path}", body, method, {"Content-Type": "image/jpeg"})
            assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "not_ready", "1")
        running.wait_for("ready")
        assert ask(f"{running.url}/ready").status == 200
    finally:
        running.process.terminate()
        assert running.finish() == 0


def test_sigterm_drains_then_ends_with_0_and_loses_no_request() -> None:
    running = start(tiny_bundle(), "--drain-seconds", "1.5")
    running.wait_for("ready")
    answers: list[Response] = []
    refused: list[OSError] = []

    def keep_asking() -> None:
        while not refused:
            try:
                answers.append(ask(f"{running.url}/predict", CAT.read_bytes(), None, {"Content-Type": "image/jpeg"}))
            except OSError as error:
                refused.append(error)

    client = threading.Thread(target=keep_asking)
    client.start()
    wait_until(lambda: len(answers) > 3)
    asked = time.monotonic()
    running.process.terminate()
    wait_until(lambda: ask(f"{running.url}/ready").status == 503)
    served_before = len(answers)
    assert running.finish() == 0
    client.join()
    assert 1.4 < time.monotonic() - asked < 6
    assert len(answers) > served_before, "requests are served while draining"
    assert {answer.status for answer in answers} == {200}
    assert [line["event"] for line in running.log if line["event"] != "request"][-2:] == ["draining", "ended"]


def test_a_request_under_way_is_answered_before_the_end() -> None:
    running = start(efficientnet_bundle(), "--drain-seconds", "0")
    running.wait_for("ready")
    stream = io.BytesIO()
    Image.effect_noise((4000, 3000), 60).convert("RGB").save(stream, "JPEG", quality=60)
    answers: list[Response] = []

    def send() -> None:
        answers.append(ask(f"{running.url}/predict", stream.getvalue(), None, {"Content-Type": "image/jpeg"}))

    client = threading.Thread(target=send)
    client.start()
    wait_until(lambda: b"in_flight 1.0" in ask(f"{running.url}/metrics").body)
    running.process.terminate()
    assert running.finish() == 0
    client.join()
    assert [answer.status for answer in answers] == [200]


def begun_upload(running: Running, came: int) -> tuple[http.client.HTTPConnection, bytes]:
    """A request of which the headers and some bytes of the body have come; return its connection, and the rest."""
    photo = CAT.read_bytes()
    connection = http.client.HTTPConnection(*running.url.removeprefix("http://").split(":"), timeout=20)
    connection.putrequest("POST", "/predict")
    connection.putheader("Content-Type", "image/jpeg")
    connection.putheader("Content-Length", str(len(photo)))
    # The service says when it has accepted the headers; getresponse() passes over that.
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    assert connection.sock.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 100"
    if came:
        connection.send(photo[:came])
        wait_until(lambda: f"\npettracker_held_bytes {came}.0\n".encode() in running.ask("/metrics").body)
    return connection, photo[came:]


@pytest.mark.parametrize("came", [0, 1000])
def test_an_upload_that_has_begun_before_the_end_is_waited_for_and_answered(came: int) -> None:
    running = start(tiny_bundle(), "--drain-seconds", "0", "--body-seconds", "15")
    running.wait_for("ready")
    connection, rest = begun_upload(running, came)
    running.process.terminate()
    running.wait_for("draining")
    time.sleep(1)
    connection.send(rest)
    assert connection.getresponse().status == 200
    assert running.finish() == 0


def test_an_interrupt_waits_for_no_upload() -> None:
    running = start(tiny_bundle(), "--body-seconds", "60")
    running.wait_for("ready")
    connection, _ = begun_upload(running, 1000)
    running.process.send_signal(signal.SIGINT)
    assert running.finish(10) == 0
    connection.close()


@pytest.mark.skipif(shutil.which("ip") is None, reason="needs the ip command to find an address")
def test_only_the_host_itself_may_drain_and_say_what_is_copied_and_see_its_figures() -> None:
    output = subprocess.run(["ip", "-4", "-o", "addr", "show", "scope", "global"], capture_output=True, text=True, check=True)
    if not output.stdout:
        pytest.skip("this machine has no address but the loopback")
    address = output.stdout.split()[3].split("/")[0]
    running = start(tiny_bundle(), "--address", address, "--drain-seconds", "0")
    running.wait_for("ready")
    try:
        for path, method in (("/health/drain", "PUT"), ("/health/ready", "PUT"), ("/shadow", "PUT"), ("/metrics", "GET")):
            for headers in ({"Host": "localhost"}, {"Host": "127.0.0.1", "X-Forwarded-For": "127.0.0.1"}):
                answer = ask(f"{running.url}{path}", None, method, headers)
                assert (answer.status, answer.code) == (403, "forbidden")
        assert ask(f"{running.url}/ready").status == 200
    finally:
        running.process.terminate()
        assert running.finish() == 0
