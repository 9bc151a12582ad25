"""The role replaces a fleet step by step, and goes back, on an account of the local cloud whose hosts are a small HTTP server.

The instance refresh, its alarms and its way back are the local cloud's; molecule/release rolls out on real hosts.
"""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud import backends
from localcloud.fleet import groups
from tests.localcloud.conftest import Cloud, cloud, eventually, served_cloud
from tests.localcloud.refreshing import FIRST_NEW
from tests.roles.rollouts import Controller, said

__all__ = ["cloud", "served_cloud"]

ROOT = Path(__file__).parents[2]
METRIC = {"namespace": "agent", "metric": "mem_used_percent", "dimensions": {"AutoScalingGroupName": "service"}}
# Names of tasks at which something happens in AWS.
COMPARE, START = "TASK [rollout : Compare the group with the version]", "TASK [rollout : Start the refresh, or find it]"
VOUCH, LOOK = "TASK [rollout : Send heartbeats until", "TASK [rollout : Start the golden requests"
STARTED = "TASK [rollout : Record the refresh]"
# Seconds, more than the refresh waits at a checkpoint and at its end, and less than it waits for hosts.
STOP = 600


class Rolling(Controller):
    """Replaces two hosts, which takes no time but what a test says."""

    def __init__(self, account: Cloud, directory: Path) -> None:
        super().__init__(
            account,
            directory,
            2,
            alarms=["memory", "errors"],
            abandoned_period=10,
            abandoned_periods=1,
            bake_seconds=3,
            evidence_seconds=15,
            most_hosts=2,
            notice_seconds=10,
            warm_up=0,
        )
        for name in ("memory", "errors"):
            self.say(name, "OK")

    def roll_out(self, *arguments: str, when: dict[str, Callable[[], Any]] | None = None, **variables: Any) -> Any:
        """Run the role: its dead man's alarm is silent, and a stop is over when there is a good verdict."""
        usual = {COMPARE: self.hear, "50 %: promote": self.pass_checkpoint, "100 %: promote": self.pass_end}
        return self.apply("play.yml", *arguments, when=usual | (when or {}), **variables)

    def hear(self) -> None:
        """Let the dead man's alarm be silent, if it is there."""
        alarm = backends.cloudwatch().alarms.get("abandoned")
        if alarm is not None:
            alarm.update_state("heartbeats", "", "OK")

    def pass_checkpoint(self) -> None:
        self.group.waits_for("at a checkpoint")
        self.account.clock.advance(STOP)

    def pass_end(self) -> None:
        self.group.until("Baking")
        self.account.clock.advance(STOP)

    def say(self, alarm: str, state: str, reason: str = "since noon") -> None:
        """Let an alarm be in a state."""
        self.cloudwatch.put_metric_alarm(
            **{"AlarmName": alarm, "Namespace": "n", "MetricName": "m", "Statistic": "Sum", "Period": 60},
            **{"EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"},
        )
        self.cloudwatch.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason=reason)

    def measure(self, hosts: list[str]) -> None:
        """Send one data point of each of the hosts."""
        for host in hosts:
            dimensions = {"AutoScalingGroupName": "service", "InstanceId": host}
            named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
            self.cloudwatch.put_metric_data(
                Namespace="agent", MetricData=[{"MetricName": "mem_used_percent", "Dimensions": named, "Value": 1.0}]
            )

    def start(self, **preferences: Any) -> None:
        """Start the refresh that the role starts."""
        version = {"LaunchTemplate": {"LaunchTemplateId": self.template, "Version": "2"}}
        self.group.start(version, AutoRollback=True, **FIRST_NEW, **preferences)

    def is_untouched(self) -> bool:
        refreshes = self.group.asg.describe_instance_refreshes(AutoScalingGroupName="service")["InstanceRefreshes"]
        return not refreshes and sorted(self.group.in_service()) == sorted(self.group.old)

    def went_back(self) -> bool:
        return (self.group.versions(), self.group.own_version()) == ({"1": 2}, "1")

    def bar_old_hosts(self, interpreter: str) -> None:
        for host in self.group.old:
            self.enter(f"host_vars/{host}.yml", interpreter)


@pytest.fixture
def controller(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rolling]:
    monkeypatch.setattr(groups, "INTERVAL", 0.2)
    there = Rolling(cloud, tmp_path)
    yield there
    there.services.close()


def test_a_good_release_replaces_the_fleet_and_a_second_run_changes_nothing(controller: Rolling) -> None:
    # An alarm without data blocks nothing, and is named.
    controller.say("errors", "INSUFFICIENT_DATA")
    measured = {LOOK: lambda: controller.measure(controller.group.in_service())}
    run = controller.roll_out(when=measured, rollout_host_metric=METRIC)
    assert run.returncode == 0, run.stdout
    group = controller.group
    new = group.settled(2)
    assert (group.versions(), group.own_version()) == ({"2": 2}, "2")
    assert group.refresh()["Preferences"]["AlarmSpecification"]["Alarms"] == ["abandoned", "memory"]
    assert "AWS does not watch errors" in said(run)
    (report,) = controller.reports()
    assert (report["outcome"], report["by"], report["from_version"]) == ("deployed", "ann@laptop", "1")
    canary, rest = report["checkpoints"]
    assert (canary["percentage"], canary["verdict"], rest["percentage"], rest["verdict"]) == (50, "promote", 100, "promote")
    ((first,), (left,)) = ([host["instance_id"] for host in canary[side]] for side in ("new", "old"))
    assert (first in new, left in group.old) == (True, True)
    assert [host["instance_id"] for host in rest["new"]] == sorted(new)
    assert controller.deployed() == "s3://releases/dev/pets-2.json"
    assert controller.lock() is None
    assert "    Baking, 100 %" in run.stdout
    again = controller.roll_out()
    assert (again.returncode, "changed=0" in again.stdout) == (0, True), again.stdout
    assert len(controller.reports()) == 1


def test_a_bad_canary_is_taken_back_with_its_reason(controller: Rolling) -> None:
    controller.bad.write_text(controller.services.url)
    run = controller.roll_out()
    assert run.returncode != 0
    assert controller.went_back()
    (canary,) = set(controller.services.asked) - set(controller.group.old)  # nothing after the canary was replaced
    reason = f"{canary} does not give the golden answers: cat.jpg: expected 0.9000, got 0.1000."
    for part in (reason, "pets-2 was not rolled out to dev (rolled back).", "has the version 1 again"):
        assert part in said(run), run.stdout
    (report,) = controller.reports()
    assert (report["outcome"], report["checkpoints"][0]["verdict"]) == ("rolled back", "reject")
    assert reason in report["checkpoints"][0]["reasons"]
    assert (controller.deployed(), controller.lock()) == ("", None)


def test_too_little_data_and_a_host_without_a_metric_are_no_promotion(controller: Rolling) -> None:
    controller.measure(controller.group.old)
    run = controller.roll_out(rollout_minimum_requests=1000, rollout_host_metric=METRIC)
    assert run.returncode != 0
    assert controller.went_back()
    assert "New hosts did not prove themselves in time." in said(run), run.stdout
    (report,) = controller.reports()
    canary = report["checkpoints"][0]
    assert (report["outcome"], canary["verdict"]) == ("rolled back", "hold")
    for reason in ("New hosts answered", f"CloudWatch has heard nothing of {canary['new'][0]['instance_id']} yet."):
        assert reason in report["reason"]
    # It was asked twice.
    assert run.stdout.count("50 %: hold") == 2, run.stdout


def test_a_host_that_hangs_is_left_alone_in_time_for_the_next_heartbeat(controller: Rolling, tmp_path: Path) -> None:
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 900\n")
    hanging.chmod(0o755)
    controller.bar_old_hosts(str(hanging))
    run = controller.roll_out(__rollout_patience=5, rollout_looks=1)
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


def test_what_aws_takes_back_is_followed_and_reported(controller: Rolling) -> None:
    run = controller.roll_out(when={"100 %: promote": lambda: controller.say("memory", "ALARM")})
    assert run.returncode != 0
    assert "CloudWatch alarm memory is in the ALARM state." in said(run), run.stdout
    (report,) = controller.reports()
    assert report["outcome"] == "rolled back"
    assert controller.lock() is None


def test_what_aws_refuses_to_begin_is_told_with_its_reason(controller: Rolling) -> None:
    run = controller.roll_out(when={START: lambda: controller.cloudwatch.delete_alarms(AlarmNames=["errors"])})
    assert run.returncode != 0
    assert "names alarms that do not exist: errors. Nothing was changed." in said(run), run.stdout
    (report,) = controller.reports()
    assert (report["outcome"], report["from_version"]) == ("not begun", "")
    assert (controller.is_untouched(), controller.lock()) == (True, None)


def test_a_rollout_is_refused_while_an_alarm_rings_and_says_which(controller: Rolling) -> None:
    controller.say("memory", "ALARM")
    run = controller.roll_out()
    assert run.returncode != 0
    assert "memory rings (since noon). New hosts could not be told from old ones" in said(run), run.stdout
    assert "run make rollback ENV=dev" in said(run)
    assert (controller.is_untouched(), controller.reports(), controller.lock()) == (True, [], None)
    # Another one that begins between the first look and the start of the refresh.
    controller.say("memory", "OK")
    run = controller.roll_out(when={VOUCH: lambda: controller.say("errors", "ALARM", "too many since now")})
    assert run.returncode != 0
    assert "errors rings (too many since now). New hosts could not be told" in said(run), run.stdout
    assert (controller.is_untouched(), [report["outcome"] for report in controller.reports()]) == (True, ["not begun"])


def test_a_rollback_goes_on_whatever_the_hosts_that_it_takes_back_do(controller: Rolling) -> None:
    # One alarm rings from before, one since just before the refresh begins, and one since just after.
    controller.say("status", "ALARM")
    rings = {VOUCH: lambda: controller.say("memory", "ALARM"), STARTED: lambda: controller.say("errors", "ALARM")}
    # Nobody can enter the old host that is left beside the new one.
    controller.bar_old_hosts("/bin/false")
    alarms = ["memory", "errors", "status"]
    run = controller.roll_out(when=rings, rollout_kind="rollback", rollout_alarms=alarms)
    assert run.returncode == 0, run.stdout
    assert controller.group.versions() == {"2": 2}
    (report,) = controller.reports()
    assert (report["kind"], report["outcome"]) == ("rollback", "deployed")
    assert controller.group.refresh()["Preferences"]["AlarmSpecification"]["Alarms"] == ["abandoned"]
    assert "AWS does not watch errors, memory, status, for what rings may be" in said(run)
    canary = report["checkpoints"][0]
    assert canary["old"][0]["problem"]
    for alarm in ("status", "memory", "errors"):
        assert f"The alarm {alarm} rings, and is not counted" in " ".join(canary["reasons"])


def test_a_second_controller_is_told_who_is_first_and_touches_nothing(controller: Rolling) -> None:
    lock = {"id": "other", "holder": "bob@desk", "purpose": "the rollout to cats-1", "since": "2026-05-04", "beats": 0}
    stopping = threading.Event()

    def beat() -> None:
        while not stopping.wait(0.1):
            lock["beats"] = int(str(lock["beats"])) + 1
            controller.s3.put_object(Bucket="releases", Key="dev/rollout.lock", Body=json.dumps(lock).encode())

    holder = threading.Thread(target=beat)
    holder.start()
    try:
        run = controller.roll_out()
    finally:
        stopping.set()
        holder.join()
    assert run.returncode != 0
    assert "bob@desk holds the lock since 2026-05-04, for the rollout to cats-1" in said(run), run.stdout
    assert controller.is_untouched()
    assert (controller.lock() or {})["holder"] == "bob@desk"


def test_a_run_goes_on_where_a_dead_controller_stopped(controller: Rolling) -> None:
    controller.start(CheckpointPercentages=[50, 100], CheckpointDelay=STOP, BakeTime=STOP)
    controller.pass_checkpoint()
    controller.group.until("Baking")
    controller.group.settled(2)
    run = controller.roll_out()
    assert run.returncode == 0, run.stdout
    (report,) = controller.reports()
    assert [(one["percentage"], one["verdict"]) for one in report["checkpoints"]] == [(100, "promote")]
    assert controller.deployed() == "s3://releases/dev/pets-2.json"


def test_a_new_fleet_is_recorded_and_a_plan_touches_nothing(controller: Rolling) -> None:
    plan = controller.roll_out("--check", "--diff")
    assert plan.returncode == 0, plan.stdout
    assert '+    "launch_template_version": "2"' in plan.stdout, plan.stdout
    assert (controller.reports(), controller.is_untouched()) == ([], True)
    controller.start()
    controller.group.until("Successful")
    controller.group.settled(2)
    run = controller.roll_out()
    assert run.returncode == 0, run.stdout
    assert [report["reason"] for report in controller.reports()] == ["The fleet has the version already."]
    assert controller.deployed() == "s3://releases/dev/pets-2.json"


def test_a_rollout_that_is_under_way_is_taken_back_by_a_person(controller: Rolling) -> None:
    idle = controller.apply("take-back.yml")
    assert (idle.returncode, "changed=0" in idle.stdout) == (0, True), idle.stdout
    controller.start(CheckpointPercentages=[50, 100], CheckpointDelay=STOP)
    eventually(lambda: controller.group.versions()["2"])
    run = controller.apply("take-back.yml")
    assert run.returncode == 0, run.stdout
    assert "RollbackSuccessful" in run.stdout
    assert controller.went_back()
