"""A job is followed through S3: each epoch once, and an end that tells what came of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils import polling
from botocore.exceptions import EndpointConnectionError

from tests.plugins.loading import REGION, load

Account = Callable[[str], Any]
progress = load("action", "training_progress")
RUNNING = progress.Host("running", "")
HISTORY = '{"epoch": 1, "train_loss": 0.51239, "validation_accuracy": 0.75}\n{"epoch": 2, "train_loss": 0.4}\n'


@pytest.mark.parametrize(
    ("recorded", "host", "expected"),
    [
        ({}, RUNNING, None),
        ({"instance_id": "i-1", "outcome": "running"}, RUNNING, None),
        ({"instance_id": "i-1", "outcome": "finished"}, RUNNING, "finished"),
        ({"instance_id": "i-1", "outcome": "failed"}, progress.Host("terminated", ""), "failed"),
        ({"instance_id": "i-0", "outcome": "finished"}, RUNNING, None),
        ({"instance_id": "i-0", "outcome": "interrupted"}, progress.Host("shutting-down", ""), "lost"),
        ({"instance_id": "i-1", "outcome": "running"}, progress.Host("stopped", "Server.InternalError"), "lost"),
        ({}, progress.Host("terminated", "Server.SpotInstanceTermination"), "interrupted"),
    ],
)
def test_the_outcome_is_the_instances_own_word_or_that_it_is_gone(
    recorded: dict[str, Any], host: Any, expected: str | None
) -> None:
    assert progress.outcome(recorded, "i-1", host) == expected


@pytest.fixture
def instance_id(account: Account) -> str:
    account("s3").create_bucket(Bucket="models")
    ec2 = account("ec2")
    image = ec2.register_image(Name="base", RootDeviceName="/dev/xvda")["ImageId"]
    started: str = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    return started


@pytest.fixture
def write(account: Account) -> Callable[[str, str], None]:
    return lambda name, text: account("s3").put_object(Bucket="models", Key=f"job/{name}", Body=text.encode())


def record(write: Callable[[str, str], None], instance_id: str, outcome: str) -> None:
    write("state.json", json.dumps({"instance_id": instance_id, "outcome": outcome}))


def test_each_epoch_is_said_once_and_an_earlier_instances_are_not(instance_id: str, write: Callable[[str, str], None]) -> None:
    said: list[str] = []
    follower = progress.Follower(progress.Job("models", "job", REGION), instance_id, said.append)
    write("history.jsonl", HISTORY)
    record(write, "i-earlier", "interrupted")
    assert follower.look() is None
    assert said == []
    record(write, instance_id, "running")
    assert follower.look() is None
    assert said == ["epoch 1: loss 0.5124, validation accuracy 0.75", "epoch 2: loss 0.4"]
    write("history.jsonl", HISTORY + '{"epoch": 3}\n')
    record(write, instance_id, "finished")
    assert follower.follow(interval=0, seconds=10) == "finished"
    assert said[2:] == ["epoch 3: "]
    again = progress.Follower(progress.Job("models", "job", REGION), instance_id, said.append, known=2)
    again.look()
    assert (said[3:], again.known) == (["epoch 3: "], 3)


def test_a_lost_instance_and_a_forgotten_one_end_the_waiting(account: Account, instance_id: str) -> None:
    job = progress.Job("models", "job", REGION)
    assert progress.Follower(job, instance_id, print).follow(interval=0, seconds=0.2) == "overdue"
    account("ec2").terminate_instances(InstanceIds=[instance_id])
    assert progress.Follower(job, instance_id, print).look() == "lost"


def test_an_instance_that_ec2_does_not_show_yet_is_waited_for_and_one_that_it_has_forgotten_is_not(
    monkeypatch: pytest.MonkeyPatch, instance_id: str
) -> None:
    job = progress.Job("models", "job", REGION)
    follower = progress.Follower(job, instance_id, print)
    # Of EC2's servers one may know it, and the next one not yet.
    known = [False, True, False]
    host = job.host
    monkeypatch.setattr(job, "host", lambda one: host(one) if known.pop(0) else progress.Host("unknown", ""))
    assert [follower.look() for _ in range(3)] == [None] * 3
    monkeypatch.setattr(progress, "APPEARS", 0.0)
    known += [True, False]
    late = progress.Follower(job, instance_id, print)
    assert [late.look() for _ in range(2)] == [None, "lost"]


def test_ec2s_word_for_an_unknown_instance_is_understood(instance_id: str) -> None:
    assert instance_id
    assert progress.Job("models", "job", REGION).host("i-0123456789abcdef0").state == "unknown"


def test_a_host_that_never_says_a_word_is_not_waited_for(instance_id: str, write: Callable[[str, str], None]) -> None:
    job = progress.Job("models", "job", REGION)
    record(write, "i-earlier", "interrupted")
    silent = progress.Follower(job, instance_id, print)
    assert silent.follow(interval=0.01, seconds=10, setup_seconds=0.05) == "silent"
    record(write, instance_id, "running")
    heard = progress.Follower(job, instance_id, print)
    assert heard.follow(interval=0.01, seconds=0.5, setup_seconds=0.05) == "overdue"


def test_a_network_that_fails_for_a_while_is_sat_out(
    instance_id: str, write: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    record(write, instance_id, "finished")
    job, said = progress.Job("models", "job", REGION), []
    failures = [EndpointConnectionError(endpoint_url="https://ec2")] * 2
    host = job.host

    def unreliable(identity: str) -> Any:
        if failures:
            raise failures.pop()
        return host(identity)

    monkeypatch.setattr(job, "host", unreliable)
    assert progress.Follower(job, instance_id, said.append).follow(interval=0, seconds=10) == "finished"
    assert [text.split(":")[0] for text in said] == ["AWS does not answer; the job goes on"] * 2
    failures.append(EndpointConnectionError(endpoint_url="https://ec2"))
    monkeypatch.setattr(polling, "PATIENCE", -1.0)
    with pytest.raises(EndpointConnectionError):
        progress.Follower(job, instance_id, said.append).follow(interval=0, seconds=10)


def test_the_last_lines_are_the_set_ups_where_the_job_did_not_begin(
    instance_id: str, write: Callable[[str, str], None]
) -> None:
    job = progress.Job("models", "job", REGION)
    write("log.txt", "\n".join(f"line {number}" for number in range(100)))
    assert job.last_lines(instance_id).splitlines() == [f"line {number}" for number in range(70, 100)]
    write("setup.log", "i-earlier\nno space left")
    assert "no space" not in job.last_lines(instance_id)
    write("setup.log", f"{instance_id}\nno space left")
    assert job.last_lines(instance_id).endswith("no space left")
