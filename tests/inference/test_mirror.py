"""Copies of answered predictions: what is compared, and that no candidate whatever costs more than its bounds."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from inference.metrics import Metrics
from inference.mirror import HEADER, Bounds, Copy, Mirror, compare
from inference.shadow import Shadow
from inference.telemetry import Telemetry
from tests.inference.candidates import answering, said

PREDICTIONS = [{"class": "cat", "class_id": 0, "confidence": 0.75}, {"class": "dog", "class_id": 1, "confidence": 0.2}]
COPY = Copy(b"photo", "application/octet-stream", "request-1", PREDICTIONS, 0.01)


class Recording(Telemetry):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__("")
        self.lines: list[str] = []

    def _send(self, line: str) -> None:
        self.lines.append(line)


class Mirrored:
    """A mirror, and what it has counted."""

    def __init__(self, **bounds: Any) -> None:
        self.metrics, self.telemetry, self.now, self.drawn = Metrics(), Recording(), 1000.0, 0.0
        self.mirror = Mirror(self.metrics, self.telemetry, replace(Bounds(), **bounds), lambda: self.now, lambda: self.drawn)

    def to(self, *targets: str, share: float = 1.0) -> None:
        self.mirror.tell(Shadow(share, 2000, targets))

    def counted(self, name: str) -> dict[str, float]:
        """Return the values of a counter by its one label, "" where it has none; zeros are left out."""
        families = text_string_to_metric_families(self.metrics.exposition().decode())
        (family,) = [one for one in families if one.name == f"pettracker_shadow_{name}"]
        values = [sample for sample in family.samples if sample.name.endswith("_total") and sample.value]
        return {"".join(sample.labels.values()): sample.value for sample in values}

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                await asyncio.sleep(0.005)

    async def settled(self, copies: int) -> None:
        """Wait until so many copies have come to an end."""
        names = ("compared", "failed", "dropped")
        await self.until(lambda: sum(sum(self.counted(name).values()) for name in names) == copies)


def played(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scene())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (said("cat", "dog", confidence=0.75, seconds=0.01), (True, 2, 2, 0.0, False)),
        (said("dog", "cat", confidence=0.8, seconds=0.0119), (False, 2, 2, -0.35, False)),
        (said("bird", confidence=0.8, seconds=0.0121), (False, 2, 0, -0.75, True)),
    ],
)
def test_an_answer_is_compared_by_class_confidence_and_time(answer: bytes, expected: tuple[Any, ...]) -> None:
    found = compare(COPY, answer)
    assert (found.agrees, found.classes, found.common) == expected[:3]
    assert found.confidence_difference == pytest.approx(expected[3])
    assert found.slower is expected[4]


def test_a_copy_is_what_was_asked_and_says_that_it_is_one() -> None:
    async def scene() -> None:
        with answering(lambda _: (200, said("cat", "dog"))) as candidate:
            one = Mirrored()
            one.to(candidate.address)
            one.mirror.offer(COPY)
            await one.settled(1)
        [(path, headers, body)] = candidate.came
        assert (path, body) == ("/predict", b"photo")
        assert (headers[HEADER], headers["X-Request-Id"]) == ("1", "request-1")
        assert headers["Content-Type"] == "application/octet-stream"
        assert one.counted("compared") == {"yes": 1}
        assert set(one.telemetry.lines) == {
            "ShadowCompared:1|c", "ShadowAgreed:1|c", "ShadowClasses:2|c", "ShadowClassesInCommon:2|c",
            "ShadowConfidenceDifference:0.250000|ms",
        }  # fmt: skip

    played(scene)


def test_only_the_share_is_copied_and_nothing_after_the_end() -> None:
    async def scene() -> None:
        with answering(lambda _: (200, said("dog", "cat"))) as candidate:
            one = Mirrored()
            one.mirror.offer(COPY)  # nobody has told it to
            one.to(candidate.address, share=0.3)
            for one.drawn in (0.0, 0.29, 0.3, 0.99):
                one.mirror.offer(COPY)
            await one.settled(2)
            one.now, one.drawn = 2000.0, 0.0
            one.mirror.offer(COPY)
            one.now = 1000.0
            one.mirror.tell(None)
            one.mirror.offer(COPY)
            await asyncio.sleep(0)
        assert len(candidate.came) == 2
        assert one.counted("compared") == {"no": 2}
        assert one.counted("copies") == {"": 2}

    played(scene)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (503, b"{}", "refused"),
        (302, b"", "refused"),
        (200, b"<html>", "unreadable"),
        (200, b"[]", "unreadable"),
        (200, b'{"predictions": [], "latency_seconds": 1}', "unreadable"),
        (200, b'{"predictions": [{"class": "cat", "confidence": null}], "latency_seconds": 1}', "unreadable"),
        (200, b"x" * 70_000, "unreachable"),
    ],
)
def test_a_candidate_that_answers_rubbish_is_counted_and_no_more(status: int, body: bytes, reason: str) -> None:
    async def scene() -> None:
        with answering(lambda _: (status, body)) as candidate:
            one = Mirrored()
            one.to(candidate.address)
            one.mirror.offer(COPY)
            await one.settled(1)
        assert one.counted("failed") == {reason: 1}
        assert f"ShadowFailed:1|c|#reason:{reason}" in one.telemetry.lines

    played(scene)


def test_a_dead_candidate_fails_its_copies() -> None:
    async def scene() -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # and does not listen
            one = Mirrored()
            one.to(f"127.0.0.1:{nobody.getsockname()[1]}")
            one.mirror.offer(COPY)
            one.mirror.offer(COPY)
            await one.settled(2)
        assert one.counted("failed") == {"unreachable": 2}

    played(scene)


def test_a_candidate_that_never_answers_costs_its_deadline() -> None:
    over = threading.Event()

    def never(_: bytes) -> tuple[int, bytes]:
        over.wait(30)
        return 200, b""

    async def scene() -> None:
        with answering(never) as candidate:
            one = Mirrored(seconds=0.1)
            one.to(candidate.address)
            one.mirror.offer(COPY)
            await one.settled(1)
            over.set()
        assert one.counted("failed") == {"timeout": 1}

    played(scene)


def test_what_has_no_room_is_dropped_and_room_that_is_free_again_is_used() -> None:
    go = threading.Event()

    def late(_: bytes) -> tuple[int, bytes]:
        go.wait(30)
        return 200, said("cat", "dog")

    async def scene() -> None:
        with answering(late) as candidate:
            one = Mirrored(queue=2, connections=1, copy_bytes=50, held_bytes=100)
            one.to(candidate.address)
            one.mirror.offer(replace(COPY, content=b"x" * 51))
            assert one.counted("dropped") == {"too_large": 1}
            one.mirror.offer(COPY)
            await one.until(lambda: candidate.came)  # under way, and no longer waiting
            one.mirror.offer(replace(COPY, content=b"x" * 50))
            one.mirror.offer(replace(COPY, content=b"x" * 50))  # more bytes than may be held
            one.mirror.offer(COPY)
            one.mirror.offer(COPY)  # more copies than may wait
            assert one.counted("dropped") == {"too_large": 1, "queue_full": 2}
            go.set()
            await one.settled(6)
            for _ in range(2):
                one.mirror.offer(replace(COPY, content=b"x" * 50))
            await one.settled(8)
        assert one.counted("compared") == {"yes": 5}

    played(scene)


def test_the_end_forgets_what_waits_and_what_is_under_way() -> None:
    over = threading.Event()

    def never(_: bytes) -> tuple[int, bytes]:
        over.wait(30)
        return 200, b""

    async def scene() -> None:
        with answering(never) as candidate:
            one = Mirrored(connections=1)
            one.to(candidate.address)
            one.mirror.offer(COPY)
            one.mirror.offer(COPY)
            await one.until(lambda: candidate.came)
            one.mirror.close()
            over.set()
        assert one.counted("dropped") == {"ended": 1}
        assert len(candidate.came) == 1

    played(scene)
