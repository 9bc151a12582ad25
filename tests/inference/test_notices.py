"""Termination notices, from the local cloud's metadata service as a host finds it."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from inference.notices import watch
from localcloud.instance_data import InstanceView
from localcloud.metadata import MetadataServer, Tokens
from localcloud.settings import Settings

VIEW = InstanceView(
    "i-0123456789abcdef0", "us-east-1", "us-east-1a", "123456789012", "ami-1", "c5.large", "127.0.0.1", "02:00:00:00:00:01"
)  # fmt: skip
SPOT = {"action": "terminate", "time": "2026-01-01T00:02:00Z"}


@dataclass
class Metadata:
    """A metadata service and what it says; `asked` counts requests for documents."""

    port: int
    server: MetadataServer
    view: InstanceView = VIEW
    asked: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def look_up(self, _address: str) -> InstanceView:
        self.asked += 1
        return self.view


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[Metadata]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = MetadataServer(Settings(root=tmp_path, metadata_port=port), lambda _: None, lambda _: {})
    one = Metadata(port, server)
    server.lookup = one.look_up
    server.listen("127.0.0.1")
    yield one
    server.close()


def notices(url: str, scene: Callable[[], Awaitable[None]] | None = None) -> list[str]:
    """Watch while the scene is played, and until the watch ends if there is none; return what was told."""
    told: list[str] = []

    async def run() -> None:
        watching = asyncio.create_task(watch(url, told.append, interval=0.01))
        if scene is None:
            await asyncio.wait_for(watching, 10)
            return
        await scene()
        assert not watching.done()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(run())
    return told


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def test_nothing_is_told_while_there_is_no_notice(metadata: Metadata) -> None:
    metadata.view = replace(VIEW, target_lifecycle_state="InService")
    assert notices(metadata.url, lambda: until(lambda: metadata.asked > 12)) == []


def test_a_spot_notice_is_told_once_with_its_time(metadata: Metadata, caplog: pytest.LogCaptureFixture) -> None:
    metadata.view = replace(VIEW, spot_action=SPOT)
    with caplog.at_level(logging.INFO, "inference"):
        assert notices(metadata.url) == ["spot: terminate at 2026-01-01T00:02:00Z"]
    assert [(one.message, one.fields) for one in caplog.records] == [
        ("termination notice", {"reason": "spot: terminate at 2026-01-01T00:02:00Z"})
    ]


def test_a_group_that_takes_the_host_out_is_a_notice(metadata: Metadata) -> None:
    metadata.view = replace(VIEW, target_lifecycle_state="Terminated")
    assert notices(metadata.url) == ["autoscaling: target life-cycle state is Terminated"]


def test_a_rebalance_recommendation_is_logged_once_and_no_notice(
    metadata: Metadata, caplog: pytest.LogCaptureFixture
) -> None:
    metadata.view = replace(VIEW, rebalance_time="2026-01-01T00:00:00Z")
    with caplog.at_level(logging.INFO, "inference"):
        assert notices(metadata.url, lambda: until(lambda: metadata.asked > 12)) == []
    assert [one.message for one in caplog.records] == ["rebalance recommended"]


def test_a_token_that_ends_is_replaced(metadata: Metadata) -> None:
    async def scene() -> None:
        await until(lambda: metadata.asked > 3)
        metadata.server.tokens = Tokens()  # no token given out so far is good any more
        metadata.asked = 0
        await until(lambda: metadata.asked > 12)

    assert notices(metadata.url, scene) == []


def test_a_service_that_is_off_is_mentioned_once_and_heeded_when_it_is_on(
    metadata: Metadata, caplog: pytest.LogCaptureFixture
) -> None:
    metadata.view = replace(VIEW, http_endpoint=False)
    told: list[str] = []

    async def run() -> None:
        watching = asyncio.create_task(watch(metadata.url, told.append, interval=0.01))
        await until(lambda: metadata.asked > 3)
        metadata.view = replace(VIEW, spot_action=SPOT)
        await asyncio.wait_for(watching, 10)

    with caplog.at_level(logging.INFO, "inference"):
        asyncio.run(run())
    assert [one.message for one in caplog.records] == ["no instance metadata", "termination notice"]
    assert len(told) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[", "not a url"])
def test_a_service_out_of_reach_ends_nothing(url: str) -> None:
    assert notices(url, lambda: asyncio.sleep(0.1)) == []
