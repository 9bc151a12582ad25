"""The stand-in for the CloudWatch agent: what it understands, follows, measures and refuses."""

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from localcloud.agent import build_agent_package
from localcloud.agent.standin import ctl, paths
from localcloud.agent.standin.api import Credentials, signed_headers
from localcloud.agent.standin.config import ConfigurationError, Figure, LogFile, Statsd, parse
from localcloud.agent.standin.figures import collect, memory_used_percent, mounts, with_dimensions
from localcloud.agent.standin.main import BATCH_EVENTS, batches
from localcloud.agent.standin.tail import EVENT_BYTES, Follower, Followers
from tests.localcloud.agent_configuration import FULL, configuration


class TestConfiguration:
    def test_everything_that_the_project_writes_is_understood(self) -> None:
        parsed = parse(configuration())
        assert (parsed.run_as_user, parsed.region, parsed.namespace) == ("cwagent", "us-east-1", "PetTracker/ML")
        assert parsed.dimensions == ("AutoScalingGroupName", "InstanceId")
        assert parsed.aggregations == (("AutoScalingGroupName",), ())
        assert parsed.push_seconds == 5
        assert parsed.figures == (Figure("mem", 10), Figure("disk", 10, ("/",), True))
        assert parsed.statsd == Statsd("127.0.0.1:8125", 20)
        assert parsed.log_files == (LogFile("/var/log/pettracker/inference.log", "/pettracker/ml-server", "{instance_id}", 30),)

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
            ("metrics", {"namespace": "x"}, "metrics.metrics_collected is missing"),
            ("metrics", {"append_dimensions": {"Host": "x"}}, "metrics.append_dimensions"),
            ("metrics", {"append_dimensions": {"InstanceId": "i-1"}}, "metrics.append_dimensions"),
            ("metrics", {"aggregation_dimensions": [["Host"]]}, "metrics.aggregation_dimensions"),
            ("metrics", {"aggregation_dimensions": []}, "metrics.aggregation_dimensions"),
            ("metrics", {"aggregation_dimensions": [[], []]}, "metrics.aggregation_dimensions"),
            ("metrics", {"aggregation_dimensions": [["InstanceId", "InstanceId"]]}, "metrics.aggregation_dimensions"),
            ("metrics", {"force_flush_interval": 0}, "metrics.force_flush_interval"),
            ("metrics", {"force_flush_interval": 200_000}, "metrics.force_flush_interval"),
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


# Runs the agent with a directory of its own, and says whose rights it had at its end.
STARTED = """
import os, sys
from pathlib import Path
from localcloud.agent.standin import main, paths
root = Path(sys.argv[1])
paths.OWNED = [root / "logs", root / "etc", root / "var"]
paths.LOG, paths.STATE, paths.TRANSLATED = root / "logs/agent.log", root / "logs/state", root / "etc/agent.toml"
status = main.main()
print(*os.getresuid(), *os.getresgid(), file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
class TestUser:
    @pytest.fixture
    def root(self) -> Iterator[Path]:
        """The agent's directory, where everybody may look around; pytest's are private."""
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            root.chmod(0o755)
            for folder in ("logs", "etc", "var"):
                (root / folder).mkdir()
            yield root

    def start(self, root: Path, user: str, port: int) -> tuple[int, str]:
        """Start the agent, which ends for want of an API; return its exit status and what it had to say."""
        statsd = {"service_address": f"127.0.0.1:{port}", "metrics_aggregation_interval": 0}
        metrics = {"metrics_collected": {"statsd": statsd}}
        (root / "etc/agent.json").write_text(configuration(agent={"run_as_user": user}, metrics=metrics))
        (root / "etc/agent.toml").write_text(f'source = "{root}/etc/agent.json"\n')
        done = subprocess.run(
            [sys.executable, "-c", STARTED, str(root)],
            env=os.environ | {"AWS_ENDPOINT_URL": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stderr

    def test_root_starts_the_agent_and_the_user_that_the_configuration_names_runs_it(self, root: Path) -> None:
        (root / "logs/old.log").write_text("of the time before")
        nobody = pwd.getpwnam("nobody")
        _, said = self.start(root, "nobody", 0xC001)
        assert said.split() == [str(nobody.pw_uid)] * 3 + [str(nobody.pw_gid)] * 3
        assert "talks to a local cloud only" in (root / "logs/agent.log").read_text()
        owned = [root / name for name in ("logs", "logs/old.log", "logs/agent.log", "etc/agent.json", "var")]
        assert {path.stat().st_uid for path in owned} == {nobody.pw_uid}

    def test_a_program_or_what_a_link_leads_to_stays_roots(self, root: Path) -> None:
        (root / "secret").write_text("of somebody else")
        (root / "var/link").symlink_to(root / "secret")
        for name, mode in (("program", 0o755), ("everybodys", 0o666)):
            (root / "var" / name).write_text("")
            (root / "var" / name).chmod(mode)
        self.start(root, "nobody", 0xC001)
        assert [path.stat().st_uid for path in (root / "secret", *(root / "var").iterdir())] == [0] * 4

    def test_a_user_that_is_not_there_and_a_port_that_is_roots_end_the_agent(self, root: Path) -> None:
        status, said = self.start(root, "who", 0xC001)
        assert (status, "agent.run_as_user is 'who', but there is no such user" in said) == (1, True)
        lowest = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
        if lowest > 1:
            status, said = self.start(root, "nobody", lowest - 1)
            assert (status, "Permission denied" in said) == (1, True)


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

    def test_of_a_pattern_only_the_file_written_last_is_found(self, tmp_path: Path) -> None:
        followers = Followers(f"{tmp_path}/*.log*", tmp_path / "state")
        followers.look()
        assert followers.current() == []
        for second, name in enumerate(("never.log", "last.log", "old.log.gz"), 1):
            (tmp_path / name).write_text("x\n")
            os.utime(tmp_path / name, (second, second))
        followers.look()
        assert [follower.path.name for follower in followers.current()] == ["last.log"]
        (tmp_path / "new.log").write_text("x\n")
        followers.look()
        assert [follower.path.name for follower in followers.current()] == ["last.log", "new.log"]


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


def test_figures_are_published_per_instance_and_per_group_and_of_all() -> None:
    parsed = parse(configuration())
    figure = {"name": "mem_used_percent", "value": 1.0, "dimensions": {}}
    three = with_dimensions([figure], parsed, {"InstanceId": "i-1", "AutoScalingGroupName": "fleet"})
    assert [published["dimensions"] for published in three] == [
        {"AutoScalingGroupName": "fleet", "InstanceId": "i-1"},
        {"AutoScalingGroupName": "fleet"},
        {},
    ]
    alone = with_dimensions([figure], parsed, {"InstanceId": "i-1"})
    assert [published["dimensions"] for published in alone] == [{"InstanceId": "i-1"}, {}]


def test_an_aggregation_has_fewer_dimensions_than_the_figure() -> None:
    metrics = FULL["metrics"] | {"append_dimensions": {"AutoScalingGroupName": "${aws:AutoScalingGroupName}"}}
    figure = {"name": "mem_used_percent", "value": 1.0, "dimensions": {}}
    published = with_dimensions([figure], parse(configuration(metrics=metrics)), {"AutoScalingGroupName": "fleet"})
    assert [one["dimensions"] for one in published] == [{"AutoScalingGroupName": "fleet"}, {}]


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


def test_the_package_has_the_same_bytes_each_time_and_the_agents_own_paths(tmp_path: Path) -> None:
    first, second = build_agent_package(tmp_path / "one"), build_agent_package(tmp_path / "two")
    assert first.name == "amazon-cloudwatch-agent.deb"
    assert first.read_bytes() == second.read_bytes()
    listing = subprocess.run(["dpkg-deb", "--contents", str(first)], capture_output=True, text=True, check=True).stdout
    rows = {line.split()[-1]: line.split()[:2] for line in listing.splitlines()}
    assert rows["./opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"] == ["-rwxr-xr-x", "root/root"]
    assert "./lib/systemd/system/amazon-cloudwatch-agent.service" in rows
    assert all(mode[8] != "w" for mode, _owner in rows.values())
