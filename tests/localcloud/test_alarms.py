"""Alarms of the API: evaluated on what CloudWatch has, with history and actions."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.core.utils import utcnow

from localcloud import backends
from localcloud.telemetry import alarm_request
from tests.localcloud.conftest import Cloud, eventually

ALARM = {
    "AlarmName": "slow",
    "Namespace": "Test",
    "MetricName": "Latency",
    "Dimensions": [{"Name": "Service", "Value": "pets"}],
    "Statistic": "Average",
    "Period": 10,
    "EvaluationPeriods": 2,
    "Threshold": 100.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


class Watched:
    """An alarm, the figures that it looks at, and a clock that the test sets."""

    def __init__(self, cloud: Cloud, **changes: Any) -> None:
        self.cloud = cloud
        self.cloudwatch = cloud.client("cloudwatch")
        settings = {key: value for key, value in (ALARM | changes).items() if value is not None}
        self.cloudwatch.put_metric_alarm(**settings)
        self.now = utcnow().replace(microsecond=0) + timedelta(seconds=1)
        self.now -= timedelta(seconds=self.now.second % 10)

    def say(self, *values: float, **datum: Any) -> None:
        """Put one value (or `datum`) into each of the next periods, and look at the alarm after each."""
        for one in [{"Value": value} for value in values] or [datum]:
            stamp = self.now.replace(tzinfo=UTC)
            metric = {"MetricName": "Latency", "Dimensions": ALARM["Dimensions"], "Timestamp": stamp}
            self.cloudwatch.put_metric_data(Namespace="Test", MetricData=[metric | one])
            self.pass_by()

    def pass_by(self, periods: int = 1) -> None:
        for _ in range(periods):
            self.now += timedelta(seconds=10)
            self.cloud.account.alarms.evaluate(self.now)

    @property
    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cloudwatch.describe_alarms(AlarmNames=["slow"])["MetricAlarms"][0]
        return found

    @property
    def range(self) -> int:
        """Periods that the alarm looks at."""
        return int(ALARM["EvaluationPeriods"]) + self.cloud.account.settings.alarm_extra_periods

    @property
    def state(self) -> str:
        return str(self.described["StateValue"])

    def history(self, kind: str) -> list[str]:
        reply = self.cloudwatch.describe_alarm_history(AlarmName="slow", HistoryItemType=kind, ScanBy="TimestampAscending")
        return [one["HistorySummary"] for one in reply["AlarmHistoryItems"]]


def test_a_new_alarm_knows_nothing_rings_when_it_is_bad_and_is_over_when_it_is_good(cloud: Cloud) -> None:
    alarm = Watched(cloud)
    assert alarm.state == "INSUFFICIENT_DATA"
    alarm.say(50)
    assert alarm.state == "OK"
    alarm.say(150, 160)
    assert alarm.state == "ALARM"
    assert "160.0" in alarm.described["StateReason"]
    assert json.loads(alarm.described["StateReasonData"])["recentDatapoints"] == [150.0, 160.0]
    alarm.say(20)
    assert alarm.state == "OK"
    alarm.pass_by(1 + alarm.range)
    assert alarm.state == "INSUFFICIENT_DATA"
    assert alarm.history("StateUpdate") == [
        "Alarm updated from INSUFFICIENT_DATA to OK",
        "Alarm updated from OK to ALARM",
        "Alarm updated from ALARM to OK",
        "Alarm updated from OK to INSUFFICIENT_DATA",
    ]


@pytest.mark.parametrize("extra", [2, 5, 9])
def test_without_data_an_alarm_rings_when_its_whole_range_is_empty(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, extra: int
) -> None:
    monkeypatch.setattr(cloud.account.alarms, "_extra_periods", extra)
    alarm = Watched(cloud, TreatMissingData="breaching", ComparisonOperator="LessThanThreshold", Threshold=1.0)
    alarm.say(1, 1)
    alarm.pass_by(1 + extra)
    assert alarm.state == "OK"
    alarm.pass_by()
    assert alarm.state == "ALARM"
    assert "treated as [Breaching]" in alarm.described["StateReason"]


@pytest.mark.parametrize("statistic", ["p99", "TM(98%:99%)"])
def test_extended_statistics_ring_on_single_values(cloud: Cloud, statistic: str) -> None:
    alarm = Watched(cloud, Statistic=None, ExtendedStatistic=statistic, EvaluationPeriods=1)
    alarm.say(Values=[10.0, 500.0], Counts=[990.0, 10.0])
    assert alarm.state == "OK"
    alarm.say(Values=[10.0, 500.0], Counts=[900.0, 100.0])
    assert alarm.state == "ALARM"


def test_only_the_metric_with_exactly_these_dimensions_and_this_unit_counts(cloud: Cloud) -> None:
    alarm = Watched(cloud, Dimensions=[], EvaluationPeriods=1)
    alarm.say(500)
    assert alarm.state == "INSUFFICIENT_DATA"
    alarm = Watched(cloud, Unit="Seconds", EvaluationPeriods=1)
    alarm.say(Value=500.0, Unit="Count")
    assert alarm.state == "INSUFFICIENT_DATA"
    alarm.say(Value=500.0, Unit="Seconds")
    assert alarm.state == "ALARM"


def test_an_alarm_that_is_changed_keeps_its_state(cloud: Cloud) -> None:
    alarm = Watched(cloud)
    alarm.say(150, 150)
    alarm.cloudwatch.put_metric_alarm(**ALARM | {"Threshold": 1000.0})
    assert alarm.state == "ALARM"
    alarm.pass_by()
    assert alarm.state == "OK"


def test_a_state_that_was_set_by_hand_lasts_until_the_next_look(cloud: Cloud) -> None:
    alarm = Watched(cloud)
    alarm.say(50)
    alarm.cloudwatch.set_alarm_state(AlarmName="slow", StateValue="ALARM", StateReason="a test")
    assert alarm.state == "ALARM"
    alarm.pass_by()
    assert alarm.state == "OK"


def test_topics_hear_of_what_they_are_named_for(cloud: Cloud) -> None:
    sns, sqs = cloud.client("sns"), cloud.client("sqs")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:alarms")
    alarm = Watched(cloud, AlarmActions=[topic])
    alarm.say(50, 150, 150)
    received = eventually(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"))
    notification = json.loads(received[0]["Body"])
    assert notification["Subject"] == 'ALARM: "slow" in US East (N. Virginia)'
    message = json.loads(notification["Message"])
    assert (message["OldStateValue"], message["NewStateValue"]) == ("OK", "ALARM")
    assert message["Trigger"]["Dimensions"] == [{"name": "Service", "value": "pets"}]
    assert eventually(lambda: alarm.history("Action")) == [f"Successfully executed action {topic}"]


def test_an_action_that_cannot_be_taken_is_told_in_the_history(cloud: Cloud) -> None:
    missing = "arn:aws:sns:us-east-1:123456789012:nobody"
    alarm = Watched(cloud, AlarmActions=[missing, "arn:aws:automate:us-east-1:ec2:stop"])
    alarm.say(150, 150)
    eventually(lambda: len(alarm.history("Action")) == 2)
    assert {one.split(" action ")[0] for one in alarm.history("Action")} == {"Failed to execute"}


def test_disabled_actions_are_not_taken(cloud: Cloud) -> None:
    alarm = Watched(cloud, AlarmActions=["arn:aws:automate:us-east-1:ec2:stop"], ActionsEnabled=False)
    alarm.say(150, 150)
    assert alarm.state == "ALARM"
    assert not alarm.history("Action")


FILLED: list[dict[str, Any]] = [
    {
        "Id": "m1",
        "MetricStat": {
            "Metric": {key: ALARM[key] for key in ("Namespace", "MetricName", "Dimensions")},
            "Period": 10,
            "Stat": "Sum",
        },
        "ReturnData": False,
    },
    {"Id": "e1", "Expression": "FILL(m1, 0)", "ReturnData": True},
]
# A condition on the filled metric, in place of the alarm's own on the metric as it is.
MATH: dict[str, Any] = {
    "Metrics": FILLED,
    "ComparisonOperator": "LessThanThreshold",
    "Threshold": 1.0,
    **dict.fromkeys(("Namespace", "MetricName", "Dimensions", "Statistic", "Period")),
}


def test_a_filled_metric_takes_a_gap_for_its_value_as_long_as_there_is_any_data(cloud: Cloud) -> None:
    alarm = Watched(cloud, **MATH, TreatMissingData="ignore")
    alarm.pass_by(3)
    assert alarm.state == "INSUFFICIENT_DATA"
    alarm.say(1)
    assert alarm.state == "OK"
    alarm.pass_by()
    assert alarm.state == "OK"
    alarm.pass_by()
    assert alarm.state == "ALARM"
    assert json.loads(alarm.described["StateReasonData"])["recentDatapoints"] == [0.0, 0.0]
    alarm.say(1)
    assert alarm.state == "OK"


def test_an_alarm_on_metric_math_is_described_as_it_was_put(cloud: Cloud) -> None:
    described = Watched(cloud, **MATH).described
    assert described["Metrics"] == FILLED
    assert not {"MetricName", "Namespace", "Period", "Statistic"} & set(described)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Metrics": FILLED}, "either MetricName or Metrics, and not both"),
        ({"MetricName": None}, "either MetricName or Metrics, and not both"),
        (MATH | {"Period": 60}, "Period cannot be given beside Metrics"),
        (MATH | {"Metrics": FILLED[:1]}, "Exactly one element of the metrics list should return data"),
        (MATH | {"Metrics": [FILLED[0] | {"ReturnData": True}, FILLED[1]]}, "Exactly one element of the metrics list"),
        (MATH | {"Metrics": [FILLED[0], FILLED[1] | {"Expression": "m1 + 1"}]}, "nothing else, not 'm1 \\+ 1'"),
        (MATH | {"Metrics": [FILLED[0], FILLED[1] | {"Expression": "FILL(m2, 0)"}]}, "fills m2, which is no metric"),
        (MATH | {"Metrics": [FILLED[0], FILLED[1] | {"Id": "E1"}]}, "Invalid Id 'E1'"),
        (MATH | {"Metrics": [FILLED[0], FILLED[1] | {"Id": "m1"}]}, "not unique"),
        (MATH | {"Metrics": [FILLED[0], FILLED[0] | {"Id": "e1", "Expression": "FILL(m1, 0)"}]}, "not both"),
        ({"ExtendedStatistic": "p99"}, "either Statistic or ExtendedStatistic, and not both"),
        ({"Statistic": None, "ExtendedStatistic": "p101"}, "The value p101 for parameter ExtendedStatistic"),
        ({"Period": 15}, "Period is 15; it must be 10, 20, 30 or a multiple of 60"),
        ({"Period": None}, "The parameter Period is required"),
        ({"DatapointsToAlarm": 3}, "from 1 to EvaluationPeriods"),
        ({"Period": 60, "EvaluationPeriods": 1441}, "must not exceed 86400"),
        ({"Threshold": None}, "The parameter Threshold is required"),
        ({"TreatMissingData": "fine"}, "must be one of breaching"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "for anomaly bands"),
        ({"EvaluationWindow": {"WallClockWindow": {}}}, "evaluates no alarms with EvaluationWindow"),
    ],
)
def test_an_alarm_that_cannot_be_evaluated_is_refused(changes: dict[str, Any], message: str) -> None:
    wanted = {key: value for key, value in (ALARM | changes).items() if value is not None}
    with pytest.raises(ValueError, match=message):
        alarm_request.check(wanted)


def test_a_refused_change_leaves_an_alarm_as_it_was(cloud: Cloud) -> None:
    alarm = Watched(cloud)
    before = alarm.described
    with pytest.raises(ClientError, match="nothing else, not '1\\+1'") as refused:
        alarm.cloudwatch.put_metric_alarm(
            AlarmName="slow",
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            Threshold=1.0,
            Metrics=[{"Id": "e", "Expression": "1+1", "Period": 60}],
        )
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert alarm.described == before


def test_old_data_are_dropped(cloud: Cloud) -> None:
    cloudwatch, now = cloud.client("cloudwatch"), datetime.now(UTC)
    for hours in (4, 1):
        datum = {"MetricName": f"Old{hours}", "Value": 1.0, "Timestamp": now - timedelta(hours=hours)}
        cloudwatch.put_metric_data(Namespace="Test", MetricData=[datum])
    cloud.account.telemetry.tick(utcnow())
    assert [one["MetricName"] for one in cloudwatch.list_metrics(Namespace="Test")["Metrics"]] == ["Old1"]
    assert len(backends.cloudwatch().metric_data) == 1


@pytest.mark.parametrize("fails", [True, False])
def test_what_is_measured_is_stamped_with_the_beginning_of_its_period(cloud: Cloud, fails: bool) -> None:
    def broken() -> Any:
        raise OSError("no such file")

    telemetry, sources = cloud.account.telemetry, cloud.account.telemetry._sources
    before = list(sources)
    if fails:
        telemetry.add(broken)
    telemetry.add(lambda: [("Test", [{"MetricName": "Latency", "Value": 150.0, "Dimensions": ALARM["Dimensions"]}])])
    try:
        alarm = Watched(cloud, EvaluationPeriods=1)
        telemetry.tick(alarm.now + timedelta(seconds=10.4))
        assert next(iter(backends.cloudwatch().metric_data)).timestamp == alarm.now
        assert alarm.state == "ALARM"
    finally:
        sources[:] = before
