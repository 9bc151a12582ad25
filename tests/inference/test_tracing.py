"""W3C trace context: which headers count, and where the ids go."""

import pytest

from inference.tracing import trace_fields
from tests.inference.servers import Running

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FIELDS = {"trace_id": TRACE, "parent_span_id": PARENT}


@pytest.mark.parametrize(
    "header",
    [
        f"00-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-00",
        # Level 2 has a second flag; others are to be ignored.
        f"00-{TRACE}-{PARENT}-03",
        f"00-{TRACE}-{PARENT}-ff",
        # A later version may have more.
        f"cc-{TRACE}-{PARENT}-01",
        f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like",
    ],
)
def test_a_valid_header_tells_trace_and_parent(header: str) -> None:
    assert trace_fields({"traceparent": header}) == FIELDS


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01.",
        f"00-{TRACE}-{PARENT}-0x",
        f"cc-{TRACE}-{PARENT}-01.more",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT.upper()}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{PARENT}-01",
        f"00_{TRACE}_{PARENT}_01",
        f"00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01",
        f"cc-{TRACE}-{PARENT}-01-x,00-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01\n",
    ],
)
def test_any_other_header_counts_as_none(header: str) -> None:
    assert trace_fields({"traceparent": header}) == {}


def test_no_header() -> None:
    assert trace_fields({}) == {}


def test_the_log_of_a_request_names_its_trace(server: Running) -> None:
    server.ask("/version", X_Request_Id="traced", traceparent=f"00-{TRACE}-{PARENT}-01")
    server.ask("/version", X_Request_Id="not-traced", traceparent=f"00-{TRACE}-{PARENT}-01-more")
    found: dict[str, object] = {}
    while found.get("request_id") != "traced":
        found = server.wait_for("request")
    assert FIELDS.items() <= found.items()
    while found.get("request_id") != "not-traced":
        found = server.wait_for("request")
    assert not FIELDS.keys() & found.keys()
