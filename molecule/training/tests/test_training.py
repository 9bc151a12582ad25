"""What a job leaves that was interrupted once: two instances that are gone, and one run without a gap."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import boto3
import pytest

ROOT = Path(__file__).resolve().parents[3]
PREFIX = "experiments/iris/rehearsed"


@pytest.fixture(scope="module", autouse=True)
def rehearsal() -> None:
    """Point every client at the local cloud of this clone."""
    output = subprocess.check_output(["bash", "-c", f". {ROOT}/.localcloud/env && env -0"], text=True)
    os.environ.update(line.split("=", 1) for line in output.split("\0") if line)


@pytest.fixture(scope="module")
def instances() -> list[dict[str, Any]]:
    """The job's instances, the first one first."""
    filters = [{"Name": "tag:Job", "Values": ["rehearsed"]}]
    reservations = boto3.client("ec2").describe_instances(Filters=filters)["Reservations"]
    return sorted((each["Instances"][0] for each in reservations), key=lambda instance: instance["LaunchTime"])


@pytest.fixture(scope="module")
def bucket() -> str:
    return f"pettracker-local-{boto3.client('sts').get_caller_identity()['Account']}-models"


def read(bucket: str, name: str) -> str:
    return boto3.client("s3").get_object(Bucket=bucket, Key=f"{PREFIX}/{name}")["Body"].read().decode()


def test_two_spot_instances_worked_on_it_and_both_are_gone(instances: list[dict[str, Any]]) -> None:
    assert len(instances) == 2
    assert [instance["InstanceLifecycle"] for instance in instances] == ["spot", "spot"]
    assert [instance["State"]["Name"] for instance in instances] == ["terminated", "terminated"]
    assert all(instance.get("PublicIpAddress") is None for instance in instances)


def test_the_second_instance_finished_what_the_first_had_begun(instances: list[dict[str, Any]], bucket: str) -> None:
    state = json.loads(read(bucket, "state.json"))
    assert (state["instance_id"], state["outcome"]) == (instances[1]["InstanceId"], "finished")
    epochs = [json.loads(line)["epoch"] for line in read(bucket, "history.jsonl").splitlines()]
    assert epochs == list(range(1, len(epochs) + 1))
    assert len(epochs) == 1500
    # The second host trained only what was left.
    logs = boto3.client("logs").filter_log_events(
        logGroupName="/pettracker/local/training", logStreamNames=[f"rehearsed/{instances[1]['InstanceId']}"]
    )
    messages = [event["message"] for event in logs["events"]]
    assert not any(message.startswith("epoch 1/") for message in messages)


def test_the_run_is_in_the_bucket_and_on_the_controller(bucket: str) -> None:
    run = ROOT / ".cache/training/local/rehearsed"
    lineage = json.loads((run / "run.json").read_text())
    assert lineage["status"] == "finished"
    assert json.loads(read(bucket, "run/run.json")) == lineage
    assert json.loads((run / "evaluation/evaluation.json").read_text())["test_accuracy"] >= 0.9
    assert (run / "model.safetensors").stat().st_size > 0


def test_no_failure_is_counted_and_the_alarm_looks_at_the_metric() -> None:
    cloudwatch = boto3.client("cloudwatch")
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=["pettracker-local-training-failed"])["MetricAlarms"]
    names = {metric["MetricName"] for metric in cloudwatch.list_metrics(Namespace="ML/Training")["Metrics"]}
    assert {"ModelAccuracy", "TrainingDuration", "TrainingFailed"} <= names
    assert (alarm["Namespace"], alarm["MetricName"]) == ("ML/Training", "TrainingFailed")
    assert alarm["Dimensions"] == [{"Name": "Environment", "Value": "local"}]
    assert alarm["StateValue"] != "ALARM"


def test_a_job_that_fails_says_why_leaves_no_instance_and_is_counted() -> None:
    variables = {"training_instance_job": "failing", "training_instance_settings": {"data.label": "nothing"}}
    scenario = ROOT / "molecule/training/variables.yml"
    command = ["ansible-playbook", "-e", f"@{scenario}", "-e", json.dumps(variables)]
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    run = subprocess.run(
        [*command, "playbooks/train.yml"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    said = " ".join(run.stdout.split())
    assert "The job failing on i-" in said, run.stdout
    assert "nothing" in said.split("Its last lines:")[1], run.stdout
    reservations = boto3.client("ec2").describe_instances(Filters=[{"Name": "tag:Job", "Values": ["failing"]}])["Reservations"]
    assert {each["Instances"][0]["State"]["Name"] for each in reservations} <= {"shutting-down", "terminated"}
    state = boto3.client("s3").get_object(
        Bucket=f"pettracker-local-{boto3.client('sts').get_caller_identity()['Account']}-models",
        Key="experiments/iris/failing/state.json",
    )
    assert json.load(state["Body"])["outcome"] == "failed"
    alarm = "pettracker-local-training-failed"
    (described,) = boto3.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
    figures = boto3.client("cloudwatch").get_metric_statistics(
        Namespace=described["Namespace"],
        MetricName=described["MetricName"],
        Dimensions=described["Dimensions"],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Period=described["Period"],
        Statistics=[described["Statistic"]],
    )
    assert any(point[described["Statistic"]] > described["Threshold"] for point in figures["Datapoints"])
