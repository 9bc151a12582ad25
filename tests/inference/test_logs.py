"""Lines that anybody can cause do not fill the log."""

import logging

import pytest

from inference.logs import Limited


def test_so_many_lines_are_written_and_the_others_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock, left_out = [0.0], []
    limited = Limited(lambda: left_out.append(1), lines=3, per_second=2, clock=lambda: clock[0])
    with caplog.at_level(logging.INFO, "inference"):
        for clock[0], count in ((0.0, 10), (1.0, 5), (1000.0, 5)):
            for number in range(count):
                limited.info("request", number=number)
    written = [(record.message, *vars(record)["fields"].values()) for record in caplog.records]
    first = [("request", 0), ("request", 1), ("request", 2)]
    assert written == [*first, ("lines left out", 7), *first[:2], ("lines left out", 3), *first]
    assert len(left_out) == 12
