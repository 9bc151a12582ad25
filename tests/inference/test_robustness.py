"""Clients that are slow, leave, lie about their bodies or try to smuggle: each is refused, and nobody else notices."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.bundles import CAT, tiny_bundle
from tests.inference.raw import Client, Watched, chunked, post, watching
from tests.inference.servers import wait_until

PHOTO = CAT.read_bytes()
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
# What somebody behind a proxy would want to be taken for a request of its own.
SMUGGLED = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
# A client that sends no faster than this never times out between two bytes.
DRIP_SECONDS = 0.1
CROWD = 100


@pytest.fixture(scope="module")
def server() -> Iterator[Watched]:
    with watching(tiny_bundle(), "--max-body-bytes", "400000", "--body-seconds", "1") as watched:
        yield watched


@pytest.fixture(autouse=True)
def nothing_is_left(server: Watched) -> Iterator[None]:
    """After each test, the server works and holds nothing of what was done to it."""
    yield
    assert_serves(server)
    # One is who asks. Requests that are in a buffer already are worked off, although nobody reads the answers.
    wait_until(lambda: server.metric("pettracker_connections") == 1, 60)
    assert server.metric("pettracker_predictions_in_flight") == 0


def assert_serves(server: Watched) -> None:
    answer = asyncio.run(server.exchange(post(PHOTO)))
    assert answer is not None
    assert answer.status == 200


@asynccontextmanager
async def crowd(server: Watched, size: int, behave: Callable[[Client], Awaitable[object]]) -> AsyncIterator[list[Client]]:
    """Keep clients connected that all behave in one way, until the block ends."""
    clients = [await server.connect() for _ in range(size)]
    tasks = [asyncio.ensure_future(behave(client)) for client in clients]
    try:
        yield clients
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(client.close() for client in clients))


def drip(start: bytes, piece: bytes) -> Callable[[Client], Awaitable[object]]:
    """Return a behaviour: send the start at once, and then one piece after the other, for ever."""

    async def behave(client: Client) -> None:
        await client.send(start)
        while True:
            await asyncio.sleep(DRIP_SECONDS)
            await client.send(piece)

    return behave


def test_headers_that_never_end_keep_nobody_waiting(server: Watched) -> None:
    async def scenario() -> None:
        async with crowd(server, CROWD, drip(b"GET /health HTTP/1.1\r\n", b"X-A: b\r\n")):
            for _ in range(20):
                answer = await server.exchange(post(PHOTO))
                assert answer is not None
                assert answer.status == 200

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (HEAD + b"Content-Length: 300000\r\n\r\n", PHOTO[:10]),
        (CHUNKED, b"1\r\nx\r\n"),
        (HEAD + b"Content-Length: 300000\r\n\r\n" + PHOTO, b""),
    ],
    ids=["bytes", "chunks", "nothing more"],
)
def test_bodies_that_never_end_are_408_and_keep_nobody_waiting(server: Watched, start: bytes, piece: bytes) -> None:
    async def scenario() -> None:
        async with crowd(server, CROWD, drip(start, piece)) as clients:
            good = [await server.exchange(post(PHOTO)) for _ in range(10)]
            assert [answer.status for answer in good if answer] == [200] * 10
            answers = await asyncio.gather(*(client.answer() for client in clients))
            # Who goes on sending may miss the answer: what comes to a closed connection resets it.
            assert {(answer.status, answer.code) for answer in answers if answer} == {(408, "request_timeout")}

    asyncio.run(scenario())


def test_more_connections_than_the_process_may_open_leave_those_that_are_open_served() -> None:
    async def scenario(limited: Watched) -> None:
        customer = await limited.connect()
        for _ in range(2):
            async with crowd(limited, 300, lambda client: client.send(b"GET /health HTTP/1.1\r\n")):
                for _ in range(10):
                    await customer.send(post(PHOTO))
                    answer = await customer.answer()
                    assert answer is not None
                    assert answer.status == 200
        await customer.close()

    def is_told_to_come_again() -> bool:
        answer = asyncio.run(limited.exchange(post(PHOTO)))
        return answer is None or answer.status == 503

    with watching(tiny_bundle(), command=("prlimit", "--nofile=200")) as limited:
        asyncio.run(scenario(limited))
        # Until the server has seen that the crowd has left.
        wait_until(lambda: not is_told_to_come_again())
        assert_serves(limited)
        assert limited.metric('pettracker_rejections_total{reason="too_many_connections"}') >= 300


@pytest.mark.parametrize("abruptly", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("sent", [1, 30, 150, len(post(PHOTO)) // 2, len(post(PHOTO))])
def test_clients_that_leave_are_forgotten(server: Watched, sent: int, abruptly: bool) -> None:
    async def scenario() -> None:
        for _ in range(10):
            client = await server.connect()
            await client.send(post(PHOTO)[:sent])
            await client.close(abruptly)

    asyncio.run(scenario())


def test_a_client_that_closes_its_half_is_answered_or_let_go(server: Watched) -> None:
    async def scenario() -> None:
        for data in (post(PHOTO), post(PHOTO)[:1000], b"GET /health HTTP/1.1\r\n"):
            client = await server.connect()
            await client.send(data)
            await client.finish_sending()
            answer = await client.answer()
            assert answer is None or answer.status == 200
            assert await client.is_closed()
            await client.close()

    asyncio.run(scenario())


def test_a_client_that_reads_no_answers_is_not_worked_for(server: Watched) -> None:
    async def scenario() -> None:
        async def flood(client: Client) -> None:
            while True:
                await client.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 100)

        async with crowd(server, 4, flood):
            await asyncio.sleep(1)
            before = server.resident_bytes()
            for _ in range(20):
                answer = await server.exchange(post(PHOTO))
                assert answer is not None
                assert answer.status == 200
            assert server.resident_bytes() < before + 30_000_000

    asyncio.run(scenario())


WRONG_SIZES = {
    "too-large": (post(bytes(400_001)), 413, "too_large"),
    "said-to-be-huge": (HEAD + b"Content-Length: 9999999999\r\n\r\nx", 413, "too_large"),
    "too-large-in-chunks": (chunked(bytes(400_001), 5000), 413, "too_large"),
    "too-large-in-one-chunk": (chunked(bytes(400_001), 400_001), 413, "too_large"),
    "shorter-than-said": (HEAD + b"Content-Length: 40000\r\n\r\n" + PHOTO[:100], 408, "request_timeout"),
    "longer-than-said": (HEAD + b"Content-Length: 100\r\n\r\n" + PHOTO, 400, "undecodable_image"),
    "without-a-length": (HEAD + b"\r\n" + PHOTO, 400, "bad_request"),
    "no-chunks": (CHUNKED + b"0\r\n\r\n", 400, "bad_request"),
}


@pytest.mark.parametrize(("data", "status", "code"), WRONG_SIZES.values(), ids=WRONG_SIZES)
def test_bodies_of_a_wrong_size(server: Watched, data: bytes, status: int, code: str) -> None:
    answer = asyncio.run(server.exchange(data))
    assert answer is not None
    assert (answer.status, answer.code) == (status, code)


def test_a_body_that_is_not_even_read_costs_its_connection(server: Watched) -> None:
    """Closing a connection with unread data resets it, and a client that is still sending may lose its answer for that."""
    answer = asyncio.run(server.exchange(post(bytes(1_700_000))))
    assert answer is None or (answer.status, answer.code) == (413, "too_large")
    after = asyncio.run(server.exchange(post(PHOTO)))
    assert after is not None
    assert after.status == 200


@pytest.mark.parametrize("size", [20, 4096, len(PHOTO)])
def test_chunks_of_any_size_are_a_photo(server: Watched, size: int) -> None:
    answer = asyncio.run(server.exchange(chunked(PHOTO, size)))
    assert answer is not None
    assert answer.status == 200


AMBIGUOUS = {
    "length-and-chunks": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks-and-length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two-lengths": HEAD + b"Content-Length: 4\r\nContent-Length: 0\r\n\r\nabcd",
    "list-of-lengths": HEAD + b"Content-Length: 4, 4\r\n\r\nabcd",
    "signed-length": HEAD + b"Content-Length: +4\r\n\r\nabcd",
    "hexadecimal-length": HEAD + b"Content-Length: 0x4\r\n\r\nabcd",
    "negative-length": HEAD + b"Content-Length: -4\r\n\r\nabcd",
    "gzip-and-chunks": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "xchunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked-then-identity": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "space-before-colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "folded-header": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "vertical-tab": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "carriage-return": HEAD + b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "nul": HEAD + b"X: y\0z\r\n\r\n",
    "negative-chunk": CHUNKED + b"-1\r\n\r\n",
    "chunk-0x": CHUNKED + b"0x2\r\nab\r\n0\r\n\r\n",
    "chunk-underscore": CHUNKED + b"1_0\r\nabcdefghijklmnop\r\n0\r\n\r\n",
    "chunk-overflow": CHUNKED + b"ffffffffffffffffffff\r\nab\r\n0\r\n\r\n",
    "chunk-no-number": CHUNKED + b"zz\r\nab\r\n0\r\n\r\n",
    "chunk-too-short": CHUNKED + b"2\r\nabcd\r\n0\r\n\r\n",
    "chunk-line-too-long": CHUNKED + b"0" * 100_000 + b"1\r\na\r\n0\r\n\r\n",
    "two-hosts": b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no-host": b"GET /health HTTP/1.1\r\n\r\n",
    "header-too-large": b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "line-too-long": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "http-0.9": b"GET /health\r\n\r\n",
    "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tls": b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("data", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_could_be_read_in_two_ways_is_read_in_none(server: Watched, data: bytes) -> None:
    async def scenario() -> None:
        client = await server.connect()
        await client.send(data + SMUGGLED)
        answer = await client.answer()
        assert answer is None or answer.status == 400
        assert answer is None or await client.is_closed()
        await client.close()

    asyncio.run(scenario())
