"""The role replaces a fleet step by step, and goes back, on an emulated account whose hosts are one small HTTP server.

molecule/release rolls out on real hosts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
import yaml
from moto.autoscaling.responses import AutoScalingResponse
from moto.server import ThreadedMotoServer

from delivery.release.rollouts import Rollout
from tests.roles.controllers import COUNTED, environment_of
from tests.roles.fleets import Fleet, Services

ROOT = Path(__file__).parents[2]
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
PLAY = [{"hosts": "localhost", "gather_facts": False, "roles": ["rollout"]}]
TAKE_BACK = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.include_role": {"name": "rollout", "tasks_from": "take_back"}}],
    }
]
REFRESH = {
    "AutoScalingGroupName": "service",
    "DesiredConfiguration": {"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "2"}},
    "Preferences": {"AutoRollback": True, "CheckpointPercentages": [50, 100]},
}
METRIC = {"namespace": "agent", "metric": "mem_used_percent", "dimensions": {"AutoScalingGroupName": "service"}}
HOSTS = ("i-1", "i-2", "i-11", "i-12", "i-21", "i-22")
DIGEST = "sha256:new"
DEPLOYED = "/pettracker/dev/release/deployed"
# A host's own check of its golden set, in place of the interpreter that only hosts have.
CHECK = '#!/bin/sh\ncase "$*" in *"$(cat {bad})"*) echo "cat.jpg: expected 0.9000, got 0.1000" >&2; exit 1;; esac\n'


class Controller:
    """Runs the role for the release pets-2, which version 2 brings."""

    def __init__(self, directory: Path, endpoint: str, services: Services) -> None:
        self._directory = directory
        self._client = lambda service: boto3.client(service, endpoint_url=endpoint, **KEYS)
        self.s3, self.ssm, self.cloudwatch = (self._client(name) for name in ("s3", "ssm", "cloudwatch"))
        self.s3.create_bucket(Bucket="releases")
        for name in ("memory", "errors"):
            self.say(name, "OK")
        self.bad = directory / "bad"
        self.bad.write_text("nobody")
        check = directory / "python"
        check.write_text(CHECK.format(bad=self.bad))
        check.chmod(0o755)
        golden = directory / "bundle/golden"
        golden.mkdir(parents=True)
        (golden / "answers.json").write_text(json.dumps({"cases": [{"input": "row.json"}]}))
        (golden / "row.json").write_text("{}")
        self._environment = environment_of(endpoint)
        variables: dict[str, Any] = {
            "environment": "dev",
            "region": "us-east-1",
            "group": "service",
            "launch_template_id": "lt-1",
            "launch_template_version": 2,
            "release": {
                **{"id": "pets-2", "recorded": True, "image_id": "ami-2"},
                **{"model_name": "pets", "model_version": "2", "model_digest": DIGEST},
            },
            "holder": "ann@laptop",
            "releases_bucket": "releases",
            "deployed_parameter": DEPLOYED,
            "abandoned_alarm": "abandoned",
            "alarms": ["memory", "errors"],
            "heartbeat_namespace": "PetTracker/ML",
            "heartbeat_dimensions": {"Environment": "dev"},
            "heartbeat_seconds": 0.2,
            "abandoned_period": 10,
            "abandoned_periods": 1,
            "lock_stale_seconds": 30,
            "bake_seconds": 3,
            "rounds": 12,
            "minimum_requests": 7,
            "evidence_seconds": 15,
            "most_hosts": 2,
            "notice_seconds": 10,
            "timeout": 60,
            # Hosts and the account are all this one process, whose time says nothing of any of them.
            "slowdown": 20,
            "service_port": 1,
            "metrics": COUNTED,
        }
        self._variables = {f"rollout_{name}": value for name, value in variables.items()}
        # Every host is this machine, and differs by its address and by what its check says.
        self._variables |= {
            "__rollout_url": f"{services.url}/{{{{ __rollout_host }}}}",
            "rollout_bundle": str(directory / "bundle"),
            "rollout_python": str(check),
            "__rollout_evidence_directory": f"{directory}/evidence-{{{{ __rollout_host }}}}",
        }
        (directory / "play.yml").write_text(json.dumps(PLAY))
        (directory / "take-back.yml").write_text(json.dumps(TAKE_BACK))
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"all": {"hosts": dict.fromkeys(("localhost", *HOSTS), local)}}
        (directory / "hosts.yml").write_text(json.dumps(inventory))

    def apply(self, *arguments: str, play: str = "play.yml") -> subprocess.CompletedProcess[str]:
        """Run the role, while the dead man's alarm is silent as soon as there is one."""
        stopping = threading.Event()
        alarms = threading.Thread(target=self._keep_alarm_silent, args=[stopping])
        alarms.start()
        ansible = Path(sys.executable).with_name("ansible-playbook")
        command = [ansible, "-i", "hosts.yml", "-e", json.dumps(self._variables), *arguments, play]
        try:
            return subprocess.run(
                command,
                cwd=self._directory,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        finally:
            stopping.set()
            alarms.join()

    def say(self, alarm: str, state: str) -> None:
        """Let an alarm be in a state."""
        self.cloudwatch.put_metric_alarm(
            **{"AlarmName": alarm, "Namespace": "n", "MetricName": "m", "Statistic": "Sum", "Period": 60},
            **{"EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"},
        )
        self.cloudwatch.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason="since noon")

    def measure(self, namespace: str, metric: str, dimensions: dict[str, str]) -> None:
        """Send one data point."""
        named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        self.cloudwatch.put_metric_data(
            Namespace=namespace, MetricData=[{"MetricName": metric, "Dimensions": named, "Value": 1.0}]
        )

    def reports(self) -> list[dict[str, Any]]:
        listed = self.s3.list_objects_v2(Bucket="releases", Prefix="dev/rollouts/").get("Contents", [])
        bodies = [self.s3.get_object(Bucket="releases", Key=item["Key"])["Body"].read() for item in listed]
        for text in bodies:
            Rollout.model_validate_json(text)
        return [json.loads(text) for text in bodies]

    def deployed(self) -> str:
        parameters = self.ssm.get_parameters(Names=[DEPLOYED])["Parameters"]
        return parameters[0]["Value"] if parameters else ""

    def lock(self) -> dict[str, Any] | None:
        keys = [item["Key"] for item in self.s3.list_objects_v2(Bucket="releases").get("Contents", [])]
        if "dev/rollout.lock" not in keys:
            return None
        found: dict[str, Any] = json.loads(self.s3.get_object(Bucket="releases", Key="dev/rollout.lock")["Body"].read())
        return found

    def _keep_alarm_silent(self, stopping: threading.Event) -> None:
        while not stopping.wait(0.2):
            if self.cloudwatch.describe_alarms(AlarmNames=["abandoned"])["MetricAlarms"]:
                self.cloudwatch.set_alarm_state(AlarmName="abandoned", StateValue="OK", StateReason="test")


@pytest.fixture
def services() -> Iterator[Services]:
    running = Services()
    running.digests = dict.fromkeys(HOSTS, DIGEST)
    yield running
    running.close()


@pytest.fixture
def fleet(services: Services, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    there = Fleet(services)
    for name, action in there.actions().items():
        monkeypatch.setattr(AutoScalingResponse, name, action, raising=False)
    return there


@pytest.fixture
def controller(tmp_path: Path, services: Services, fleet: Fleet) -> Iterator[Controller]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    try:
        urllib3.request(
            "POST", f"{endpoint}/moto-api/reset", timeout=30
        )  # of what other tests of this process have left
        yield Controller(tmp_path, endpoint, services)
    finally:
        urllib3.request("POST", f"{endpoint}/moto-api/reset", timeout=30)
        server.stop()


def said(run: subprocess.CompletedProcess[str]) -> str:
    return " ".join((run.stdout + run.stderr).split())


def test_a_good_release_replaces_the_fleet_and_a_second_run_changes_nothing(
    controller: Controller, fleet: Fleet
) -> None:
    # An alarm without data blocks nothing, and is named.
    controller.say("errors", "INSUFFICIENT_DATA")
    for host in ("i-11", "i-12"):
        controller.measure("agent", "mem_used_percent", {"AutoScalingGroupName": "service", "InstanceId": host})
    run = controller.apply("-e", json.dumps({"rollout_host_metric": METRIC}))
    assert run.returncode == 0, run.stdout
    assert fleet.hosts == {"i-11": "2", "i-12": "2"}
    assert fleet.refresh
    assert fleet.refresh["Preferences"]["AlarmSpecification"]["Alarms"] == ["abandoned", "memory"]
    assert "AWS does not watch errors" in said(run)
    (report,) = controller.reports()
    assert (report["outcome"], report["by"], report["from_version"]) == ("deployed", "ann@laptop", "1")
    canary, rest = report["checkpoints"]
    assert (canary["percentage"], canary["verdict"], rest["percentage"], rest["verdict"]) == (
        50,
        "promote",
        100,
        "promote",
    )
    assert [host["instance_id"] for host in canary["new"] + canary["old"]] == ["i-11", "i-2"]
    assert [host["instance_id"] for host in rest["new"]] == ["i-11", "i-12"]
    assert controller.deployed() == "s3://releases/dev/pets-2.json"
    assert controller.lock() is None
    assert "    Baking, 100 %" in run.stdout
    again = controller.apply()
    assert (again.returncode, "changed=0" in again.stdout) == (0, True), again.stdout
    assert len(controller.reports()) == 1


def test_a_bad_canary_is_taken_back_with_its_reason(controller: Controller, fleet: Fleet, services: Services) -> None:
    controller.bad.write_text("i-11")
    run = controller.apply()
    assert run.returncode != 0
    assert set(fleet.hosts.values()) == {"1"}
    assert "i-12" not in services.asked  # nothing after the canary was replaced
    reason = "i-11 does not give the golden answers: cat.jpg: expected 0.9000, got 0.1000."
    for part in (reason, "pets-2 was not rolled out to dev (rolled back).", "has the version 1 again"):
        assert part in said(run), run.stdout
    (report,) = controller.reports()
    assert (report["outcome"], report["checkpoints"][0]["verdict"]) == ("rolled back", "reject")
    assert reason in report["checkpoints"][0]["reasons"]
    assert (controller.deployed(), controller.lock()) == ("", None)


def test_too_little_data_and_a_host_without_a_metric_are_no_promotion(controller: Controller, fleet: Fleet) -> None:
    controller.measure("agent", "mem_used_percent", {"AutoScalingGroupName": "service", "InstanceId": "i-2"})
    run = controller.apply("-e", json.dumps({"rollout_minimum_requests": 1000, "rollout_host_metric": METRIC}))
    assert run.returncode != 0
    assert set(fleet.hosts.values()) == {"1"}
    assert "New hosts did not prove themselves in time." in said(run), run.stdout
    (report,) = controller.reports()
    assert (report["outcome"], report["checkpoints"][0]["verdict"]) == ("rolled back", "hold")
    for reason in ("New hosts answered", "CloudWatch has heard nothing of i-11 yet."):
        assert reason in report["reason"]
    # It was asked twice.
    assert run.stdout.count("50 %: hold") == 2, run.stdout


def test_a_host_that_hangs_is_left_alone_in_time_for_the_next_heartbeat(
    controller: Controller, fleet: Fleet, tmp_path: Path
) -> None:
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 900\n")
    hanging.chmod(0o755)
    inventory = json.loads((tmp_path / "hosts.yml").read_text())
    inventory["all"]["hosts"]["i-2"] = {"ansible_connection": "local", "ansible_python_interpreter": str(hanging)}
    (tmp_path / "hosts.yml").write_text(json.dumps(inventory))
    run = controller.apply("-e", json.dumps({"__rollout_patience": 5, "rollout_looks": 1}))
    assert run.returncode != 0
    (report,) = controller.reports()
    canary = report["checkpoints"][0]
    assert (report["outcome"], canary["verdict"]) == ("rolled back", "hold")
    assert "There is no old host to compare with." in canary["reasons"]
    assert "Timed out after 5 second" in canary["old"][0]["problem"]
    assert canary["new"][0]["watched"]["rounds"]


def test_the_time_for_a_host_that_hangs_is_less_than_a_period_of_the_dead_mans_alarm() -> None:
    role = ROOT / "roles/rollout"
    patience = yaml.safe_load((role / "vars/main.yml").read_text())["__rollout_patience"]
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text())
    assert patience + defaults["rollout_heartbeat_seconds"] < defaults["rollout_abandoned_period"]


def test_what_aws_takes_back_is_followed_and_reported(controller: Controller, fleet: Fleet) -> None:
    fleet.alarm_at = 100
    run = controller.apply()
    assert run.returncode != 0
    assert "An alarm rings." in said(run), run.stdout
    (report,) = controller.reports()
    assert report["outcome"] == "rolled back"
    assert controller.lock() is None


def test_what_aws_refuses_to_begin_is_told_with_its_reason(controller: Controller, fleet: Fleet) -> None:
    fleet.refuses = "AlarmSpecification names alarms that do not exist: errors."
    run = controller.apply()
    assert run.returncode != 0
    assert "names alarms that do not exist: errors. Nothing was changed." in said(run), run.stdout
    (report,) = controller.reports()
    assert (report["outcome"], report["from_version"]) == ("not begun", "")
    assert (set(fleet.hosts.values()), controller.lock()) == ({"1"}, None)


def test_a_rollout_is_refused_while_an_alarm_rings_and_says_which(controller: Controller, fleet: Fleet) -> None:
    controller.say("memory", "ALARM")
    run = controller.apply()
    assert run.returncode != 0
    assert "memory rings (since noon). New hosts could not be told from old ones" in said(run), run.stdout
    assert "run make rollback ENV=dev" in said(run)
    assert (fleet.refresh, controller.reports(), controller.lock()) == (None, [], None)
    # Another one that begins between the first look and the start of the refresh.
    controller.say("memory", "OK")
    fleet.rings = {3: "errors"}
    run = controller.apply()
    assert run.returncode != 0
    assert "errors rings (too many since now). New hosts could not be told" in said(run), run.stdout
    assert (fleet.refresh, [report["outcome"] for report in controller.reports()]) == (None, ["not begun"])


def test_a_rollback_goes_on_whatever_the_hosts_that_it_takes_back_do(
    controller: Controller, fleet: Fleet, tmp_path: Path
) -> None:
    # One alarm rings from before, one since just before the refresh begins, and one since just after.
    controller.say("status", "ALARM")
    fleet.rings = {2: "memory", 4: "errors"}
    # Nobody can enter the old host that is left beside the new one.
    inventory = json.loads((tmp_path / "hosts.yml").read_text())
    inventory["all"]["hosts"]["i-2"] = {"ansible_connection": "local", "ansible_python_interpreter": "/bin/false"}
    (tmp_path / "hosts.yml").write_text(json.dumps(inventory))
    alarms = {"rollout_kind": "rollback", "rollout_alarms": ["memory", "errors", "status"]}
    run = controller.apply("-e", json.dumps(alarms))
    assert run.returncode == 0, run.stdout
    assert set(fleet.hosts.values()) == {"2"}
    (report,) = controller.reports()
    assert (report["kind"], report["outcome"]) == ("rollback", "deployed")
    assert fleet.refresh
    assert fleet.refresh["Preferences"]["AlarmSpecification"]["Alarms"] == ["abandoned"]
    assert "AWS does not watch errors, memory, status, for what rings may be" in said(run)
    canary = report["checkpoints"][0]
    assert canary["old"][0]["problem"]
    for alarm in ("status", "memory", "errors"):
        assert f"The alarm {alarm} rings, and is not counted" in " ".join(canary["reasons"])


def test_a_second_controller_is_told_who_is_first_and_touches_nothing(controller: Controller, fleet: Fleet) -> None:
    lock = {"id": "other", "holder": "bob@desk", "purpose": "the rollout to cats-1", "since": "2026-05-04", "beats": 0}
    stopping = threading.Event()

    def beat() -> None:
        while not stopping.wait(0.1):
            lock["beats"] = int(str(lock["beats"])) + 1
            controller.s3.put_object(Bucket="releases", Key="dev/rollout.lock", Body=json.dumps(lock).encode())

    holder = threading.Thread(target=beat)
    holder.start()
    try:
        run = controller.apply()
    finally:
        stopping.set()
        holder.join()
    assert run.returncode != 0
    assert "bob@desk holds the lock since 2026-05-04, for the rollout to cats-1" in said(run), run.stdout
    assert fleet.refresh is None
    assert (controller.lock() or {})["holder"] == "bob@desk"


def test_a_run_goes_on_where_a_dead_controller_stopped(controller: Controller, fleet: Fleet) -> None:
    fleet.start(REFRESH)
    assert fleet.refresh
    fleet.refresh |= {"Status": "Baking", "PercentageComplete": 100}
    fleet.hosts = {"i-11": "2", "i-12": "2"}
    run = controller.apply()
    assert run.returncode == 0, run.stdout
    (report,) = controller.reports()
    assert [(one["percentage"], one["verdict"]) for one in report["checkpoints"]] == [(100, "promote")]
    assert controller.deployed() == "s3://releases/dev/pets-2.json"


def test_a_new_fleet_is_recorded_and_a_plan_touches_nothing(controller: Controller, fleet: Fleet) -> None:
    plan = controller.apply("--check", "--diff")
    assert plan.returncode == 0, plan.stdout
    assert '+    "launch_template_version": "2"' in plan.stdout, plan.stdout
    assert (controller.reports(), fleet.refresh) == ([], None)
    fleet.version, fleet.hosts = "2", {"i-11": "2", "i-12": "2"}
    run = controller.apply()
    assert run.returncode == 0, run.stdout
    assert [report["reason"] for report in controller.reports()] == ["The fleet has the version already."]
    assert controller.deployed() == "s3://releases/dev/pets-2.json"


def test_a_rollout_that_is_under_way_is_taken_back_by_a_person(controller: Controller, fleet: Fleet) -> None:
    idle = controller.apply(play="take-back.yml")
    assert (idle.returncode, "changed=0" in idle.stdout) == (0, True), idle.stdout
    fleet.start(REFRESH)
    run = controller.apply(play="take-back.yml")
    assert run.returncode == 0, run.stdout
    assert "RollbackSuccessful" in run.stdout
    assert set(fleet.hosts.values()) == {"1"}
