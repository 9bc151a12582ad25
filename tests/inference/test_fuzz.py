"""Whatever bytes come, each answer is well-formed and documented, never a failure, and nothing is left of them.

The same requests in every run, for a minute; `make fuzz MINUTES=60` looks at others for as long as it is told to.
"""

import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from inference.forms import form_field
from tests.bundles import CAT, tiny_bundle
from tests.hostile_images import everything
from tests.inference.raw import Watched, chunked, post, watching
from tests.inference.servers import ask, wait_until

PHOTO = CAT.read_bytes()
MINUTES = float(os.environ.get("FUZZ_MINUTES", "0"))
# Of each of the two tests that are timed: a minute together.
SECONDS = MINUTES * 30 or 30
ANSWER_SECONDS = 30
# curl on Windows sends the name of a file in its code page.
NAMED = b'--b\r\nContent-Disposition: form-data; name="file"; filename="K\xe4tzchen.jpg"\r\n\r\n' + PHOTO + b"\r\n--b--\r\n"
# Of images: more would only take longer to send.
MOST_BYTES = 60_000
fuzzed = settings(
    max_examples=10**9 if MINUTES else 20_000, derandomize=not MINUTES, deadline=None, suppress_health_check=list(HealthCheck)
)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def server() -> Iterator[Watched]:
    options = ("--max-body-bytes", "200000", "--max-held-bytes", "300000", "--body-seconds", "5", "--threads", "1")
    with watching(tiny_bundle(), *options) as watched:
        yield watched


@pytest.fixture(scope="module")
def documented(server: Watched) -> dict[tuple[str, str], set[int]]:
    """The statuses that the interface's document lists, by path and method."""
    paths = ask(f"http://{server.host}:{server.port}/openapi.json").document["paths"]
    return {
        (path, method.upper()): {int(status) for status in operation["responses"]}
        for path, operations in paths.items()
        for method, operation in operations.items()
    }


@pytest.fixture(autouse=True)
def nothing_is_left(server: Watched) -> Iterator[None]:
    """After each test, the server holds nothing of what was done to it."""
    yield
    wait_until(lambda: server.metric("pettracker_connections") == 1, 60)
    assert server.process.poll() is None
    assert server.metric("pettracker_predictions_in_flight") == 0
    assert server.metric("pettracker_held_bytes") == 0


class TimeIsUp(BaseException):
    """Ends a test that has had its time: to Hypothesis, what is no Exception is an interruption and no failure."""


def timer() -> Callable[[], None]:
    """Return what raises TimeIsUp from some seconds after now on."""
    everything()  # takes long the first time
    end = time.monotonic() + SECONDS

    def check() -> None:
        if time.monotonic() > end:
            raise TimeIsUp

    return check


def answers(data: bytes) -> list[Answer]:
    """Read all answers in what a server has sent; an interim one is none. Fails where it is not well-formed HTTP."""
    found = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end, f"the headers do not end: {head[:200]!r}"
        first, *lines = head.decode("ascii").split("\r\n")
        version, status, *reason = first.split(" ", 2)
        assert (version, status.isdigit(), len(status), len(reason)) == ("HTTP/1.1", True, 3, 1), first
        if status == "100":
            continue
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", "0"))
        assert len(data) >= length, f"an answer of {status} is cut off"
        found.append(Answer(int(status), headers, data[:length]))
        data = data[length:]
    return found


def read_one(connection: socket.socket) -> bytes:
    """Read one final answer; what there is where the server closes."""
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
        while data.startswith(b"HTTP/1.1 100 ") and b"\r\n\r\n" in data:
            data = data.partition(b"\r\n\r\n")[2]
        head, end, body = data.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if end and (not lengths or len(body) >= int(lengths[0])):
            break
    return data


def connect(server: Watched) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=ANSWER_SECONDS)


def edited(draw: Any, data: bytes, most: int = 8) -> bytes:
    """Return data of which some places were changed, cut out, inserted or repeated."""
    result = bytearray(data)
    for _ in range(draw(st.integers(0, most))):
        at = int(draw(st.floats(0, 1)) * len(result))
        new = draw(st.binary(min_size=1, max_size=8))
        match draw(st.sampled_from(["set", "cut", "insert", "repeat"])):
            case "set":
                result[at : at + len(new)] = new
            case "cut":
                del result[at : at + len(new) ** 3]
            case "insert":
                result[at:at] = new
            case _:
                result[at:at] = result[at : at + len(new) ** 3]
    return bytes(result)


@st.composite
def images(draw: Any) -> bytes:
    name = draw(st.sampled_from(sorted(everything())))
    return edited(draw, everything()[name].data[:MOST_BYTES])


# Field values (RFC 9110, section 5.5): what is visible, blanks between, and the upper half of Latin-1.
VALUES = st.binary(min_size=1, max_size=40).map(
    lambda each: "".join(chr(octet if octet & 0x60 and octet != 0x7F else octet | 0x60) for octet in each).strip(" \xa0\x7f")
)
# RFC 2046, section 5.1.1
BOUNDARIES = st.text("0123456789abcxyzABCXYZ'()+_,-./:=?", min_size=1, max_size=70)
LINE_ENDS = st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r\n\r\n", ""])
PARTS = st.one_of(
    st.sampled_from(
        [
            'Content-Disposition: form-data; name="file"; filename="a.jpg"',
            'content-disposition: form-data; filename="\\"; name=image',
            'Content-Disposition: form-data; name="',
            "Content-Disposition: attachment",
            "Content-Type: image/jpeg",
            "Content-Transfer-Encoding: base64",
        ]
    ),
    VALUES,
)


@st.composite
def forms(draw: Any) -> tuple[bytes, str]:
    """Draw what is more or less a form, and its content type."""
    boundary = draw(BOUNDARIES)
    text = draw(st.sampled_from(["", "", "\r\n", "preamble\r\n"]))
    body = text.encode()
    for _ in range(draw(st.sampled_from([1, 1, 1, 0, 2, 3]))):
        lines = draw(st.lists(PARTS, max_size=3))
        head = f"--{boundary}{draw(st.sampled_from(['', '', ' ', '-']))}{draw(LINE_ENDS)}"
        head += "".join(line + draw(LINE_ENDS) for line in lines) + draw(LINE_ENDS)
        body += head.encode("latin-1") + draw(images()) + draw(LINE_ENDS).encode()
    body += f"--{boundary}{draw(st.sampled_from(['--', '--', '--', '']))}{draw(LINE_ENDS)}".encode()
    said = draw(st.sampled_from([boundary, boundary, f'"{boundary}"', "other", ""]))
    return edited(draw, body, 1), f"multipart/form-data; boundary={said}"


NAMES = st.sampled_from(
    [
        "Expect",
        "X-Request-Id",
        "traceparent",
        "Content-Encoding",
        "X-Forwarded-For",
        "X-Pettracker-Shadow",
        "Cookie",
        "X",
        "Accept",
        "Range",
        "If-None-Match",
        "Upgrade",
        "Connection",
        "Content-Type",
        "Content-Disposition",
    ]
)
HEADERS = st.lists(st.tuples(NAMES, st.one_of(VALUES, st.sampled_from(["100-continue", "close", "identity", "gzip"]))))
TYPES = st.one_of(st.sampled_from(["image/jpeg", "application/octet-stream", "application/json", ""]), VALUES)
PATHS = st.sampled_from(["/predict"] * 12 + ["/", "/ready", "/version", "/shadow", "/metrics", "/openapi.json", "/no"])
METHODS = st.sampled_from(["POST"] * 12 + ["GET", "PUT", "DELETE", "BREW"])


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    data: bytes


@st.composite
def requests(draw: Any) -> Request:
    """Draw a request of which it is clear where it ends."""
    body, kind = draw(st.one_of(forms(), st.tuples(st.one_of(images(), st.just(PHOTO), st.binary()), TYPES)))
    method, path = draw(METHODS), draw(PATHS)
    if draw(st.booleans()):
        data = post(body, kind, *[f"{name}: {value}" for name, value in draw(HEADERS)], path=path)
    else:
        data = chunked(body, draw(st.sampled_from([7, 1000, 100_000])), kind).replace(b"/predict", path.encode(), 1)
    # `post` and `chunked` know no Latin-1.
    head, end, rest = data.partition(b"\r\n\r\n")
    return Request(method, path, head.replace(b"POST", method.encode(), 1).decode().encode("latin-1") + end + rest)


@st.composite
def messes(draw: Any) -> bytes:
    """Draw the beginnings of some requests, one after the other, with faults anywhere."""
    return edited(draw, b"".join(request.data[:2000] for request in draw(st.lists(requests(), min_size=1, max_size=3))))


def test_requests_of_any_content_are_answered_as_documented(
    server: Watched, documented: dict[tuple[str, str], set[int]]
) -> None:
    statuses, check_time = Counter[int](), timer()

    @fuzzed
    @given(request=requests())
    @example(Request("POST", "/predict", post(PHOTO)))
    @example(Request("POST", "/predict", post(bytes(200_001))))
    @example(Request("POST", "/predict", post(NAMED, "multipart/form-data; boundary=b")))
    def fuzz(request: Request) -> None:
        check_time()
        with connect(server) as connection:
            connection.sendall(request.data)
            (answer,) = answers(read_one(connection))
            expected = documented.get((request.path, request.method), set()) | {400}
            known = any(request.path == path for path, _ in documented)
            assert answer.status in (expected if len(expected) > 1 else {400, 405 if known else 404}), answer
            statuses[answer.status] += 1
            if answer.headers.get("connection") != "close" and answer.headers:
                following: list[Answer] = []
                # An answer that did not wait for the body ends its connection, by a reset where some of the body is unread.
                with suppress(ConnectionError):
                    connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    following = answers(read_one(connection))
                assert [each.status for each in following] in ([200], [])
        assert ask(f"http://{server.host}:{server.port}/health").status == 200

    with suppress(TimeIsUp):
        fuzz()
    assert {200, 413} <= statuses.keys(), statuses


def test_what_is_hardly_a_request_is_answered_in_http_or_not_at_all(server: Watched) -> None:
    check_time = timer()

    @fuzzed
    @given(sent=messes())
    def fuzz(sent: bytes) -> None:
        check_time()
        with connect(server) as connection:
            received = b""
            try:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(65536):
                    received += chunk
            except ConnectionError:
                # A connection that is closed with unread data is reset, and what was under way is lost.
                received = received[: received.rfind(b"HTTP/1.1 ")] if b"HTTP/1.1 " in received else b""
        for answer in answers(received):
            assert answer.status < 500 or answer.status == 503, answer

    with suppress(TimeIsUp):
        fuzz()


@st.composite
def good_forms(draw: Any) -> tuple[bytes, bytes, bytes]:
    """Draw a form as RFC 2046 and RFC 7578 describe it; return it with its boundary and its content."""
    boundary = draw(BOUNDARIES)
    mark = f"--{boundary}".encode()
    text = st.binary(max_size=50).filter(lambda each: mark not in b"\r\n" + each + b"\r\n")
    padding = st.from_regex(rb"[ \t]{0,3}", fullmatch=True)
    content = draw(st.one_of(text, images().filter(lambda each: b"\r\n" + mark not in b"\r\n" + each)))
    preamble = draw(st.one_of(st.just(b""), text.map(lambda each: each + b"\r\n")))
    name = draw(st.binary(max_size=20).filter(lambda each: not set(each) & set(b'\r\n";')))
    headers = [b'Content-Disposition: form-data; filename="' + name + b'"; name="file"', b"Content-Type: image/jpeg"]
    head = b"\r\n".join(draw(st.permutations(headers)))
    end = b"\r\n" + mark + b"--" + draw(padding) + draw(st.one_of(st.just(b""), text.map(lambda each: b"\r\n" + each)))
    return preamble + mark + draw(padding) + b"\r\n" + head + b"\r\n\r\n" + content + end, boundary.encode(), content


@settings(fuzzed, max_examples=10_000 if MINUTES else 200)
@given(good_forms())
def test_whatever_is_a_form_gives_its_content(form: tuple[bytes, bytes, bytes]) -> None:
    body, boundary, content = form
    assert form_field(body, boundary, ["file"]) == content
