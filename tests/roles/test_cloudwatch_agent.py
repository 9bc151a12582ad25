"""The agent's configuration as the role writes it for production, at work in the stand-in and on the local cloud's API."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import pytest
import yaml

from inference.telemetry import Telemetry
from localcloud import settings as constants
from localcloud.account import Account
from localcloud.agent.standin.api import Api, Metadata
from localcloud.agent.standin.config import parse
from localcloud.agent.standin.main import Agent
from localcloud.agent.standin.statsd import Listener
from localcloud.balancer.targets import CheckResult
from localcloud.hosts.driver import NoHosts
from localcloud.settings import Settings
from tests.localcloud.conftest import eventually
from tests.roles.controllers import environment_of, inventory_of

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "roles/cloudwatch_agent"
LOGS = "/var/log/pettracker"
PINNED = {"cloudwatch_agent_package_version": "1.300062.0b1304", "cloudwatch_agent_package_sha256": "a" * 64}


def play(directory: Path, tasks: list[dict[str, Any]], **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run tasks with production's variables and the role's own."""
    files = [
        ROLE / "defaults/main.yml",
        ROOT / "inventories/common/group_vars/all/layout.yml",
        ROOT / "playbooks/vars/image.yml",
        ROLE / "vars/main.yml",
    ]
    written = {**{"hosts": "localhost", "gather_facts": False, "vars_files": [str(file) for file in files]}, "tasks": tasks}
    (directory / "play.yml").write_text(json.dumps([written]))
    command = [Path(sys.executable).with_name("ansible-playbook"), *inventory_of("production")]
    return subprocess.run(
        [*command, "-e", json.dumps(variables | {"account_id": "123456789012"}), "play.yml"],
        cwd=directory,
        env=environment_of("http://127.0.0.1:1"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The configuration that a host of production gets."""
    directory = tmp_path_factory.mktemp("agent")
    text = "{{ __cloudwatch_agent_config | to_json }}"
    ran = play(directory, [{"ansible.builtin.copy": {"content": text, "dest": str(directory / "config.json")}}])
    assert ran.returncode == 0, ran.stdout
    configuration: dict[str, Any] = json.loads((directory / "config.json").read_text())
    return configuration


@dataclass
class Host:
    """An instance with logs of its own, and the agent on it; `client` is of its account."""

    client: Callable[[str], Any]
    logs: Path
    statsd: Listener
    agent: Agent


@pytest.fixture
def host(written: dict[str, Any], tmp_path: Path) -> Iterator[Host]:
    account = Account(Settings(root=Path("/nonexistent"), api_port=0), NoHosts(), lambda _: CheckResult(True))
    account.telemetry.close()
    account.schedules.close()
    endpoint = f"http://127.0.0.1:{account.open()}"
    account.reset()  # of what other tests of this process have sent
    keys = account.keys.root.arguments
    sts = boto3.client("sts", constants.REGION, endpoint_url=endpoint, **keys)
    role = f"arn:aws:iam::{constants.ACCOUNT_ID}:role/role"
    session = sts.assume_role(RoleArn=role, RoleSessionName="host")["Credentials"]
    documents = {
        "meta-data/instance-id": "i-0123456789abcdef0",
        "meta-data/instance-type": "c5.large",
        "meta-data/ami-id": "ami-0123456789abcdef0",
        "meta-data/iam/security-credentials/": "role",
        "meta-data/iam/security-credentials/role": json.dumps(
            {"AccessKeyId": session["AccessKeyId"], "SecretAccessKey": session["SecretAccessKey"]}
            | {"Token": session["SessionToken"], "Expiration": "2099-01-01T00:00:00Z"}
        ),
    }
    metadata = Metadata()
    metadata.get = documents.__getitem__  # type: ignore[method-assign]
    parsed = parse(json.dumps(written).replace(LOGS, str(tmp_path)))
    (tmp_path / "state").mkdir()
    statsd = Listener("127.0.0.1:0")
    api = Api(endpoint, constants.REGION, metadata)
    api.group_of = lambda _instance: "fleet"  # type: ignore[method-assign]
    agent = Agent(parsed, api, metadata, tmp_path / "state", statsd)
    yield Host(lambda name: boto3.client(name, constants.REGION, endpoint_url=endpoint, **keys), tmp_path, statsd, agent)
    statsd.close()
    account.close()


def logs_of_units() -> list[str]:
    """Return the log files that the units of a host write to."""
    variables = yaml.safe_load((ROOT / "roles/inference_service/vars/main.yml").read_text())
    units = "".join(path.read_text() for path in (ROOT / "roles").glob("*/templates/*.service.j2"))
    return sorted({variables[name] for name in re.findall(r"append:{{ (\w+) }}", units)})


def test_every_log_of_a_host_is_shipped_whichever_was_written_last(host: Host) -> None:
    names = [Path(log).name for log in logs_of_units()]
    assert len(names) > 1
    for second, name in enumerate(names, 1):
        (host.logs / name).write_text(f"a line of {name}\n")
        os.utime(host.logs / name, (second, second))
    for second in (0, 5, 10):
        host.agent.step(second)
    events = host.client("logs").filter_log_events(logGroupName="/pettracker/production/ml-server")["events"]
    assert sorted(event["message"] for event in events) == [f"a line of {name}" for name in names]


@pytest.mark.skipif(os.geteuid() != 0, reason="makes directories of others, and becomes another user")
def test_the_agents_account_reads_the_logs_of_units_and_writes_none(tmp_path: Path) -> None:
    # The group `games`, which every Debian has, for the service's, and 12345 for the agent's account.
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        role = ROOT / "roles/inference_service"
        options = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
        places = [*options, *yaml.safe_load((role / "vars/main.yml").read_text())]
        keys = [key for key in places if re.search("_directory$|_(bundles|archive)$", key)]
        moved = {key: f"{name}/{key}/of_the_host" for key in keys} | {"inference_service_user": "games"}
        directories = {"name": "inference_service", "tasks_from": "directories"}
        for key in keys:
            Path(moved[key]).parent.mkdir()
        ran = play(tmp_path, [{"ansible.builtin.include_role": directories}], **moved)
        assert ran.returncode == 0, ran.stdout
        log = Path(moved["inference_service_log_directory"]) / "inference.log"
        unit = (ROOT / "roles/inference_service/templates/pettracker-inference.service.j2").read_text()
        (mask,) = re.findall("^UMask=(.*)$", unit, re.MULTILINE)
        subprocess.run(["sh", "-c", f"umask {mask}; echo line > {log}"], check=True)  # systemd, which runs as root

        def as_agent(group: str, *command: str) -> int:
            rights = ["setpriv", "--reuid=12345", "--regid=12345", f"--groups={group}"]
            return subprocess.run([*rights, *command], capture_output=True, check=False).returncode

        assert as_agent("games", "cat", str(log)) == 0
        assert as_agent("games", "sh", "-c", f"echo more >> {log}") != 0
        assert as_agent("games", "touch", f"{log}.1") != 0
        assert as_agent("nogroup", "cat", str(log)) != 0


def test_the_documents_query_of_latency_finds_what_all_hosts_did(host: Host) -> None:
    host.agent.step(0)
    telemetry = Telemetry(f"127.0.0.1:{host.statsd.port}")
    for milliseconds in range(1, 101):
        telemetry.latency(milliseconds / 1000)
    eventually(lambda: host.statsd.gathered == 100)
    for second in (60, 66, 72):
        host.agent.step(second)
    # aws cloudwatch get-metric-statistics --namespace "PetTracker/ML" --metric-name "InferenceLatency" --period 3600, as a
    # document of the project's seeds has it; AWS takes p50 and p99 as extended statistics only.
    now = datetime.now(UTC)
    asked = {
        **{"Namespace": "PetTracker/ML", "MetricName": "InferenceLatency", "Period": 3600},
        **{"StartTime": now - timedelta(hours=24), "EndTime": now + timedelta(minutes=1)},
    }
    cloudwatch = host.client("cloudwatch")
    averages = cloudwatch.get_metric_statistics(**asked, Statistics=["Average"])["Datapoints"]
    percentiles = cloudwatch.get_metric_statistics(**asked, ExtendedStatistics=["p50", "p99"])["Datapoints"]
    assert [point["Average"] for point in averages] == [pytest.approx(50.5, rel=0.05)]
    (found,) = (point["ExtendedStatistics"] for point in percentiles)
    assert found == {"p50": pytest.approx(50, rel=0.06), "p99": pytest.approx(99, rel=0.06)}


def test_a_minute_without_errors_is_a_zero_and_no_gap(host: Host) -> None:
    host.agent.step(0)
    telemetry = Telemetry(f"127.0.0.1:{host.statsd.port}")
    with suppress(TimeoutError):
        asyncio.run(asyncio.wait_for(telemetry.count_no_errors(), 0.01))
    telemetry.latency(0.01)
    eventually(lambda: host.statsd.gathered == 1)
    for second in (60, 66, 72):
        host.agent.step(second)
    now = datetime.now(UTC)
    of_group = {"Namespace": "PetTracker/ML", "MetricName": "InferenceErrors", "Period": 3600, "Statistics": ["Sum"]}
    found = host.client("cloudwatch").get_metric_statistics(
        **of_group,
        Dimensions=[{"Name": "AutoScalingGroupName", "Value": "fleet"}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
    )
    assert [point["Sum"] for point in found["Datapoints"]] == [0]


def test_the_agent_runs_without_roots_rights_in_the_group_of_the_services_logs(written: dict[str, Any]) -> None:
    assert written["agent"]["run_as_user"] == "cwagent"
    defaults = [
        yaml.safe_load((ROOT / f"roles/{name}/defaults/main.yml").read_text())
        for name in ("cloudwatch_agent", "inference_service")
    ]
    assert defaults[1]["inference_service_user"] in defaults[0]["cloudwatch_agent_groups"]


def test_a_port_that_only_root_may_use_is_refused(tmp_path: Path) -> None:
    role = {"ansible.builtin.include_role": {"name": "cloudwatch_agent", "tasks_from": "preflight"}}
    ran = play(tmp_path, [role], **PINNED, cloudwatch_agent_statsd_address="127.0.0.1:1023")
    assert ran.returncode == 2
    assert "the agent has no right to a lower port" in " ".join(ran.stdout.split())


def test_patterns_of_log_files_are_refused(tmp_path: Path) -> None:
    bad = ["/var/log/pettracker/*.log", "/var/log/a?.log", "/var/log/[ab].log", "relative.log"]
    role = {"ansible.builtin.include_role": {"name": "cloudwatch_agent", "tasks_from": "preflight"}}
    ran = play(tmp_path, [role], **PINNED, cloudwatch_agent_log_files=[*bad, "/var/log/good.log"])
    assert ran.returncode == 2
    assert f"cloudwatch_agent_log_files has {' and '.join(bad)}. Write" in ran.stdout, ran.stdout


def test_a_package_without_a_digest_or_with_two_places_is_refused_before_there_is_a_host(tmp_path: Path) -> None:
    check = {"name": "cloudwatch_agent", "tasks_from": "check_package"}
    refused = [
        {"cloudwatch_agent_package_sha256": ""},
        {"cloudwatch_agent_package_sha256": "latest"},
        {"cloudwatch_agent_package_version": ""},
        {"cloudwatch_agent_package_source": "/tmp/agent.deb"},
    ]
    tasks: list[dict[str, Any]] = [
        {
            "block": [{"ansible.builtin.include_role": check, "vars": PINNED | wrong}],
            "rescue": [{"ansible.builtin.debug": {"msg": f"refused {number}"}}],
        }
        for number, wrong in enumerate(refused)
    ]
    ran = play(tmp_path, [{"ansible.builtin.include_role": check, "vars": PINNED}, *tasks])
    assert ran.returncode == 0, ran.stdout
    assert [number for number in range(len(refused)) if f'"refused {number}"' in ran.stdout] == [0, 1, 2, 3]


def test_a_presigned_address_is_in_no_output(tmp_path: Path) -> None:
    """Whoever has it may read the file: it is in no output and in no journal, and what went wrong is still said."""
    modules = {path for path in ROOT.glob("roles/*/tasks/*.yml") if "ansible.builtin.get_url:" in path.read_text()}
    assert modules == {ROOT / "roles/host_baseline/tasks/fetch.yml"}
    given = {"bucket": "packages", "prefix": "agent/1", "files": {"agent.deb": "a" * 64}, "directory": str(tmp_path)}
    fetch = {
        "ansible.builtin.include_role": {"name": "host_baseline", "tasks_from": "fetch"},
        "vars": {f"host_baseline_fetch_{name}": value for name, value in given.items()},
    }
    ran = play(tmp_path, [fetch], ansible_python_interpreter=sys.executable)
    said = " ".join((ran.stdout + ran.stderr).split())
    assert ran.returncode == 2
    assert "s3://packages/agent/1/agent.deb could not be fetched" in said
    assert "refused" in said
    assert "Signature" not in said
