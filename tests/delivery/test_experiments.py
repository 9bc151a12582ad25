"""The report of an experiment: read from the account's metrics, shown as a table, kept beside the reports of rollouts."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from delivery import cli
from delivery.environment import Environment
from delivery.errors import DeliveryError
from delivery.experiments.measurements import LONGEST, Window
from delivery.experiments.page import markdown, text
from delivery.experiments.report import Report, keep, measure, running
from localcloud import settings as constants
from tests.localcloud.conftest import Cloud

BUCKET = "releases"
ELB = "arn:aws:elasticloadbalancing:us-east-1:123456789012"
DOCUMENT: dict[str, Any] = {
    "schema_version": 1,
    "environment": "staging",
    "kind": "ab",
    "release": {
        **{"id": "pets-2-0123456789ab", "recorded": True, "image_id": "ami-2"},
        **{"model_name": "pets", "model_version": "2", "model_digest": "sha256:0f"},
    },
    "share": 0.5,
    "by": "ann@laptop",
    "begin": "",
    "period": 10,
    "namespace": "PetTracker/ML",
    "load_balancer": f"{ELB}:loadbalancer/app/service/1",
    "live": {"group": "live", "target_group": f"{ELB}:targetgroup/live/2"},
    "candidate": {"group": "candidate", "target_group": f"{ELB}:targetgroup/candidate/3"},
}


class Account:
    """An account with an experiment that has gone on for two minutes and a half, and what is measured meanwhile."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(second=30, microsecond=0)
        self.begin = self.now - timedelta(minutes=2, seconds=30)  # a whole minute
        self.s3, self.cloudwatch = boto3.client("s3"), boto3.client("cloudwatch")
        self.s3.create_bucket(Bucket=BUCKET)
        named = dict.fromkeys(("project", "region", "account", "models_bucket", "keys"), "x")
        self.environment = Environment(
            **named, name="staging", root=None, tags={}, releases_bucket=BUCKET, min_accuracy=0, pin=None  # type: ignore[arg-type]
        )  # fmt: skip

    def start(self, **changes: Any) -> None:
        document = DOCUMENT | {"begin": self.begin.isoformat(timespec="seconds")} | changes
        self.s3.put_object(Bucket=BUCKET, Key="staging/experiments/running.json", Body=json.dumps(document).encode())

    def put(self, namespace: str, name: str, values: list[float], seconds: float, **dimensions: str) -> None:
        """Write values of one moment, so many seconds after the begin."""
        datum = {
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            "Timestamp": self.begin + timedelta(seconds=seconds),
            "Values": values,
        }
        self.cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum])

    def report(self, final: bool = False) -> Report:
        return measure(running(self.environment), self.now, final=final)


@pytest.fixture
def measured(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    for name, value in cloud.key.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", constants.REGION)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    yield Account()


def answer(account: Account, group: str, seconds: float, *latencies: float, failed: int = 0) -> None:
    dimensions = {"LoadBalancer": "app/service/1", "TargetGroup": f"targetgroup/{group}"}
    account.put("AWS/ApplicationELB", "TargetResponseTime", list(latencies), seconds, **dimensions)
    account.put("AWS/ApplicationELB", "RequestCount", [len(latencies) + failed], seconds, **dimensions)
    account.put("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", [failed], seconds, **dimensions)


def test_an_ab_is_compared_by_what_the_balancer_saw_of_each_target_group(measured: Account) -> None:
    measured.start()
    for period in range(10):
        load = 1 + period / 10
        answer(measured, "live/2", 10 * period + 1, 0.04 * load, 0.05 * load, 0.1 * load)
        answer(measured, "candidate/3", 10 * period + 2, 0.08 * load, 0.1 * load, 0.2 * load, failed=2)
    answer(measured, "live/2", -600, 9.0)  # before it began
    report = measured.report()
    assert (report.live.requests, report.candidate.requests) == (30, 50)
    assert (report.live.errors, report.candidate.errors) == (0, 20)
    assert len(report.live.medians) == 10
    assert report.live.p50 is not None
    assert report.candidate.p50 == pytest.approx(2 * report.live.p50)
    assert [finding.verdict for finding in report.findings] == ["worse", "worse"]
    shown = text(report)
    assert "A/B of pets-2-0123456789ab in staging: 50% of the clients, 0:02:30, worse" in shown
    assert "20 (40.00%)" in shown
    assert "| requests | 30 | 50 |" in markdown(report)


def test_a_shadow_is_compared_by_what_hosts_say_of_their_copies(measured: Account) -> None:
    measured.start(kind="shadow", share=1.0)
    counts = {"Compared": 40, "Agreed": 38, "Slower": 4, "Classes": 200, "ClassesInCommon": 190, "Failed": 1, "Dropped": 3}
    for name, number in counts.items():
        measured.put("PetTracker/ML", f"Shadow{name}", [number / 2], 15, AutoScalingGroupName="live")
        measured.put("PetTracker/ML", f"Shadow{name}", [number / 2], 35, AutoScalingGroupName="live")
        measured.put("PetTracker/ML", f"Shadow{name}", [1000], 35, AutoScalingGroupName="live", InstanceId="i-1")
    measured.put("PetTracker/ML", "ShadowConfidenceDifference", [0.1, 0.3], 15, AutoScalingGroupName="live")
    measured.put("PetTracker/ML", "InferenceLatency", [40.0] * 44, 15, AutoScalingGroupName="live")
    measured.put("PetTracker/ML", "InferenceLatency", [44.0] * 40, 15, AutoScalingGroupName="candidate")
    measured.put("PetTracker/ML", "InferenceErrors", [1], 15, AutoScalingGroupName="candidate")
    report = measured.report()
    assert report.copies is not None
    assert (report.copies.compared, report.copies.agreed, report.copies.failed) == (40, 38, 1)
    assert report.copies.confidence_difference == pytest.approx(0.2)
    assert (report.live.requests, report.candidate.requests, report.candidate.errors) == (44, 41, 1)
    assert report.live.p50 == pytest.approx(0.04)
    shown = text(report)
    assert "Shadow of pets-2-0123456789ab in staging: 100% of the answered predictions copied" in shown
    assert "38 of 40 answers (95.0%" in shown
    assert "44.0 ms" in shown


def test_without_any_traffic_the_report_says_that_it_knows_nothing(measured: Account) -> None:
    for kind in ("ab", "shadow"):
        measured.start(kind=kind)
        report = measured.report()
        assert {finding.verdict for finding in report.findings} == {"unknown"}
        assert "unknown" in text(report).splitlines()[0]


def test_a_report_is_one_document_and_one_page_that_later_ones_replace(measured: Account) -> None:
    measured.start()
    for final, outcome in ((False, "running"), (True, "ended")):
        report = measured.report(final)
        address = keep(measured.environment, report, markdown(report))
        key = address.removeprefix(f"s3://{BUCKET}/")
        document = json.loads(measured.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        assert document["outcome"] == outcome
        assert document["release"]["id"] == "pets-2-0123456789ab"
        assert {finding["verdict"] for finding in document["findings"]} == {"unknown"}
    listed = measured.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    stamp = measured.begin.strftime("%Y-%m-%dT%H%M%SZ").replace("-", "")
    names = {f"staging/experiments/{stamp}-pets-2-0123456789ab.{suffix}" for suffix in ("json", "md")}
    assert {item["Key"] for item in listed} == names | {"staging/experiments/running.json"}


def test_where_none_is_under_way_or_not_yet_the_message_says_what_to_do(measured: Account) -> None:
    with pytest.raises(DeliveryError, match="make experiment ENV=staging begins one"):
        running(measured.environment)
    measured.start(begin="")
    with pytest.raises(DeliveryError, match="goes on with it"):
        running(measured.environment)
    measured.start(kind="canary")
    with pytest.raises(DeliveryError, match="describes no experiment"):
        running(measured.environment)


def test_the_command_shows_the_report_and_where_it_is_kept(measured: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delivery.environment.read_environment", lambda _: measured.environment)
    measured.start()
    done = CliRunner().invoke(cli.main, ["experiment-report", "--env", "staging", "--final"])
    assert done.exit_code == 0, done.output
    key = f"staging/experiments/{measured.begin:%Y%m%dT%H%M%SZ}-pets-2-0123456789ab"
    assert f"s3://{BUCKET}/{key}.json" in done.output
    assert "latency p99" in done.output
    assert json.loads(measured.s3.get_object(Bucket=BUCKET, Key=f"{key}.json")["Body"].read())["outcome"] == "ended"


def test_a_long_experiment_is_looked_at_for_its_last_day_in_periods_that_one_page_can_hold() -> None:
    now = datetime(2026, 1, 9, 12, 0, 30, tzinfo=UTC)
    week = Window.until(now - timedelta(days=7), now, 50)
    assert (week.begin, week.seconds, week.period) == (now.replace(second=0, minute=1) - LONGEST, 86400, 60)
    hour = Window.until(now - timedelta(hours=1), now, 10)
    assert (hour.seconds, hour.period) == (3600, 10)


def test_nothing_from_before_an_experiment_counts() -> None:
    begin = datetime(2026, 1, 9, 12, 0, 30, tzinfo=UTC)
    window = Window.until(begin, begin + timedelta(seconds=10), 10)
    assert (window.begin - begin, window.end - begin) == (timedelta(seconds=30), timedelta(seconds=90))
    assert Window.until(begin.replace(second=0), begin, 10).begin == begin.replace(second=0)
