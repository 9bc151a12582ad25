"""The stand-in for the CloudWatch agent: what it understands, and that what it sends arrives in a served account."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from moto.server import ThreadedMotoServer

from inference.telemetry import Telemetry
from localcloud.agent import build_agent_package
from localcloud.agent.standin import ctl, paths
from localcloud.agent.standin.api import Api, ApiError, Credentials, Metadata, signed_headers
from localcloud.agent.standin.config import ConfigurationError, Figure, LogFile, Statsd, parse
from localcloud.agent.standin.figures import collect, memory_used_percent, mounts, with_dimensions
from localcloud.agent.standin.main import BATCH_EVENTS, Agent, batches
from localcloud.agent.standin.statsd import Listener
from localcloud.agent.standin.tail import EVENT_BYTES, Follower, Followers
from localcloud.instance_data import InstanceView
from localcloud.metadata import MetadataServer
from localcloud.settings import Settings
from tests.localcloud.conftest import eventually

FULL: dict[str, Any] = {
    "agent": {"metrics_collection_interval": 10, "run_as_user": "cwagent", "region": "us-east-1"},
    "metrics": {
        "namespace": "PetTracker/ML",
        "append_dimensions": {
            "AutoScalingGroupName": "${aws:AutoScalingGroupName}",
            "InstanceId": "${aws:InstanceId}",
        },
        "aggregation_dimensions": [["AutoScalingGroupName"]],
        "metrics_collected": {
            "mem": {"measurement": ["mem_used_percent"]},
            "disk": {"measurement": ["used_percent"], "resources": ["/"], "drop_device": True},
            "statsd": {
                "service_address": "127.0.0.1:8125",
                "metrics_collection_interval": 20,
                "metrics_aggregation_interval": 0,
            },
        },
    },
    "logs": {
        "logs_collected": {
            "files": {
                "collect_list": [
                    {
                        "file_path": "/var/log/pettracker/*.log",
                        "log_group_name": "/pettracker/ml-server",
                        "log_stream_name": "{instance_id}",
                        "retention_in_days": 30,
                        "timezone": "UTC",
                    }
                ]
            }
        }
    },
}


def configuration(**changes: Any) -> str:
    return json.dumps(FULL | changes)


class TestConfiguration:
    def test_everything_that_the_project_writes_is_understood(self) -> None:
        parsed = parse(configuration())
        assert (parsed.run_as_user, parsed.region, parsed.namespace) == ("cwagent", "us-east-1", "PetTracker/ML")
        assert parsed.dimensions == ("AutoScalingGroupName", "InstanceId")
        assert parsed.aggregations == (("AutoScalingGroupName",),)
        assert parsed.figures == (Figure("mem", 10), Figure("disk", 10, ("/",), True))
        assert parsed.statsd == Statsd("127.0.0.1:8125", 20)
        assert parsed.log_files == (LogFile("/var/log/pettracker/*.log", "/pettracker/ml-server", "{instance_id}", 30),)

    @pytest.mark.parametrize(
        ("section", "value", "named"),
        [
            ("traces", {}, "traces"),
            ("agent", {"debug": True}, "agent.debug"),
            ("agent", {"metrics_collection_interval": "10"}, "agent.metrics_collection_interval"),
            ("metrics", {"metrics_collected": {"cpu": {"measurement": ["x"]}}}, "metrics.metrics_collected.cpu"),
            ("metrics", {"metrics_collected": {"mem": {"measurement": ["mem_free"]}}}, "mem.measurement"),
            ("metrics", {"metrics_collected": {"mem": {}}}, "metrics.metrics_collected.mem.measurement is missing"),
            ("metrics", {"metrics_collected": {"statsd": {}}}, "statsd.metrics_aggregation_interval is missing"),
            ("metrics", {"metrics_collected": {"statsd": {"metrics_aggregation_interval": 60}}}, "must be 0"),
            ("metrics", {"metrics_collected": {"statsd": {"service_address": ":8125"}}}, "statsd.service_address"),
            ("metrics", {"metrics_collected": {"statsd": {"metric_separator": "."}}}, "statsd.metrics_aggregation"),
            ("metrics", {"append_dimensions": {"Host": "x"}}, "metrics.append_dimensions"),
            ("metrics", {"append_dimensions": {"InstanceId": "i-1"}}, "metrics.append_dimensions"),
            ("metrics", {"aggregation_dimensions": [["Host"]]}, "metrics.aggregation_dimensions"),
            ("logs", {"logs_collected": {"windows_events": {}}}, "logs.logs_collected.windows_events"),
            ("logs", [], "logs must be an object"),
        ],
    )
    def test_anything_else_is_refused_by_name(self, section: str, value: Any, named: str) -> None:
        with pytest.raises(ConfigurationError, match=named.replace(".", r"\.")):
            parse(configuration(**{section: value}))

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("multi_line_start_pattern", "x"),
            ("log_stream_name", "{hostname}"),
            ("log_stream_name", "a:b"),
            ("file_path", "relative.log"),
            ("retention_in_days", 31),
            ("timezone", "CET"),
        ],
    )
    def test_a_log_entry_is_refused_by_place_and_key(self, key: str, value: Any) -> None:
        entry = FULL["logs"]["logs_collected"]["files"]["collect_list"][0] | {key: value}
        logs = {"logs_collected": {"files": {"collect_list": [entry]}}}
        with pytest.raises(ConfigurationError, match=rf"collect_list\[0\]\.{key}"):
            parse(configuration(logs=logs))

    def test_text_that_is_not_json_and_a_configuration_without_work_are_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="not JSON"):
            parse("{")
        with pytest.raises(ConfigurationError, match="nothing to collect"):
            parse("{}")


class TestControlCommand:
    @pytest.fixture(autouse=True)
    def _places(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(paths, "CONFIGURATIONS", tmp_path / "etc/amazon-cloudwatch-agent.d")
        monkeypatch.setattr(paths, "TRANSLATED", tmp_path / "etc/amazon-cloudwatch-agent.toml")

    def run(self, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["amazon-cloudwatch-agent-ctl", *arguments])
        try:
            return ctl.main()
        except SystemExit as exit_:
            return int(str(exit_.code))

    def test_a_good_configuration_takes_the_place_of_the_one_before(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("one.json", "two.json"):
            (tmp_path / name).write_text(configuration())
            location = f"file:{tmp_path / name}"
            assert self.run(monkeypatch, "-a", "fetch-config", "-m", "ec2", "-c", location) == 0
        assert [path.name for path in paths.CONFIGURATIONS.iterdir()] == ["file_two.json"]
        assert "file_two.json" in paths.TRANSLATED.read_text()

    def test_a_bad_one_leaves_the_one_before_in_place_and_exits_with_1(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        good, bad = tmp_path / "good.json", tmp_path / "bad.json"
        good.write_text(configuration())
        bad.write_text(configuration(agent={"debug": True}))
        assert self.run(monkeypatch, "-a", "fetch-config", "-c", f"file:{good}") == 0
        assert self.run(monkeypatch, "-a", "fetch-config", "-c", f"file:{bad}") == 1
        assert "agent.debug" in capsys.readouterr().err
        assert "file_good.json" in paths.TRANSLATED.read_text()

    @pytest.mark.parametrize(
        "arguments",
        [["-a", "append-config"], ["-m", "onPremise"], ["-a", "fetch-config"], ["-a", "fetch-config", "-c", "ssm:x"]],
    )
    def test_what_it_does_not_do_is_refused(self, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.run(monkeypatch, *arguments) == 1


class TestFollowing:
    def follow(self, tmp_path: Path) -> tuple[Path, Follower]:
        (tmp_path / "state").mkdir(exist_ok=True)
        return tmp_path / "a.log", Follower(tmp_path / "a.log", tmp_path / "state")

    def drain(self, follower: Follower) -> list[str]:
        lines: list[str] = []
        while (read := follower.read()) is not None:
            follower.sent(read)
            lines += read.lines
        return lines

    def test_whole_lines_only_and_each_once(self, tmp_path: Path) -> None:
        log, follower = self.follow(tmp_path)
        assert follower.read() is None
        log.write_text("one\ntwo\nthr")
        assert self.drain(follower) == ["one", "two"]
        with log.open("a") as file:
            file.write("ee\n")
        assert self.drain(follower) == ["three"]
        assert self.drain(follower) == []

    def test_what_was_not_sent_is_read_again_also_by_the_next_process(self, tmp_path: Path) -> None:
        log, follower = self.follow(tmp_path)
        log.write_text("one\n")
        first = follower.read()
        assert first is not None
        assert first == follower.read() == self.follow(tmp_path)[1].read()
        follower.sent(first)
        with log.open("a") as file:
            file.write("two\n")
        assert self.drain(self.follow(tmp_path)[1]) == ["two"]

    def test_a_renamed_file_is_read_to_its_end_before_the_new_one(self, tmp_path: Path) -> None:
        log, follower = self.follow(tmp_path)
        log.write_text("one\n")
        assert self.drain(follower) == ["one"]
        with log.open("a") as file:
            file.write("two\n")
        log.rename(tmp_path / "a.log.1")
        log.write_text("three\n")
        assert self.drain(follower) == ["two", "three"]

    def test_a_file_truncated_in_place_starts_again(self, tmp_path: Path) -> None:
        log, follower = self.follow(tmp_path)
        log.write_text("a long first line\n")
        assert self.drain(follower) == ["a long first line"]
        os.truncate(log, 0)
        with log.open("a") as file:
            file.write("new\n")
        assert self.drain(follower) == ["new"]

    def test_a_line_longer_than_an_event_is_sent_in_pieces(self, tmp_path: Path) -> None:
        log, follower = self.follow(tmp_path)
        log.write_text("x" * (EVENT_BYTES + 10) + "\nend\n")
        lines = self.drain(follower)
        assert (len(lines), "".join(lines[:2]), lines[2]) == (3, "x" * (EVENT_BYTES + 10), "end")

    def test_files_that_come_later_are_followed_too(self, tmp_path: Path) -> None:
        followers = Followers(f"{tmp_path}/*.log", tmp_path)
        assert followers.current() == []
        for name in ("a.log", "b.log", "c.txt"):
            (tmp_path / name).write_text("x\n")
        assert sorted(follower.path.name for follower in followers.current()) == ["a.log", "b.log"]


def test_batches_keep_to_the_services_limits() -> None:
    assert [len(batch) for batch in batches(["x"] * (BATCH_EVENTS + 1))] == [BATCH_EVENTS, 1]
    assert [len(batch) for batch in batches(["x" * 200_000] * 6)] == [5, 1]
    assert batches([]) == []


def test_memory_in_use_leaves_out_caches() -> None:
    meminfo = "MemTotal: 1000 kB\nMemFree: 200 kB\nBuffers: 50 kB\nCached: 200 kB\nSReclaimable: 50 kB\n"
    assert memory_used_percent(meminfo) == pytest.approx(50)


def test_disks_are_those_named_or_all_real_ones() -> None:
    table = "overlay / overlay rw 0 0\ntmpfs /run tmpfs rw 0 0\n/dev/vda /data ext4 rw 0 0\n"
    assert [row[0] for row in mounts(table, ["/"])] == ["/"]
    assert [row[0] for row in mounts(table, ["*"])] == ["/", "/data"]
    [figure] = collect(Figure("disk", 60, ("/",)), lambda _path: "/dev/vda / ext4 rw 0 0\n")
    assert figure["dimensions"] == {"path": "/", "fstype": "ext4", "device": "vda"}
    assert 0 < figure["value"] <= 100


def test_figures_are_published_per_instance_and_per_group() -> None:
    parsed = parse(configuration())
    figure = {"name": "mem_used_percent", "value": 1.0, "dimensions": {}}
    both = with_dimensions([figure], parsed, {"InstanceId": "i-1", "AutoScalingGroupName": "fleet"})
    assert [published["dimensions"] for published in both] == [
        {"AutoScalingGroupName": "fleet", "InstanceId": "i-1"},
        {"AutoScalingGroupName": "fleet"},
    ]
    alone = with_dimensions([figure], parsed, {"InstanceId": "i-1"})
    assert [published["dimensions"] for published in alone] == [{"InstanceId": "i-1"}]


def test_requests_are_signed_as_botocore_signs_them() -> None:
    now, body = datetime.now(UTC), b'{"a": 1}'
    credentials = Credentials("ASIAEXAMPLE", "secret", "token", now)
    ours = signed_headers(credentials, "us-east-1", "logs", {"Host": "127.0.0.1:4566"}, body, now=now)
    request = AWSRequest("POST", "http://127.0.0.1:4566/", data=body, headers={"Host": "127.0.0.1:4566"})
    signer = SigV4Auth(BotoCredentials("ASIAEXAMPLE", "secret", "token"), "logs", "us-east-1")
    request.context["timestamp"] = ours["x-amz-date"]
    request.headers["X-Amz-Date"] = ours["x-amz-date"]
    request.headers["X-Amz-Security-Token"] = "token"
    signed = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert ours["authorization"].endswith(f"Signature={signed}")


@dataclass
class Place:
    """An account, a metadata service that knows one instance of it, and a directory for logs."""

    endpoint: str
    metadata: Metadata
    instance_id: str
    logs: Path

    def client(self, service: str) -> Any:
        return boto3.client(
            service, "us-east-1", endpoint_url=self.endpoint, aws_access_key_id="x", aws_secret_access_key="x"
        )

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
    server = MetadataServer(
        Settings(root=tmp_path, metadata_port=port), lambda _address: view, lambda _view: credentials
    )
    server.listen("127.0.0.1")
    (tmp_path / "state").mkdir()
    yield Place(account, Metadata(f"127.0.0.1:{port}"), instance, tmp_path)
    server.close()


def test_lines_and_figures_arrive_under_the_instances_name(place: Place) -> None:
    (place.logs / "inference.log").write_text('{"event": "ready"}\n\nsecond\n')
    agent = place.agent(configuration())
    agent.step(0)
    assert place.messages() == ['{"event": "ready"}', "second"]
    groups = place.client("logs").describe_log_groups(logGroupNamePrefix="/g")["logGroups"]
    assert [group["retentionInDays"] for group in groups] == [30]
    listed = place.client("cloudwatch").list_metrics(Namespace="PetTracker/ML")["Metrics"]
    shown = [(one["MetricName"], {d["Name"]: d["Value"] for d in one["Dimensions"]}) for one in listed]
    assert ("mem_used_percent", {"AutoScalingGroupName": "fleet", "InstanceId": place.instance_id}) in shown
    assert ("mem_used_percent", {"AutoScalingGroupName": "fleet"}) in shown
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

    instance = group | {"InstanceId": place.instance_id}
    for dimensions in (group, instance | {"metric_type": "timing"}):
        assert place.statistic("SampleCount", "InferenceLatency", dimensions) == 3
        assert place.statistic("Minimum", "InferenceLatency", dimensions) == pytest.approx(10, rel=0.05)
        assert place.statistic("Maximum", "InferenceLatency", dimensions) == pytest.approx(200, rel=0.05)
    assert place.statistic("Sum", "InferenceErrors", group) == 3
    counted = instance | {"metric_type": "counter", "code": "deadline"}
    assert place.statistic("Sum", "InferenceErrors", counted) == 2


def test_statsd_figures_wait_for_an_api_that_is_away(place: Place, statsd: Listener) -> None:
    Telemetry(f"127.0.0.1:{statsd.port}").error("away")
    eventually(lambda: statsd.gathered == 1)
    collected = {"statsd": FULL["metrics"]["metrics_collected"]["statsd"]}
    text = configuration(metrics=FULL["metrics"] | {"metrics_collected": collected})
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(ApiError, match="did not answer"):
            place.agent(text, f"http://127.0.0.1:{closed.getsockname()[1]}", statsd).step(0)
    agent = place.agent(text, statsd=statsd)
    agent.step(0)
    agent.step(100)
    dimensions = {"AutoScalingGroupName": "fleet", "InstanceId": place.instance_id}
    assert place.statistic("Sum", "InferenceErrors", dimensions | {"metric_type": "counter", "code": "away"}) == 1


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


def test_the_package_has_the_same_bytes_each_time_and_the_agents_own_paths(tmp_path: Path) -> None:
    first, second = build_agent_package(tmp_path / "one"), build_agent_package(tmp_path / "two")
    assert first.name == "amazon-cloudwatch-agent.deb"
    assert first.read_bytes() == second.read_bytes()
    listing = subprocess.run(["dpkg-deb", "--contents", str(first)], capture_output=True, text=True, check=True).stdout
    rows = {line.split()[-1]: line.split()[:2] for line in listing.splitlines()}
    assert rows["./opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"] == ["-rwxr-xr-x", "root/root"]
    assert "./lib/systemd/system/amazon-cloudwatch-agent.service" in rows
    assert all(mode[8] != "w" for mode, _owner in rows.values())
