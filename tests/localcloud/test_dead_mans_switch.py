"""Within what time an alarm rings when data stop, whatever AWS does not tell about the range and the pace of its evaluation."""

import itertools
from datetime import datetime, timedelta

import pytest
from moto.cloudwatch.models import MetricDatum

from localcloud.settings import Settings
from localcloud.telemetry.alarm_evaluation import Condition, evaluate, evaluation_range, range_length
from localcloud.telemetry.alarm_source import Source
from localcloud.telemetry.alarms import datapoints
from localcloud.telemetry.metric_store import MetricStore

MINUTE = 60
HEARTBEAT = 10
BEGIN = datetime(2026, 3, 1, 12)
# Seconds into a minute at which the last heartbeat is sent, and at which CloudWatch looks at the alarm.
SENT, LOOKED = (0, 1, 29, 59), (0, 20, 59)
# Seconds until a heartbeat can be read, and points that are looked at beyond the evaluation periods.
DELAYS, EXTRA = (0, 59, 130), (0, 2, 5, 9)


class Time:
    """What the store takes for the time."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now


def silence(periods: int, extra: int, *, delay: int, sent: int, looked: int, fill: float | None = 0.0) -> tuple[float, int]:
    """Send heartbeats for a quarter of an hour, then none.

    Return after how many seconds of silence the alarm rings, and how often it has rung before.
    """
    time = Time()
    store = MetricStore(timedelta(seconds=delay), time)
    source = Source("Service", "Heartbeat", (), "Sum", None, MINUTE, fill)
    condition = Condition("LessThanThreshold", 1.0, periods, periods, "breaching")
    last = BEGIN + timedelta(seconds=15 * MINUTE + sent)
    beats = [last - timedelta(seconds=HEARTBEAT * number) for number in range(90, -1, -1)]
    rung = 0
    for minute in range(5 + delay // MINUTE, 60):
        time.now = BEGIN + timedelta(seconds=minute * MINUTE + looked)
        while beats and beats[0] <= time.now:
            datum = MetricDatum("Service", "Heartbeat", 1.0, [], beats.pop(0))
            time.now, moment = datum.timestamp, time.now
            store.append(datum)
            time.now = moment
        times = evaluation_range(time.now, MINUTE, MINUTE, range_length(MINUTE, periods, extra))
        points = list(datapoints(source, store, times, time.now))
        if evaluate(condition, source.filled(points, times)).state == "ALARM":
            if time.now > last:
                return (time.now - last).total_seconds(), rung
            rung += 1
    raise AssertionError("it never rings")


@pytest.mark.parametrize("periods", [3, 5])
def test_a_filled_metric_rings_within_two_periods_more_than_it_is_asked_for(periods: int) -> None:
    for extra, delay, sent, looked in itertools.product(EXTRA, DELAYS, SENT, LOOKED):
        seconds, rung = silence(periods, extra, delay=delay, sent=sent, looked=looked)
        assert periods * MINUTE - delay < seconds <= (periods + 2) * MINUTE, (extra, delay, sent, looked)
        assert not rung, (extra, delay, sent, looked)


@pytest.mark.parametrize("extra", [2, 5, 9])
def test_a_metric_with_gaps_rings_when_the_whole_range_is_empty(extra: int) -> None:
    assert silence(5, extra, delay=0, sent=1, looked=0, fill=None)[0] > (5 + extra) * MINUTE


def test_where_nobody_says_how_far_the_local_cloud_looks_back_as_far_as_people_have_seen() -> None:
    # https://stackoverflow.com/questions/64045238: an alarm on one period of a minute rang four to nine minutes late.
    extra = Settings.from_environment({}).alarm_extra_periods
    assert 4 * MINUTE < silence(1, extra, delay=0, sent=59, looked=0, fill=None)[0] < 9 * MINUTE


def test_a_range_with_no_point_at_all_is_not_filled() -> None:
    source = Source("Service", "Heartbeat", (), "Sum", None, MINUTE, fill=100.0)
    assert source.filled([None, None], [BEGIN, BEGIN]) == [None, None]


def test_a_metric_can_be_read_once_it_has_arrived() -> None:
    time = Time()
    store = MetricStore(timedelta(seconds=90), time)
    store.append(MetricDatum("Service", "Heartbeat", 1.0, [], BEGIN))
    series, end = ("Service", "Heartbeat", ()), BEGIN + timedelta(hours=1)
    assert not store.between(series, BEGIN, end, BEGIN + timedelta(seconds=89))
    assert not store.between(series, BEGIN, end)
    time.now += timedelta(seconds=90)
    assert len(store.between(series, BEGIN, end)) == 1
