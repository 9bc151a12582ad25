"""The stand-in for the CloudWatch agent at work: what it sends arrives in a served account."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from inference.telemetry import Telemetry
from localcloud.agent.standin.api import Api, ApiError, Metadata
from localcloud.agent.standin.config import parse
from localcloud.agent.standin.main import Agent
from localcloud.agent.standin.statsd import Listener
from localcloud.metadata.instance_data import InstanceView
from localcloud.metadata.server import MetadataServer
from localcloud.settings import Settings
from tests.localcloud.agent_configuration import configuration
from tests.localcloud.conftest import eventually


@dataclass
class Place:
    """An account, a metadata service that knows one instance of it, and a directory for logs."""

    endpoint: str
    metadata: Metadata
    instance_id: str
    logs: Path

    def client(self, service: str) -> Any:
        return boto3.client(service, "us-east-1", endpoint_url=self.endpoint, aws_access_key_id="x", aws_secret_access_key="x")

    def agent(self, text: str, endpoint: str | None = None, statsd: Listener | None = None) -> Agent:
        entry = {"file_path": f"{self.logs}/*.log", "log_group_name": "/g", "retention_in_days": 30}
        changed = json.loads(text) | {"logs": {"logs_collected": {"files": {"collect_list": [entry]}}}}
        api = Api(endpoint or self.endpoint, "us-east-1", self.metadata)
        return Agent(parse(json.dumps(changed)), api, self.metadata, self.logs / "state", statsd)

    def statistic(self, stat: str, name: str, dimensions: dict[str, str]) -> float | None:
        """Return a statistic of one metric of the last hour, None if it has no figures."""
        now = datetime.now(UTC)
        named = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        metric = {"Namespace": "PetTracker/ML", "MetricName": name, "Dimensions": named}
        answer = self.client("cloudwatch").get_metric_data(
            MetricDataQueries=[{"Id": "one", "MetricStat": {"Metric": metric, "Period": 7200, "Stat": stat}}],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
        )
        values = answer["MetricDataResults"][0]["Values"]
        return float(values[0]) if values else None

    def messages(self) -> list[str]:
        answer = self.client("logs").get_log_events(logGroupName="/g", logStreamName=self.instance_id)
        return [event["message"] for event in answer["events"]]


@pytest.fixture(scope="module")
def account() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def place(account: str, tmp_path: Path) -> Iterator[Place]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ec2 = boto3.client("ec2", "us-east-1", endpoint_url=account, aws_access_key_id="x", aws_secret_access_key="x")
    image = "ami-0123456789abcdef0"
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    ec2.create_tags(Resources=[instance], Tags=[{"Key": "aws:autoscaling:groupName", "Value": "fleet"}])
    view = InstanceView(
        instance, "us-east-1", "us-east-1a", "123456789012", image, "t3.micro", "127.0.0.1", "02:00:00:00:00:01",
        role_name="role",
    )  # fmt: skip
    credentials = {"AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T", "Expiration": "2099-01-01T00:00:00Z"}
    server = MetadataServer(Settings(root=tmp_path, metadata_port=port), lambda _address: view, lambda _view: credentials)
    server.listen("127.0.0.1")
    (tmp_path / "state").mkdir()
    yield Place(account, Metadata(f"127.0.0.1:{port}"), instance, tmp_path)
    server.close()


def test_lines_and_figures_arrive_under_the_instances_name(place: Place) -> None:
    (place.logs / "inference.log").write_text('{"event": "ready"}\n\nsecond\n')
    agent = place.agent(configuration())
    for second in (0, 5):
        agent.step(second)
    assert place.messages() == ['{"event": "ready"}', "second"]
    groups = place.client("logs").describe_log_groups(logGroupNamePrefix="/g")["logGroups"]
    assert [group["retentionInDays"] for group in groups] == [30]
    listed = place.client("cloudwatch").list_metrics(Namespace="PetTracker/ML")["Metrics"]
    shown = [(one["MetricName"], {d["Name"]: d["Value"] for d in one["Dimensions"]}) for one in listed]
    assert ("mem_used_percent", {"AutoScalingGroupName": "fleet", "InstanceId": place.instance_id}) in shown
    assert ("mem_used_percent", {"AutoScalingGroupName": "fleet"}) in shown
    assert ("mem_used_percent", {}) in shown
    assert any(name == "disk_used_percent" and dimensions.get("path") == "/" for name, dimensions in shown)


def test_lines_wait_for_an_api_that_is_away_and_are_sent_once(place: Place) -> None:
    (place.logs / "a.log").write_text("kept\n")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(ApiError, match="did not answer"):
            place.agent(configuration(), f"http://127.0.0.1:{closed.getsockname()[1]}").step(0)
    agent = place.agent(configuration())
    agent.step(0)
    agent.step(100)
    place.agent(configuration()).step(0)
    assert place.messages() == ["kept"]


@pytest.fixture
def statsd() -> Iterator[Listener]:
    listener = Listener("127.0.0.1:0")
    yield listener
    listener.close()


def test_statsd_figures_arrive_per_instance_and_per_group_each_interval(place: Place, statsd: Listener) -> None:
    agent = place.agent(configuration(), statsd=statsd)
    agent.step(0)
    telemetry = Telemetry(f"127.0.0.1:{statsd.port}")
    for seconds in (0.01, 0.01, 0.2):
        telemetry.latency(seconds)
    for code in ("deadline", "deadline", "internal"):
        telemetry.error(code)
    eventually(lambda: statsd.gathered == 6)
    agent.step(19)
    group = {"AutoScalingGroupName": "fleet"}
    assert place.statistic("Sum", "InferenceErrors", group) is None
    agent.step(20)
    agent.step(25)

    instance = group | {"InstanceId": place.instance_id}
    for dimensions in (group, instance | {"metric_type": "timing"}):
        assert place.statistic("SampleCount", "InferenceLatency", dimensions) == 3
        assert place.statistic("Minimum", "InferenceLatency", dimensions) == pytest.approx(10, rel=0.05)
        assert place.statistic("Maximum", "InferenceLatency", dimensions) == pytest.approx(200, rel=0.05)
    assert place.statistic("Sum", "InferenceErrors", group) == 3
    counted = instance | {"metric_type": "counter", "code": "deadline"}
    assert place.statistic("Sum", "InferenceErrors", counted) == 2


def test_lines_are_gathered_for_the_flush_interval(place: Place) -> None:
    agent = place.agent(configuration())
    agent.step(0)
    (place.logs / "a.log").write_text("soon\n")
    agent.step(4)
    agent.step(5)
    assert place.messages() == ["soon"]
    (place.logs / "a.log").open("a").write("last\n")
    agent.step(6)
    assert place.messages() == ["soon"]
    agent.step(6, flush=True)
    assert place.messages() == ["soon", "last"]


def test_an_instance_outside_any_group_has_no_group_dimension(place: Place) -> None:
    tags = [{"Key": "aws:autoscaling:groupName"}]
    place.client("ec2").delete_tags(Resources=[place.instance_id], Tags=tags)
    assert Api(place.endpoint, "us-east-1", place.metadata).group_of(place.instance_id) is None
