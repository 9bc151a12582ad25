"""Figures for CloudWatch, as the agent on the host gets them."""

import asyncio
import logging
import socket
from collections.abc import Iterator

import pytest

from inference import telemetry as module
from inference.telemetry import Telemetry


@pytest.fixture
def agent() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5)
        yield listener


def telemetry_for(agent: socket.socket) -> Telemetry:
    return Telemetry(f"127.0.0.1:{agent.getsockname()[1]}")


def test_a_latency_is_a_timing_in_milliseconds(agent: socket.socket) -> None:
    telemetry_for(agent).latency(0.0123456)
    assert agent.recv(1024) == b"InferenceLatency:12.346|ms"


def test_a_failure_is_a_count_under_its_code(agent: socket.socket) -> None:
    telemetry_for(agent).error("deadline_exceeded")
    assert agent.recv(1024) == b"InferenceErrors:1|c|#code:deadline_exceeded"


def test_no_error_is_counted_again_and_again_until_the_end(agent: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ZERO_SECONDS", 0.001)

    async def count() -> None:
        counting = asyncio.ensure_future(telemetry_for(agent).count_no_errors())
        received = [await asyncio.to_thread(agent.recv, 1024) for _ in range(3)]
        counting.cancel()
        assert received == [b"InferenceErrors:0|c"] * 3

    asyncio.run(count())


def test_an_agent_that_is_away_and_comes_back_costs_the_figures_between(agent: socket.socket) -> None:
    telemetry = telemetry_for(agent)
    address = agent.getsockname()
    agent.close()
    for _ in range(3):
        telemetry.latency(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
        back.bind(address)
        back.settimeout(5)
        telemetry.latency(2)  # may be answered with what became of the last one
        telemetry.latency(3)
        assert back.recv(1024) in {b"InferenceLatency:2000.000|ms", b"InferenceLatency:3000.000|ms"}


def test_an_agent_that_does_not_read_stops_nobody(agent: socket.socket) -> None:
    telemetry = telemetry_for(agent)
    for _ in range(5000):
        telemetry.latency(0.01)


def test_without_an_address_and_after_the_end_nothing_is_sent(agent: socket.socket) -> None:
    silent, ended = Telemetry(""), telemetry_for(agent)
    ended.close()
    for telemetry in (silent, ended):
        telemetry.latency(1)
        telemetry.error("internal")
        telemetry.close()
    agent.setblocking(False)
    with pytest.raises(BlockingIOError):
        agent.recv(1024)


def test_an_address_that_cannot_be_is_logged_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "inference"):
        Telemetry("127.0.0.1:nowhere").latency(1)
    [record] = caplog.records
    assert (record.message, record.fields["address"]) == ("no telemetry", "127.0.0.1:nowhere")
