"""The times of a rollout, worked out by Ansible for each environment, against what AWS does meanwhile, worked out here."""

import dataclasses
import itertools
from typing import Any

import pytest
import yaml
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.next_step import next_step
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.steps import State
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.strategies import Rolling

from tests.roles.inventory_values import ENVIRONMENTS, ROOT, Values, assertions, variables_of

ON_AWS = [environment for environment in ENVIRONMENTS if environment != "local"]
# Seconds. AWS documents none of them: how late people have seen Auto Scaling act on an alarm, and custom metrics arrive.
NOTICING, ARRIVAL = 60, 120
# For one task on a host over Session Manager: ansible-collections/community.aws#1853.
TASK = 10
# CloudWatch looks at an alarm once a minute; the local cloud's minute is its telemetry period.
MINUTE = dict.fromkeys(ON_AWS, 60) | {"local": 10}


@pytest.fixture(params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def values(environment: str) -> Values:
    return Values(environment)


def silence(period: int, periods: int, minute: int) -> int:
    """Return the longest time from a last heartbeat until an alarm on FILL(m1, 0) rings, in seconds.

    It rings at the first look at which the last so many full periods hold no heartbeat.
    """
    longest = 0
    for sent, looked in itertools.product(range(0, period, max(1, period // 10)), range(0, minute, max(1, minute // 10))):
        for look in range(looked, 100 * max(period, minute), minute):
            ended = look // period
            if look > sent and ended - periods >= sent // period + 1:
                longest = max(longest, look - sent)
                break
    return longest


def dead_mans_alarm(values: Values, environment: str) -> float:
    """Return how long AWS takes to go back after the last heartbeat."""
    alarm = silence(
        int(values.number("rollout_abandoned_period")), int(values.number("rollout_abandoned_periods")), MINUTE[environment]
    )
    return alarm + NOTICING * MINUTE[environment] / 60


def looks(values: Values, number: int) -> float:
    """Return how long so many looks at the largest fleet take."""
    hosts = values.number("autoscaling_group_max_size")
    return number * (values.number("rollout_bake_seconds") + hosts * values.number("rollout_evidence_seconds"))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("role", ["load_balancer", "rollout", "autoscaling_group"])
@pytest.mark.parametrize("strategy", ["rolling", "blue_green"])
def test_an_environment_passes_the_checks_of_the_roles(environment: str, role: str, strategy: str) -> None:
    values, checked = Values(environment, rollout_strategy=strategy), 0
    for task, condition in assertions(role):
        if "item" in condition or "certificate" in condition or (strategy == "rolling" and "colours" in condition):
            continue
        assert values.holds(condition), (task, condition)
        checked += 1
    assert checked >= 3


def test_aws_can_go_back_whenever_the_controller_dies(values: Values, environment: str) -> None:
    waits = values.number("__rollout_times.stop_seconds")
    last = looks(values, int(values.number("rollout_looks"))) + 2 * values.number("rollout_heartbeat_seconds")
    assert last + dead_mans_alarm(values, environment) < waits
    # Nor may somebody who is late vouch for longer than that.
    assert values.number("__rollout_times.verdict_seconds") + dead_mans_alarm(values, environment) <= waits
    assert last <= values.number("__rollout_times.verdict_seconds")


def test_a_delay_that_is_too_short_is_refused_and_a_longer_one_is_kept(environment: str) -> None:
    (condition,) = [one for _, one in assertions("rollout") if "needed_stop_seconds" in one]
    needed = int(Values(environment)["__rollout_times.needed_stop_seconds"])
    for delay, expected in ((0, True), (needed - 1, False), (needed, True), (needed + 900, True), (172801, False)):
        values = Values(environment, rollout_checkpoint_delay=delay)
        assert values.holds(condition) is expected, delay
        assert values.number("__rollout_times.stop_seconds") == (delay or needed)


@pytest.mark.parametrize(
    "more",
    [
        {"rollout_looks": 3},
        {"rollout_bake_seconds": 600},
        {"rollout_evidence_seconds": 90},
        {"autoscaling_group_max_size": 40},
        {"rollout_abandoned_periods": 9},
        {"rollout_abandoned_period": 120},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_takes_longer_makes_the_stops_longer(environment: str, more: dict[str, Any]) -> None:
    values = Values(environment, **more)
    last = looks(values, int(values.number("rollout_looks")))
    assert last + dead_mans_alarm(values, environment) < values.number("__rollout_times.stop_seconds")


def test_there_is_time_for_the_second_look(values: Values, environment: str) -> None:
    strategy = Rolling(values.times)
    elapsed = looks(values, 1) + 2 * values.number("rollout_heartbeat_seconds")
    held = State(begun=True, percentage=100, verdict="hold", looks=1, elapsed_seconds=elapsed)
    assert next_step(held, strategy).do == "look"
    # Not for a look that would leave the alarm no time.
    late = dataclasses.replace(held, elapsed_seconds=looks(values, 2))
    assert next_step(late, strategy).do == "refuse"


def test_a_step_whose_plan_or_verdict_has_failed_is_undone() -> None:
    begun = {"__rollout_refresh_id": "r-1", "__rollout_refresh": {}, "__rollout_percentage": 50, "__rollout_look": 1}
    failed: dict[str, Any] = {"failed": True, "msg": "Could not judge the new hosts: Throttling"}
    values = Values("production", **begun, __rollout_plan=failed, __rollout_verdict=failed)
    state = State(**values["__rollout_state"], failure=failed["msg"])
    assert next_step(state, Rolling(values.times)).do == "undo"


@pytest.mark.parametrize("environment", ON_AWS)
def test_a_look_has_time_for_the_tasks_on_each_host(environment: str) -> None:
    role = ROOT / "roles/rollout/tasks"
    look, host = (yaml.safe_load((role / f"{name}.yml").read_text()) for name in ("look", "host"))
    visits = [task for task in look if task.get("ansible.builtin.include_tasks") == "host.yml"]
    tasks = [task for task in host if "delegate_to" in task]
    assert visits
    assert tasks
    assert Values(environment).number("rollout_evidence_seconds") >= TASK * len(visits) * len(tasks)


def test_heartbeats_are_dense_enough_and_a_dead_controllers_lock_is_free_before_its_refresh_goes_back(values: Values) -> None:
    period, stale = values.number("rollout_abandoned_period"), values.number("rollout_lock_stale_seconds")
    assert values.number("rollout_heartbeat_seconds") * 2 <= period
    assert stale < period * values.number("rollout_abandoned_periods")


def test_a_stopped_host_serves_until_the_balancer_sends_it_nothing(values: Values, environment: str) -> None:
    # A check begins each interval, so the first one after the stop up to one later, and the last may time out. Target group
    # health checks, and kubernetes-sigs/aws-load-balancer-controller 1064 for how long nodes go on after that.
    interval, timeout, threshold = (
        values.number(f"load_balancer_{name}")
        for name in ("health_check_interval", "health_check_timeout", "unhealthy_threshold")
    )
    detection = interval * threshold + timeout + 10
    drain, deadline = values.number("inference_service_drain_seconds"), values.number("service_deadline_seconds")
    body = values.number("inference_service_body_seconds")
    assert drain >= detection
    assert values.number("load_balancer_drain_seconds") == drain
    # The last request may begin to come at the end of the drain.
    assert values.number("inference_service_stop_seconds") > drain + body + deadline
    # A host that its group ends has been deregistered for the whole delay before it is stopped.
    delay = values.number("load_balancer_deregistration_delay")
    assert delay >= (deadline if environment == "local" else body + deadline)
    assert values.number("autoscaling_group_terminate_hook_timeout") >= delay + values.number("service_stop_seconds")
    assert values.number("autoscaling_group_launch_hook_timeout") >= values.number("service_ready_seconds")


def test_the_balancer_is_told_these_numbers(values: Values) -> None:
    (task,) = yaml.safe_load((ROOT / "roles/load_balancer/tasks/target_group.yml").read_text())
    check = task["pettracker.aws.target_group"]["health_check"]
    told = {name: values.text(text) for name, text in check.items() if name != "path"}
    assert told["interval"] * told["unhealthy_threshold"] + told["timeout"] < values.number("service_drain_seconds")


SUFFIX = "{{ service_colour_suffix }}"


def guards() -> list[dict[str, Any]]:
    """Return the alarms that let a rollout go back, as they are written down."""
    text = variables_of("production")
    return [alarm for alarm in text["alarms_list"] if alarm["name"].removesuffix(SUFFIX) in text["service_guards"]]


@pytest.mark.parametrize("environment", ON_AWS)
def test_every_guard_rings_while_there_is_a_way_back(environment: str) -> None:
    values = Values(environment)
    ways_back = [values.number(name) for name in ("__rollout_times.stop_seconds", "rollout_keep_warm_seconds")]
    assert len(guards()) == 3
    for alarm in guards():
        period, periods = alarm.get("period", 300), alarm.get("evaluation_periods", 2)
        # What is bad from the arrival on fills its first whole period after up to one more.
        assert period * (periods + 1) + ARRIVAL + MINUTE[environment] <= min(ways_back), alarm["name"]


@pytest.mark.parametrize("live", [0, 1])
def test_alarms_of_new_hosts_only_are_those_of_a_fleet_of_their_own(live: int) -> None:
    colours = Values("local")["service_colours"]
    fleets = {"live": colours[live], "other": colours[1 - live]}
    assert Values("local", service_fleets=fleets, rollout_strategy="rolling")["rollout_own_alarms"] == []
    values = Values("local", service_fleets=fleets, rollout_strategy="blue_green")
    suffix = fleets["other"]["group"].removeprefix(values["service_group_name"])
    own = [
        str(alarm["name"]).replace("{{ resource_prefix }}", values["resource_prefix"]).replace(SUFFIX, suffix)
        for alarm in guards()
    ]
    assert sorted(values["rollout_own_alarms"]) == sorted(own)
    assert set(own) < set(values["rollout_alarms"])


def test_guards_never_lack_data_for_long() -> None:
    # User guide, "Undo changes with a rollback": with INSUFFICIENT_DATA nothing is replaced; it advises `ignore` against that.
    assert {alarm["missing_data"] for alarm in guards()} <= {"ignore", "notBreaching"}


@pytest.mark.parametrize("environment", ON_AWS)
def test_a_session_of_a_workflow_outlasts_the_longest_rollout_and_its_way_back(environment: str) -> None:
    values = Values(environment)
    hosts = int(values.number("autoscaling_group_max_size"))
    state = State(begun=True, checkpoints=[100], hosts=hosts, resumed=True)
    rest = next_step(state, Rolling(values.times)).seconds
    stop = values.number("__rollout_times.stop_seconds")
    assert rest == hosts * values.number("rollout_timeout") + stop
    # Every host as slow as it may be only just; the end's stop; and all of it back. Before that, an image is made in an hour.
    longest = 3600 + rest + stop
    for name, jobs in workflows().items():
        for job in jobs:
            assert longest <= 60 * job["timeout-minutes"] <= 6 * 3600, name
            durations = [
                step["with"]["role-duration-seconds"] for step in job["steps"] if "role-to-assume" in step.get("with", {})
            ]
            assert all(60 * job["timeout-minutes"] <= seconds <= 43200 for seconds in durations), name
            assert durations, name


def workflows() -> dict[str, list[dict[str, Any]]]:
    """Return the jobs of the workflows that replace hosts."""
    found = {}
    for path in sorted((ROOT / ".github/workflows").glob("*.yml")):
        jobs = yaml.safe_load(path.read_text())["jobs"].values()
        replacing = [job for job in jobs if any(replaces(step.get("run", "")) for step in job.get("steps", []))]
        if replacing:
            found[path.name] = replacing
    assert found
    return found


def replaces(command: str) -> bool:
    return any(f"make {goal}" in command or f" {goal} " in f"{command} " for goal in ("deploy", "rollout", "rollback"))
