"""How long the stand-in for the CloudWatch agent holds metrics back, and when it loses them, as the agent does."""

from typing import Any

import pytest

from localcloud.agent.standin.api import ApiError
from localcloud.agent.standin.config import parse
from localcloud.agent.standin.outbox import Outbox
from tests.localcloud.agent_configuration import FULL, configuration

TAGS = {"InstanceId": "i-1", "AutoScalingGroupName": "fleet"}


class Place:
    """An outbox, the tags that the account tells (none: it refuses), and what has arrived."""

    def __init__(self, **metrics: Any) -> None:
        self.tags: dict[str, str] | None = TAGS
        self.away = False
        self.sent: list[tuple[float, dict[str, str]]] = []
        self.outbox = Outbox(parse(configuration(metrics=FULL["metrics"] | metrics)), self._known, self._send)

    def measure(self, value: float) -> None:
        self.outbox.put([{"name": "mem_used_percent", "value": value, "dimensions": {}}])

    def of_all(self) -> list[float]:
        """Return the values that arrived without a dimension."""
        return [value for value, dimensions in self.sent if not dimensions]

    def _known(self) -> dict[str, str]:
        if self.tags is None:
            raise ApiError("UnauthorizedOperation", "ec2 refused")
        return self.tags

    def _send(self, _namespace: str, figures: list[dict[str, Any]]) -> None:
        if self.away:
            raise ApiError("", "monitoring did not answer")
        self.sent += [(figure["value"], figure["dimensions"]) for figure in figures]


def test_metrics_are_gathered_for_the_flush_interval_and_sent_at_the_next() -> None:
    place = Place(force_flush_interval=60)
    place.outbox.step(0)
    place.outbox.step(1)
    place.measure(1)
    place.outbox.step(59)
    assert place.of_all() == []
    place.outbox.step(60)
    place.measure(2)
    assert place.of_all() == [1]
    place.outbox.step(119)
    assert place.of_all() == [1]
    place.outbox.step(120)
    assert place.of_all() == [1, 2]


def test_metrics_wait_a_minute_where_nothing_is_said() -> None:
    metrics = {name: value for name, value in FULL["metrics"].items() if name != "force_flush_interval"}
    assert parse(configuration(metrics=metrics)).push_seconds == 60


def test_metrics_are_lost_until_the_tags_are_known_which_is_tried_again_after_a_minute() -> None:
    place = Place()
    place.tags = None
    place.outbox.step(0)
    place.measure(1)
    place.tags = TAGS
    place.outbox.step(59)
    place.measure(2)
    place.outbox.step(60)
    place.measure(3)
    place.outbox.step(120)
    assert place.of_all() == [3]


def test_a_group_that_the_tags_do_not_tell_is_asked_for_again_after_three_minutes() -> None:
    place = Place()
    place.tags = {"InstanceId": "i-1"}
    place.outbox.step(0)
    place.measure(1)
    place.tags = TAGS
    place.outbox.step(179)
    place.measure(2)
    place.outbox.step(180)
    place.measure(3)
    place.outbox.step(300)
    assert [value for value, dimensions in place.sent if dimensions == {"AutoScalingGroupName": "fleet"}] == [3]
    assert place.of_all() == [1, 2, 3]


def test_what_the_api_refuses_is_sent_once_when_it_is_back() -> None:
    place = Place()
    place.outbox.step(0)
    place.measure(1)
    place.away = True
    with pytest.raises(ApiError, match="did not answer"):
        place.outbox.step(5)
    place.away = False
    place.outbox.step(6)
    place.outbox.step(11)
    assert place.of_all() == [1]
