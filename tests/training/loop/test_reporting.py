"""What a training tells others."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.cli import main
from training.loop.learner import Learner
from training.run import Run


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def _train(output: Path, *more: str) -> Any:
    return CliRunner().invoke(main, ["train", "iris", "--output", str(output), "--set", "training.epochs=3", *more])


def _not_a_number(monkeypatch: pytest.MonkeyPatch, at_step: int) -> None:
    learn, calls = Learner.learn, iter(range(1, 1000))

    def broken(self: Learner, inputs: Any, *others: Any) -> Any:
        return learn(self, inputs * float("nan") if next(calls) == at_step else inputs, *others)

    monkeypatch.setattr(Learner, "learn", broken)


def _told(namespace: str = "ML/Training") -> dict[str, tuple[float, str]]:
    data = [
        metric
        for each in boto3.client("cloudwatch").list_metrics(Namespace=namespace)["Metrics"]
        for metric in [each]
        if each["Dimensions"] == [{"Name": "Model", "Value": "iris"}]
    ]
    return {metric["MetricName"]: _value(namespace, metric["MetricName"]) for metric in data}


def _value(namespace: str, name: str) -> tuple[float, str]:
    points = boto3.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": "Model", "Value": "iris"}],
        StartTime="2020-01-01",
        EndTime="2100-01-01",
        Period=10**8,
        Statistics=["Average"],
    )["Datapoints"]
    return points[0]["Average"], points[0]["Unit"]


@mock_aws
def test_cloudwatch_is_told_how_it_ended(tmp_path: Path) -> None:
    assert _train(tmp_path, "--metrics", "cloudwatch").exit_code == 0
    lineage = Run(tmp_path).finished()
    assert _told() == {
        "ModelAccuracy": (pytest.approx(100 * lineage.validation_accuracy), "Percent"),
        "TrainingDuration": (pytest.approx(lineage.seconds), "Seconds"),
        "TrainingFailed": (0.0, "Count"),
    }


@mock_aws
def test_cloudwatch_is_told_that_it_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _not_a_number(monkeypatch, 2)
    result = _train(tmp_path, "--metrics", "cloudwatch")
    assert result.exit_code == 1
    assert "the loss is nan at epoch 1, step 2" in result.stderr
    assert _told() == {"TrainingFailed": (1.0, "Count")}


@mock_aws
def test_an_environment_is_told_in_a_namespace_of_its_own(tmp_path: Path) -> None:
    assert _train(tmp_path, "--metrics", "cloudwatch", "--metric-namespace", "ML/Training/dev").exit_code == 0
    assert set(_told("ML/Training/dev")) == {"ModelAccuracy", "TrainingDuration", "TrainingFailed"}
    assert _told() == {}


@mock_aws
def test_nobody_is_told_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert _train(tmp_path).exit_code == 0
    assert _told() == {}


def test_where_cloudwatch_refuses_the_run_is_done_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    result = _train(tmp_path, "--metrics", "cloudwatch", "--quiet")
    assert result.exit_code == 0, result.output
    assert "warning: CloudWatch does not take ModelAccuracy, TrainingDuration, TrainingFailed" in result.stderr
    assert Run(tmp_path).finished()


def test_curves_and_history_have_each_epoch_once_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        _not_a_number(patch, 8)  # of 5 steps in each epoch
        assert _train(tmp_path).exit_code == 1
    assert _train(tmp_path).exit_code == 0
    run = Run(tmp_path)
    history = [json.loads(line) for line in run.history_file.read_text().splitlines()]
    assert [record["epoch"] for record in history] == [1, 2, 3]
    events = EventAccumulator(str(run.tensorboard)).Reload()
    curve = [(event.step, event.value) for event in events.Scalars("validation_loss")]
    assert curve == [(record["epoch"], pytest.approx(record["validation_loss"])) for record in history]


def test_without_a_terminal_there_is_a_line_for_each_epoch(tmp_path: Path) -> None:
    lines = _train(tmp_path).stderr.splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("epoch")] == [f"epoch {n}/3" for n in (1, 2, 3)]
    assert not any("\x1b" in line for line in lines)


def test_quiet_says_nothing(tmp_path: Path) -> None:
    result = _train(tmp_path, "--quiet")
    assert result.stderr == ""
    assert result.stdout.split() == [Run(tmp_path).finished().run_id]
