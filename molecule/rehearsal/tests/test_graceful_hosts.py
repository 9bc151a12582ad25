"""A host that comes and goes by itself, under load: when it says that it is warm, and when it says that it has drained."""

import json

import boto3
import fleet
import pytest
import testinfra
from traffic import load

HOOKS = {"ready": "autoscaling:EC2_INSTANCE_LAUNCHING", "drained": "autoscaling:EC2_INSTANCE_TERMINATING"}
LOG_GROUP = "/pettracker/local/ml-server"


def lines_of(host, log):
    """Return what a host's log holds so far."""
    return [json.loads(line) for line in host.check_output(f"cat /var/log/pettracker/{log}.log").splitlines()]


def shipped(stream=None):
    """Return the events that have arrived in CloudWatch, of one host or of all."""
    pages = boto3.client("logs").get_paginator("filter_log_events")
    which = {"logStreamNames": [stream]} if stream else {}
    return [
        json.loads(event["message"]) for page in pages.paginate(logGroupName=LOG_GROUP, **which) for event in page["events"]
    ]


@pytest.fixture
def patient_group():
    """Let the group wait for an hour, so that nothing goes on because somebody's time is over."""
    scaling = boto3.client("autoscaling")
    hooks = scaling.describe_lifecycle_hooks(AutoScalingGroupName=fleet.GROUP)["LifecycleHooks"]
    before = {hook["LifecycleHookName"]: hook["HeartbeatTimeout"] for hook in hooks}
    assert {hook["LifecycleHookName"]: hook["LifecycleTransition"] for hook in hooks} == HOOKS

    def wait_for(seconds):
        for name, timeout in seconds.items():
            scaling.put_lifecycle_hook(AutoScalingGroupName=fleet.GROUP, LifecycleHookName=name, HeartbeatTimeout=timeout)

    wait_for(dict.fromkeys(before, 3600))
    yield scaling
    wait_for(before)


def test_a_host_serves_when_it_is_warm_and_ends_when_all_is_answered_and_logged(patient_group, eventually):
    before = fleet.in_service()
    with load() as traffic:
        patient_group.set_desired_capacity(AutoScalingGroupName=fleet.GROUP, DesiredCapacity=len(before) + 1)
        (new,) = eventually(lambda: fleet.in_service() - before, bool, within=120)
        eventually(fleet.is_whole, bool, within=120)
        host = testinfra.get_host(f"podman://{new}")
        ready = next(line["time"] for line in lines_of(host, "inference") if line["event"] == "ready")
        completed = [line["time"] for line in lines_of(host, "notices") if line["event"] == "launch completed"]
        patient_group.terminate_instance_in_auto_scaling_group(InstanceId=new, ShouldDecrementDesiredCapacity=True)
        eventually(lambda: {item["InstanceId"] for item in fleet.group()["Instances"]}, lambda now: new not in now)
    assert [time > ready for time in completed] == [True]
    assert traffic.failed == [], traffic.messages
    assert traffic.wrong == []
    # Whichever host has answered: no line of any is lost, that of the host which is gone neither.
    answered = {one.request_id for one in traffic.requests}
    logged = eventually(lambda: {line.get("request_id") for line in shipped()}, answered.issubset)
    assert len(answered) > 50
    assert logged
    assert "termination notice" in {line["event"] for line in shipped(new)}
