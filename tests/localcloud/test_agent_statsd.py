"""What the stand-in for the CloudWatch agent makes of StatsD lines."""

import math
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from localcloud.agent.standin.statsd import VALUES, Listener, Slot, parse_line, to_figures
from tests.localcloud.conftest import eventually


@pytest.fixture
def listener() -> Iterator[Listener]:
    one = Listener("127.0.0.1:0")
    yield one
    one.close()


def send(listener: Listener, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for datagram in datagrams:
            client.sendto(datagram, ("127.0.0.1", listener.port))


@pytest.mark.parametrize(
    "line",
    [
        "x", "x:1", "x:1|g", "x:1|s", "x:1|h", "x:-1|c", "x:1|c|@0.1", "x:1|c|#", "x:1|c|#flag", "x.y:1|c", "x:1|ms:2|ms",
        "x:1e3|ms", ":1|c",
    ],
)  # fmt: skip
def test_what_the_project_does_not_send_is_not_understood(line: str) -> None:
    assert parse_line(line) is None


def test_a_counter_is_the_sum_of_what_came_under_the_same_tags() -> None:
    gathered: Counter[Slot] = Counter()
    for line in ("errors:1|c|#code:a", "errors:2|c|#code:a", "errors:1|c|#code:b", "errors:1|c"):
        slot, count = parse_line(line) or pytest.fail(line)
        gathered[slot] += count
    assert to_figures(gathered) == [
        {"name": "errors", "value": 1.0, "dimensions": {"metric_type": "counter"}},
        {"name": "errors", "value": 3.0, "dimensions": {"metric_type": "counter", "code": "a"}},
        {"name": "errors", "value": 1.0, "dimensions": {"metric_type": "counter", "code": "b"}},
    ]


@pytest.mark.parametrize("value", [0.004, 0.9, 1, 7.5, 240, 30000])
def test_a_timing_is_within_a_twentieth_of_what_was_sent(value: float) -> None:
    slot, count = parse_line(f"latency:{value}|ms") or pytest.fail("not understood")
    [figure] = to_figures(Counter({slot: count}))
    assert list(figure["values"].values()) == [1]
    assert list(figure["values"]) == [pytest.approx(value, rel=0.05)]
    assert figure["dimensions"] == {"metric_type": "timing"}


def test_a_timing_of_nothing_is_nothing() -> None:
    slot, _ = parse_line("latency:0|ms") or pytest.fail("not understood")
    assert to_figures(Counter({slot: 2}))[0]["values"] == {0.0: 2}


def test_one_datum_holds_no_more_values_than_cloudwatch_takes() -> None:
    bins = Counter({Slot("latency", "timing", (), float(one)): 1 for one in range(VALUES + 1)})
    assert [len(figure["values"]) for figure in to_figures(bins)] == [VALUES, 1]


def test_lines_come_alone_or_many_in_a_datagram_and_a_bad_one_spoils_no_other(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    send(listener, b"", b"a:1|c\nb:2|ms\nnonsense\n\xff\xfe", b"a:1|c")
    eventually(lambda: listener.gathered == 3)
    bin_of_2 = float(math.floor(math.log(2) / math.log(1.1)))
    assert listener.take() == {Slot("a", "counter", (), None): 2, Slot("b", "timing", (), bin_of_2): 1}
    assert [one.message for one in caplog.records if "nonsense" in one.message]
    assert listener.gathered == 0
