"""Thousands of requests of every kind, many wrong or cut off: each gets its documented answer, and nothing is left."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import pytest

from inference.errors import ServingError
from tests.bundles import CAT, tiny_bundle
from tests.hostile_images import everything
from tests.inference.raw import Answer, Watched, chunked, post, watching
from tests.inference.servers import multipart, wait_until

PHOTO = CAT.read_bytes()
CONCURRENCY = 32
REQUESTS = 10_000
# What a host that is asked twenty times a second answers in an hour.
HOUR = 72_000
# Threads of pools and caches of allocators appear with use.
WARM_UP = 1_000
DOCUMENTED = {(error.status, error.code) for error in ServingError.__subclasses__()} | {(200, "")}


@dataclass(frozen=True)
class Request:
    """Bytes to send, and the status that they deserve.

    Attributes:
        status: of the answer; 0 if the client leaves before the end.
        abruptly: whether the client that leaves resets the connection.
    """

    kind: str
    data: bytes
    status: int
    abruptly: bool = False


def good(_: random.Random) -> Request:
    return Request("good", post(PHOTO), 200)


def good_form(_: random.Random) -> Request:
    return Request("form", post(*multipart("file", PHOTO)), 200)


def good_chunks(chance: random.Random) -> Request:
    return Request("chunks", chunked(PHOTO, chance.choice((100, 4096, 60_000))), 200)


def odd_or_hostile(chance: random.Random) -> Request:
    name = chance.choice([name for name in everything() if name != "nothing"])
    return Request(name, post(everything()[name].data, "application/octet-stream"), everything()[name].status)


def corrupt(chance: random.Random) -> Request:
    """A photo with some bytes changed beyond its headers: most decoders make something of it, or nothing."""
    content = bytearray(PHOTO)
    for _ in range(chance.randrange(1, 50)):
        content[chance.randrange(700, len(content))] = chance.randrange(256)
    return Request("corrupt", post(bytes(content)), -1)


def truncated(chance: random.Random) -> Request:
    return Request("truncated", post(PHOTO[: chance.randrange(1, len(PHOTO) // 2)]), -1)


def odd_type(chance: random.Random) -> Request:
    return Request("odd type", post(PHOTO, chance.choice(("text/plain", "image/jpg", "é/ü", "application/json"))), 200)


def compressed(_: random.Random) -> Request:
    return Request("compressed", post(PHOTO, "image/jpeg", "Content-Encoding: gzip"), 415)


def features(_: random.Random) -> Request:
    return Request("features", post(b'{"features": [5.1, 3.5, 1.4, 0.2]}', "application/json"), 415)


def too_large(chance: random.Random) -> Request:
    return Request("too large", post(bytes(chance.choice((3_000_001, 4_000_000)))), 413)


def bad_form(chance: random.Random) -> Request:
    body = multipart(chance.choice(("file", "photo")), PHOTO)[0][: chance.randrange(len(PHOTO) // 2)]
    return Request("bad form", post(body, "multipart/form-data; boundary=edge"), 400)


def elsewhere(chance: random.Random) -> Request:
    path, status = chance.choice((("/health", 405), ("/nothing", 404), ("/predict/", 404), ("/version", 405)))
    return Request("elsewhere", post(PHOTO[:1000], path=path), status)


def leaving(chance: random.Random) -> Request:
    """A client that leaves at any point, the last one being when everything is sent."""
    data = chance.choice((good, good_form, good_chunks, odd_or_hostile))(chance).data
    return Request("leaving", data[: chance.randrange(1, len(data) + 1)], 0, chance.random() < 0.5)


KINDS: dict[Callable[[random.Random], Request], float] = {
    good: 6,
    good_form: 2,
    good_chunks: 2,
    odd_or_hostile: 6,
    corrupt: 3,
    truncated: 2,
    odd_type: 1,
    compressed: 1,
    features: 1,
    too_large: 0.2,
    bad_form: 1,
    elsewhere: 1,
    leaving: 6,
}


def requests(seed: int) -> Iterator[Request]:
    """Yield requests of every kind for ever, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    while True:
        (kind,) = chance.choices(list(KINDS), list(KINDS.values()))
        yield kind(chance)


def problem(request: Request, answer: Answer | None) -> str | None:
    """Return what is wrong with an answer; None if it is what the request deserves."""
    if answer is None:
        return "no answer"
    if (answer.status, answer.code) not in DOCUMENTED:
        return f"undocumented {answer.status} {answer.code!r}"
    if answer.status == 503:
        return None if answer.code == "overloaded" and answer.headers.get("retry-after") == "1" else "503 of another kind"
    if answer.status == 200 and len(json.loads(answer.body)["predictions"]) != 5:
        return "not five classes"
    allowed = {200, 400} if request.status == -1 else {request.status}
    return None if answer.status in allowed else f"{answer.status} {answer.code} instead of {request.status}"


async def run(server: Watched, count: int, seed: int) -> Counter[int]:
    """Send requests, many at a time; return how often each status was answered."""
    pending, statuses, problems = islice(requests(seed), count), Counter[int](), []

    async def client() -> None:
        for request in pending:
            connection = await server.connect()
            await connection.send(request.data)
            if request.status == 0:
                await connection.close(request.abruptly)
                continue
            answer = await connection.answer()
            await connection.close()
            statuses[answer.status if answer else 0] += 1
            wrong = problem(request, answer)
            if wrong:
                problems.append(f"{request.kind}: {wrong}")

    await asyncio.gather(*(client() for _ in range(CONCURRENCY)))
    assert problems == []
    return statuses


@pytest.fixture
def server() -> Iterator[Watched]:
    with watching(tiny_bundle(), "--queue-size", "24", "--max-body-bytes", "3000000") as watched:
        yield watched


@pytest.mark.parametrize("count", [REQUESTS, pytest.param(HOUR, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_mixed_requests_are_answered_as_documented_and_leave_nothing(server: Watched, count: int) -> None:
    def quiet() -> bool:
        return server.metric("pettracker_connections") == 1 and server.metric("pettracker_predictions_in_flight") == 0

    asyncio.run(run(server, WARM_UP, 0))
    wait_until(quiet)
    files, threads = server.files(), server.threads()

    statuses = asyncio.run(run(server, count // 2, 1))
    resident = server.resident_bytes()
    statuses += asyncio.run(run(server, count // 2, 2))

    wait_until(quiet)
    assert server.process.poll() is None
    assert {200, 400, 404, 405, 413, 415} <= statuses.keys()
    wait_until(lambda: server.files() <= files)
    assert server.threads() <= threads
    # A leak of one photo in a hundred would be five times as much.
    assert server.resident_bytes() < resident + 32_000_000
    good_answer = asyncio.run(server.exchange(post(PHOTO)))
    assert good_answer is not None
    assert good_answer.status == 200
