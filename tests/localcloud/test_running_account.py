"""A running account measures, looks at its alarms and at its schedules by itself."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import boto3
import pytest

from localcloud import settings as constants
from localcloud.account import Account
from localcloud.hosts.driver import NoHosts
from localcloud.settings import Settings
from tests.localcloud.conftest import eventually


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    one = Account(Settings(root=tmp_path, api_port=0, telemetry_period=1), NoHosts())
    yield one
    one.close()


def test_nobody_has_to_ask(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[datetime] = []
    monkeypatch.setattr(account.schedules, "tick", looks.append)
    account.telemetry.add(lambda: [("Test", [{"MetricName": "Load", "Value": 9.0}])])
    url = f"http://127.0.0.1:{account.open()}"
    account.reset()
    cloudwatch = boto3.client("cloudwatch", endpoint_url=url, region_name=constants.REGION, **account.keys.root.arguments)
    cloudwatch.put_metric_alarm(
        AlarmName="loaded",
        Namespace="Test",
        MetricName="Load",
        Statistic="Average",
        Period=10,
        EvaluationPeriods=1,
        Threshold=5.0,
        ComparisonOperator="GreaterThanThreshold",
    )
    eventually(lambda: cloudwatch.describe_alarms()["MetricAlarms"][0]["StateValue"] == "ALARM")
    eventually(lambda: looks)
