"""A job on a host tells S3 how far it is and what came of it, so that nobody need be connected."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
from moto import mock_aws
from moto.server import ThreadedMotoServer

from training import job as job_module
from training.job import Job, finish, work
from training.results import fetch

PREFIX = "experiments/small/job-1"
JOB = Job(
    name="job-1",
    config="small",
    data="s3://datasets/small",
    settings={"training.epochs": "3"},
    bucket="models",
    prefix=PREFIX,
    log_group="/pettracker/training",
    metric_namespace="ML/Training/dev",
    metric_dimensions={"Environment": "local"},
    spot_notices="http://127.0.0.1:1",
)
# In place of `python -m training`: writes what it was called with and one line of history, then ends as the test wants.
COMMAND = """
import sys, pathlib, time, os, signal
which, *rest = sys.argv[1:]
run = pathlib.Path(next(a for a in rest if "run" in a).removeprefix("--output="))
(run / "checkpoints").mkdir(parents=True, exist_ok=True)
(run / "checkpoints/1").write_text("heavy")
with (run / "history.jsonl").open("a") as history:
    history.write('{"epoch": 1}\\n')
(run / (which + ".txt")).write_text(" ".join(rest))
print(which, "speaks", flush=True)
plan = pathlib.Path(__file__).with_name(which + ".plan")
exec(plan.read_text() if plan.exists() else "")
"""


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="models")
        boto3.client("logs").create_log_group(logGroupName="/pettracker/training")
        yield boto3.client("s3")


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = tmp_path / "command.py"
    script.write_text(COMMAND)
    monkeypatch.setattr(job_module, "COMMAND", [sys.executable, str(script)])
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, before)


def content(s3: Any, name: str) -> str:
    return s3.get_object(Bucket="models", Key=f"{PREFIX}/{name}")["Body"].read().decode()


def failures() -> list[float]:
    found = boto3.client("cloudwatch").get_metric_data(
        MetricDataQueries=[
            {
                "Id": "a",
                "MetricStat": {
                    "Metric": {
                        "Namespace": JOB.metric_namespace,
                        "MetricName": "TrainingFailed",
                        "Dimensions": [{"Name": "Environment", "Value": "local"}],
                    },
                    "Period": 60,
                    "Stat": "Maximum",
                },
            }
        ],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
    )
    return found["MetricDataResults"][0]["Values"]


def test_a_finished_job_leaves_its_run_without_checkpoints(cloud: Any, plans: Path, tmp_path: Path) -> None:
    directory = tmp_path / "host"
    directory.mkdir()
    assert work(JOB, directory, "i-1") == 0
    assert finish(JOB, directory, "i-1", "success", "0") == "finished"
    called = content(cloud, "run/train.txt").split()
    assert called[0] == "small"
    assert f"--checkpoints=s3://models/{PREFIX}/checkpoints" in called
    assert {"--data=s3://datasets/small", "--metrics=cloudwatch", "--spot-notices=http://127.0.0.1:1"} <= set(called)
    assert f"--metric-namespace={JOB.metric_namespace}" in called
    assert called[called.index("--set") + 1] == "training.epochs=3"
    assert "--data=s3://datasets/small" in content(cloud, "run/evaluate.txt")
    assert "train speaks\nevaluate speaks\n" in content(cloud, "log.txt")
    state = json.loads(content(cloud, "state.json"))
    assert (state["instance_id"], state["outcome"]) == ("i-1", "finished")
    keys = {item["Key"] for item in cloud.list_objects_v2(Bucket="models")["Contents"]}
    assert not any("run/checkpoints" in key for key in keys)
    assert failures() == [0.0]
    events = boto3.client("logs").get_log_events(logGroupName="/pettracker/training", logStreamName="job-1/i-1")["events"]
    assert [event["message"] for event in events] == ["train speaks", "evaluate speaks"]

    assert fetch("models", f"{PREFIX}/run", tmp_path / "fetched") == 3
    assert (tmp_path / "fetched/history.jsonl").read_text() == '{"epoch": 1}\n' * 2


def test_the_history_is_there_while_the_job_goes_on(cloud: Any, plans: Path, tmp_path: Path) -> None:
    seen = plans / "seen"
    (plans / "train.plan").write_text(
        f"while not pathlib.Path({str(seen)!r}).exists(): time.sleep(0.02)\nassert False, 'it is enough'"
    )

    class Watching(job_module.Place):
        def progress(self) -> None:
            super().progress()
            if '"epoch": 1' in content(cloud, "history.jsonl"):
                assert json.loads(content(cloud, "state.json"))["outcome"] == "running"
                seen.touch()

    (tmp_path / "host").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_module, "Place", Watching)
        status = work(JOB, tmp_path / "host", "i-1", interval=0.05)
    assert status == 1
    assert finish(JOB, tmp_path / "host", "i-1", "exit-code", "1") == "failed"
    assert "AssertionError: it is enough" in content(cloud, "log.txt")
    assert json.loads(content(cloud, "state.json"))["reason"] == "exit-code, status 1"
    assert failures() == [1.0]


def test_a_job_that_could_not_say_that_it_began_says_so_later(cloud: Any, tmp_path: Path) -> None:
    place = job_module.Place(JOB, tmp_path, "i-1")
    place.progress()
    began = content(cloud, "state.json")
    assert json.loads(began)["outcome"] == "running"
    place.progress()
    assert content(cloud, "state.json") == began


@pytest.mark.parametrize("plan", ["sys.exit(75)", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_an_interrupted_job_is_no_failure_and_is_not_evaluated(cloud: Any, plans: Path, tmp_path: Path, plan: str) -> None:
    (plans / "train.plan").write_text(plan)
    (tmp_path / "host").mkdir()
    assert work(JOB, tmp_path / "host", "i-1") == 75
    assert finish(JOB, tmp_path / "host", "i-1", "success", "75") == "interrupted"
    assert "evaluate" not in content(cloud, "log.txt")
    assert failures() == [0.0]


def test_a_job_that_the_watchdog_ends_has_failed(cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "overdue").touch()
    monkeypatch.setattr(job_module, "OVERDUE", tmp_path / "overdue")
    assert finish(JOB, tmp_path, "i-1", "success", "75") == "failed"
    assert "longer than an instance may run" in content(cloud, "state.json")


def test_a_job_goes_on_where_nothing_can_be_reported(
    plans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    (tmp_path / "host").mkdir()
    assert work(JOB, tmp_path / "host", "i-1") == 0
    assert (tmp_path / "host/run/evaluate.txt").exists()
    assert "cannot report" in capfd.readouterr().err


def test_sigterm_reaches_training_and_its_status_is_the_jobs(plans: Path, tmp_path: Path) -> None:
    """As systemd does it: every process of the unit gets the signal."""
    (plans / "train.plan").write_text(
        "signal.signal(signal.SIGTERM, lambda *_: (print('checkpoint', flush=True), sys.exit(75)))\n"
        "pathlib.Path(__file__).with_name('ready').touch()\ntime.sleep(30)"
    )
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        port = server.get_host_and_port()[1]
        (tmp_path / "job.json").write_text(JOB.model_dump_json())
        code = f"import sys; from training import job; job.COMMAND = {job_module.COMMAND!r}; job.main()"
        environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "us-east-1",
            "PETTRACKER_INSTANCE_ID": "i-1",
        }
        (tmp_path / "host").mkdir()
        process = subprocess.Popen(
            ["setsid", sys.executable, "-c", code, "work", str(tmp_path / "job.json"), str(tmp_path / "host")],
            env=environment,
            cwd=Path(__file__).parents[2],
        )
        deadline = time.monotonic() + 30
        while not (plans / "ready").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        subprocess.run(["kill", "-TERM", "--", f"-{process.pid}"], check=True)
        assert process.wait(20) == 75
        assert "checkpoint\n" in (tmp_path / "host/log.txt").read_text()
    finally:
        server.stop()


def test_what_is_fetched_stays_in_its_directory(cloud: Any, tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="holds nothing"):
        fetch("models", f"{PREFIX}/run", tmp_path / "fetched")
    cloud.put_object(Bucket="models", Key=f"{PREFIX}/run/../../../evil", Body=b"x")
    with pytest.raises(click.ClickException, match="no place in a directory"):
        fetch("models", f"{PREFIX}/run", tmp_path / "fetched")
    assert list(tmp_path.rglob("evil")) == []


def test_a_run_is_fetched_once_and_another_one_is_kept_aside(cloud: Any, tmp_path: Path) -> None:
    directory = tmp_path / "fetched"

    def run(run_id: str) -> None:
        cloud.put_object(Bucket="models", Key=f"{PREFIX}/run/run.json", Body=json.dumps({"run_id": run_id}))
        cloud.put_object(Bucket="models", Key=f"{PREFIX}/run/model.safetensors", Body=run_id)

    (tmp_path / ".fetched.part").mkdir()
    (tmp_path / ".fetched.part/torn").touch()
    run("first")
    assert fetch("models", f"{PREFIX}/run", directory) == 2
    assert sorted(path.name for path in directory.iterdir()) == ["model.safetensors", "run.json"]
    assert fetch("models", f"{PREFIX}/run", directory) == 0
    run("second")
    assert fetch("models", f"{PREFIX}/run", directory) == 2
    assert (directory / "model.safetensors").read_text() == "second"
    assert (tmp_path / "fetched.first/model.safetensors").read_text() == "first"
    run("first")
    assert fetch("models", f"{PREFIX}/run", directory) == 2
    (directory / "run.json").write_text("torn")
    assert fetch("models", f"{PREFIX}/run", directory) == 2
    assert (tmp_path / "fetched.unknown/model.safetensors").read_text() == "first"
    run("second")
    assert fetch("models", f"{PREFIX}/run", directory) == 2
    assert (tmp_path / "fetched.first.2/model.safetensors").read_text() == "first"
