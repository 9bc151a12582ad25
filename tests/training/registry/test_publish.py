"""A run is published whole, once, and only with the bundle that was exported from it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto.server import ThreadedMotoServer

from bundle import BundleError, RegistryError
from bundle.registry import Store
from bundle.signing import sign
from tests.bundle.small import small_bundle, write_keys
from tests.bundles import REPOSITORY
from tests.training.registry.runs import BUCKET, RUN_ID, Trained, change_manifest, evaluation, trained
from training.cli import main
from training.publishing.console import progress_bar
from training.publishing.errors import PublishingError
from training.publishing.experiments import Experiments
from training.run import RunError

PREFIX = f"experiments/iris/{RUN_ID}/"


def publish(store: Store, made: Trained) -> Any:
    return Experiments(store).publish(made.run, made.bundle)


def versions_of(s3: Any) -> list[Any]:
    return list(s3.list_object_versions(Bucket=BUCKET).get("Versions", []))


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_run_is_published_with_everything_that_describes_it(s3: Any, store: Store, tmp_path: Path) -> None:
    made = trained(tmp_path)
    published = publish(store, made)
    assert (published.outcome, published.location) == ("published", f"s3://{BUCKET}/{PREFIX}")
    keys = [item.key.removeprefix(PREFIX) for item in store.objects(PREFIX)]
    bundled = {f"bundle/{path.relative_to(made.bundle)}" for path in made.bundle.rglob("*") if path.is_file()}
    described = {"index.json", "run.json", "config.yml", "history.jsonl"}
    assert set(keys) == described | {"evaluation/evaluation.json", "evaluation/report.html"} | bundled
    index = json.loads(store.read(PREFIX + "index.json") or b"")
    assert set(index["files"]) == set(keys) - {"index.json"}
    assert store.read(PREFIX + "run.json") == made.run.lineage_file.read_bytes()


def test_the_same_again_changes_nothing(s3: Any, store: Store, tmp_path: Path) -> None:
    made = trained(tmp_path)
    publish(store, made)
    before = versions_of(s3)
    assert publish(store, made).outcome == "already published"
    assert versions_of(s3) == before


def test_other_bytes_of_a_published_run_are_refused(s3: Any, store: Store, tmp_path: Path) -> None:
    made = trained(tmp_path)
    publish(store, made)
    before = versions_of(s3)
    (made.run.evaluation / "report.html").write_text("<!doctype html>better")
    with pytest.raises(RegistryError, match="a published run never changes"):
        publish(store, made)
    assert versions_of(s3) == before


def test_a_signature_may_follow_and_the_first_one_stays(s3: Any, store: Store, tmp_path: Path) -> None:
    made = trained(tmp_path)
    publish(store, made)
    sign(made.bundle, write_keys(tmp_path, "first")[0])
    first = (made.bundle / "model.sig").read_bytes()
    assert publish(store, made).uploaded == 1
    sign(made.bundle, write_keys(tmp_path, "second")[0])
    assert publish(store, made).uploaded == 0
    assert store.read(PREFIX + "bundle/model.sig") == first


def test_an_unfinished_run_is_not_published(store: Store, tmp_path: Path) -> None:
    made = trained(tmp_path)
    made.run.write_lineage(replace(made.run.lineage(), status="training"))
    with pytest.raises(RunError, match="is not done"):
        publish(store, made)


def test_a_run_that_was_not_evaluated_is_not_published(store: Store, tmp_path: Path) -> None:
    made = trained(tmp_path)
    (made.run.evaluation / "evaluation.json").unlink()
    with pytest.raises(RunError, match="training evaluate"):
        publish(store, made)


def test_weights_that_changed_after_the_export_are_noticed(store: Store, tmp_path: Path) -> None:
    made = trained(tmp_path)
    made.run.weights.write_text("other weights")
    with pytest.raises(RunError, match="about other weights"):
        publish(store, made)
    evaluation(made.run, 0.9625).write(made.run.evaluation)
    with pytest.raises(PublishingError, match="exported from other weights than"):
        publish(store, made)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": "irises"}, "is a bundle of irises, from run"),
        ({"lineage": None}, "is a bundle of iris, from no run"),
        ({"metrics": {}}, "states no test_accuracy, and the run was evaluated with 0.9625"),
        ({"metrics": {"test_accuracy": 0.99}}, "states a test_accuracy of 0.9900, and the run was evaluated with 0.96"),
        ({"metrics": {"test_accuracy": float("nan")}}, "states a test_accuracy of nan"),
    ],
)
def test_a_bundle_of_something_else_is_refused(store: Store, tmp_path: Path, fields: dict[str, Any], told: str) -> None:
    made = trained(tmp_path)
    change_manifest(made.bundle, **fields)
    with pytest.raises(PublishingError, match=told):
        publish(store, made)
    assert store.objects("") == []


def test_the_bundle_of_another_run_is_refused(store: Store, tmp_path: Path) -> None:
    made, other = trained(tmp_path / "one"), trained(tmp_path / "two", "20261122T080000Z-ffffff")
    with pytest.raises(PublishingError, match=r"from run 20261122T080000Z-ffffff, and .* is iris's run 20261122T071500Z"):
        Experiments(store).publish(made.run, other.bundle)
    with pytest.raises(PublishingError, match="another configuration"):
        configured = trained(tmp_path / "three", overrides={"training.epochs": 3})
        configured.run.write_config(made.run.config())
        publish(store, configured)


def test_a_corrupt_bundle_is_refused(store: Store, tmp_path: Path) -> None:
    made = trained(tmp_path)
    (made.bundle / "golden/answers.json").unlink()
    with pytest.raises(BundleError, match=r"golden/answers\.json: is listed in the manifest but missing"):
        publish(store, made)


def test_links_are_not_followed(store: Store, tmp_path: Path) -> None:
    made = trained(tmp_path)
    (made.run.evaluation / "secret.html").symlink_to("/etc/passwd")
    with pytest.raises(PublishingError, match=r"secret\.html is a symbolic link"):
        publish(store, made)


def test_an_interrupted_publish_is_incomplete_and_finished_by_the_next(s3: Any, store: Store, tmp_path: Path) -> None:
    made = trained(tmp_path)
    total = publish(store, made).uploaded
    s3.delete_object(Bucket=BUCKET, Key=PREFIX + "index.json")
    s3.put_object(Bucket=BUCKET, Key=PREFIX + "run.json", Body=b"half")
    assert [run.status for run in Experiments(store).list("iris")] == ["incomplete"]
    with pytest.raises(PublishingError, match="holds no completely published run"):
        Experiments(store).fetch_bundle("iris", RUN_ID, tmp_path / "fetched")
    assert publish(store, made).uploaded == 2 < total
    assert [run.status for run in Experiments(store).list("iris")] == ["published"]
    assert Experiments(store).fetch_bundle("iris", RUN_ID, tmp_path / "fetched").digest == made.digest


def test_a_publish_that_is_killed_is_finished_by_the_same_command(tmp_path: Path) -> None:
    made = trained(tmp_path)
    many = 300  # or a busy machine has sent all of them before it gets round to the kill
    for number in range(many):
        (made.run.evaluation / f"mistake-{number:03}.svg").write_text(f"<svg>{number}</svg>")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **{"AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"},
            **{"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"},
        }
        client = boto3.client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        client.create_bucket(Bucket=BUCKET)
        command = [sys.executable, "-m", "training", "publish", made.run.root, "--bundle", made.bundle]
        command = [*map(str, command), "--bucket", BUCKET, "--json"]
        with subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE) as killed:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and killed.poll() is None:
                if client.list_objects_v2(Bucket=BUCKET)["KeyCount"] >= 8:
                    break
                time.sleep(0.01)
            killed.send_signal(signal.SIGKILL)
        assert killed.returncode == -signal.SIGKILL
        present = client.list_objects_v2(Bucket=BUCKET)["KeyCount"]
        assert 8 <= present < many
        assert Experiments(Store(BUCKET, client)).list("iris")[0].status == "incomplete"

        finished = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, check=True)

        sent = json.loads(finished.stdout)["uploaded"]
        files = len(Experiments(Store(BUCKET, client)).index("iris", RUN_ID).files)
        # What was on its way when the command was killed may have arrived since.
        assert 0 < sent <= files + 1 - present
    finally:
        server.stop()


def test_the_command_says_what_was_published(s3: Any, tmp_path: Path) -> None:
    made = trained(tmp_path)
    arguments = ("publish", made.run.root, "--bundle", made.bundle, "--bucket", BUCKET)
    published = invoke(*arguments)
    assert published.exit_code == 0, published.output
    assert published.stdout.startswith(f"published: s3://{BUCKET}/{PREFIX} {made.digest}")
    again = invoke(*arguments, "--json")
    assert json.loads(again.stdout) | {"uploaded": 0, "outcome": "already published"} == json.loads(again.stdout)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_progress(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trained(tmp_path)
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar("publishing", shown=True) as progress:
        Experiments(Store(BUCKET, progress=progress)).publish(made.run, made.bundle)
    assert "publishing" in terminal.getvalue()
    with progress_bar("publishing", shown=False) as progress:
        assert progress is None


def test_the_command_refuses_in_one_line(s3: Any, tmp_path: Path) -> None:
    made = trained(tmp_path)
    other = small_bundle(tmp_path / "other")
    for arguments, told in (
        (("publish", made.run.root, "--bundle", other, "--bucket", BUCKET), "is a bundle of small, from no run"),
        (("publish", other, "--bundle", other, "--bucket", BUCKET), "holds no training run"),
        (("publish", made.run.root, "--bundle", made.bundle, "--bucket", "absent-bucket"), "there is no such bucket"),
    ):
        refused = invoke(*arguments)
        assert refused.exit_code == 1, refused.output
        assert told in refused.stderr
        assert refused.stderr.count("\n") == 1
