"""Checkpoints in S3: a training goes on from them on another host, and what S3 does wrong is said."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from moto import mock_aws

from tests.training.loop.projects import tensors
from training.cli import main
from training.loop.learner import Learner
from training.loop.remote import RemoteCheckpoints, RemoteError
from training.run import Run

BUCKET = "pettracker-test-123456789012-models"
PREFIX = "checkpoints/iris/"
URL = f"s3://{BUCKET}/checkpoints/iris"


@pytest.fixture(autouse=True)
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


def _train(output: Path, *more: str) -> Result:
    arguments = ["train", "iris", "--output", str(output), "--set", "training.epochs=5", *more]
    return CliRunner().invoke(main, arguments)


def _stop_at_step(monkeypatch: pytest.MonkeyPatch, stop_at: int) -> None:
    """Let the loss be no number at a step."""
    learn, calls = Learner.learn, iter(range(1, 1000))

    def learn_until(self: Learner, inputs: Any, *others: Any) -> Any:
        return learn(self, inputs * float("nan") if next(calls) == stop_at else inputs, *others)

    monkeypatch.setattr(Learner, "learn", learn_until)


def _keys(s3: Any) -> list[str]:
    return [item["Key"].removeprefix(PREFIX) for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_another_host_goes_on_where_the_first_one_ended(s3: Any, tmp_path: Path) -> None:
    assert _train(tmp_path / "uninterrupted").exit_code == 0
    with pytest.MonkeyPatch.context() as patch:
        _stop_at_step(patch, 18)  # of 5 in each epoch
        assert _train(tmp_path / "first", "--checkpoints", URL).exit_code == 1
    assert _keys(s3)[-2:] == ["00004-0000000.json", "00004-0000000.safetensors"]

    result = _train(tmp_path / "second", "--checkpoints", URL)

    assert result.exit_code == 0, result.output
    assert "going on at epoch 4, step 1" in result.stderr
    first, second, uninterrupted = (Run(tmp_path / name) for name in ("first", "second", "uninterrupted"))
    assert tensors(second.weights) == tensors(uninterrupted.weights)
    assert second.finished().run_id == first.lineage().run_id
    assert len(second.history_file.read_text().splitlines()) == 5
    assert _keys(s3) == [f"0000{epoch}-0000000.{kind}" for epoch in (4, 5, 6) for kind in ("json", "safetensors")]


def test_later_local_checkpoints_are_preferred(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        _stop_at_step(patch, 8)
        assert _train(tmp_path / "run", "--checkpoints", URL).exit_code == 1
    with pytest.MonkeyPatch.context() as patch:
        _stop_at_step(patch, 13)
        assert _train(tmp_path / "run").exit_code == 1
    assert "going on at epoch 4, step 1" in _train(tmp_path / "run", "--checkpoints", URL).stderr


@pytest.mark.parametrize("kind", ["json", "safetensors"])
def test_what_is_damaged_in_s3_is_named_and_the_one_before_is_used(s3: Any, tmp_path: Path, kind: str) -> None:
    assert _train(tmp_path / "first", "--checkpoints", URL).exit_code == 0
    s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}00006-0000000.{kind}", Body=b"half")
    s3.delete_object(Bucket=BUCKET, Key=f"{PREFIX}00005-0000000.safetensors")
    result = _train(tmp_path / "second", "--checkpoints", URL)
    assert result.exit_code == 0, result.output
    assert "skipped the copy of 00006-0000000.json in s3://" in result.stderr
    assert all(f"{name}-0000000" in result.stderr for name in ("00006", "00005"))
    assert "going on at epoch 4, step 1" in result.stderr
    assert tensors(Run(tmp_path / "second").weights) == tensors(Run(tmp_path / "first").weights)


def test_what_s3_refuses_is_tried_again_at_the_next_epoch(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _refuse_uploads(monkeypatch, times=2)
    result = _train(tmp_path / "run", "--checkpoints", URL)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("warning: ") == 2
    assert _keys(s3)[-1] == "00006-0000000.safetensors"


def test_a_run_whose_last_checkpoint_is_not_in_s3_is_not_done(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        _refuse_uploads(patch, times=1000)
        result = _train(tmp_path / "run", "--checkpoints", URL)
    assert result.exit_code == 1
    assert "the last checkpoint is not in S3" in result.stderr
    assert Run(tmp_path / "run").lineage().status == "training"
    assert _train(tmp_path / "run", "--checkpoints", URL).exit_code == 0
    assert Run(tmp_path / "run").finished()
    assert _keys(s3) == ["00006-0000000.json", "00006-0000000.safetensors"]


def test_a_bucket_that_is_not_there_stops_the_training_before_it_starts(tmp_path: Path) -> None:
    result = _train(tmp_path / "run", "--checkpoints", "s3://pettracker-nowhere/checkpoints")
    assert result.exit_code == 1
    assert "s3://pettracker-nowhere/checkpoints/: " in result.stderr
    assert not Run(tmp_path / "run").weights.exists()


@pytest.mark.parametrize("url", ["/tmp/here", "s3://", "https://bucket/prefix"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(RemoteError, match="write s3://bucket/prefix"):
        RemoteCheckpoints(url)


def _refuse_uploads(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    upload = RemoteCheckpoints.upload
    left = iter(range(times))

    def refuse(self: RemoteCheckpoints, *arguments: Any) -> None:
        with self._translated():
            if next(left, None) is not None:
                raise ClientError({"Error": {"Code": "SlowDown", "Message": "Reduce your request rate"}}, "PutObject")
        upload(self, *arguments)

    monkeypatch.setattr(RemoteCheckpoints, "upload", refuse)
