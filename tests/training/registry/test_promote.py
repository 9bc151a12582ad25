"""Only a signed, evaluated, good enough and newer bundle becomes a version, and who decided that stays known."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from bundle import BundleError, RegistryError, load
from bundle.registry import Registry
from bundle.signing import sign
from tests.bundle.small import write_keys
from tests.training.registry.runs import ACCURACY, BUCKET, RUN_ID, Releaser, change_manifest
from training.cli import main
from training.publishing.errors import PublishingError
from training.publishing.experiments import Experiments
from training.publishing.promotion import record_key

RECORD = "production/iris/1.0.0.promotion.json"


def test_a_promoted_run_is_a_version_with_its_signature_and_record(releaser: Releaser, tmp_path: Path) -> None:
    made = releaser.publish()
    promoted = releaser.promote(version="1.0.0", digest=made.digest, min_accuracy=0.9)
    assert (promoted.outcome, promoted.location) == ("promoted", f"s3://{BUCKET}/production/iris/1.0.0/")
    fetched = Registry(BUCKET).fetch("iris", "1.0.0", made.digest, tmp_path / "fetched", releaser.public_key)
    assert fetched.manifest == load(made.bundle).manifest
    record = json.loads(releaser.store.read(RECORD) or b"")
    assert record == promoted.promotion.model_dump()
    assert record["run_id"] == RUN_ID
    assert record["digest"] == made.digest
    assert (record["accuracy"], record["floor"]) == (ACCURACY, 0.9)
    assert record["actor"] == "arn:aws:iam::123456789012:user/releaser"
    assert record["public_key"].startswith("sha256:")
    assert record["time"].endswith("+00:00")
    # The record is no part of the bundle.
    assert not any("promotion" in item.key for item in releaser.store.objects("production/iris/1.0.0/"))


def test_the_same_again_changes_nothing(releaser: Releaser, s3: Any) -> None:
    releaser.publish()
    first = releaser.promote()
    before = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    again = releaser.promote(min_accuracy=0.1)
    assert (again.outcome, again.promotion) == ("already promoted", first.promotion)
    assert s3.list_object_versions(Bucket=BUCKET)["Versions"] == before


def test_an_interrupted_promotion_is_finished_by_the_next(releaser: Releaser, s3: Any) -> None:
    releaser.publish()
    releaser.promote()
    s3.delete_object(Bucket=BUCKET, Key=RECORD)
    s3.delete_object(Bucket=BUCKET, Key="production/iris/1.0.0/manifest.json")
    assert releaser.versions() == []
    assert releaser.promote().outcome == "promoted"
    assert releaser.versions() == ["1.0.0"]
    s3.delete_object(Bucket=BUCKET, Key=RECORD)
    assert releaser.promote().outcome == "promoted"
    assert releaser.store.read(RECORD) is not None


def test_a_run_without_a_signature_is_refused_or_signed(releaser: Releaser) -> None:
    made = releaser.publish(signed=False)
    with pytest.raises(BundleError, match=r"model\.sig: is missing, and only signed bundles are accepted"):
        releaser.promote()
    assert releaser.versions() == []
    # Others write to experiments/ as well: who signs says what.
    with pytest.raises(PublishingError, match="say with --digest which one you sign"):
        releaser.promote(private_key=releaser.private_key)
    with pytest.raises(BundleError, match="is pinned"):
        releaser.promote(private_key=releaser.private_key, digest="sha256:" + "0" * 64)
    assert releaser.versions() == []
    releaser.promote(private_key=releaser.private_key, digest=made.digest)
    assert releaser.versions() == ["1.0.0"]
    assert releaser.store.read("production/iris/1.0.0/model.sig") is not None


def test_a_signature_of_somebody_else_is_refused_even_by_who_could_sign(releaser: Releaser, tmp_path: Path) -> None:
    made = releaser.publish(signed=False)
    sign(made.bundle, write_keys(tmp_path, "stranger")[0])
    Experiments(releaser.store).publish(made.run, made.bundle)
    with pytest.raises(BundleError, match=r"model\.sig: was not made with the private key that belongs to"):
        releaser.promote(private_key=releaser.private_key)
    assert releaser.versions() == []


def _tamper(releaser: Releaser, file: str) -> None:
    # As long as openvino/model.bin, so that only its sha256 tells.
    boto3.client("s3").put_object(Bucket=BUCKET, Key=f"experiments/iris/{RUN_ID}/bundle/{file}", Body=b"wrong weights")


def _without_golden_file(releaser: Releaser) -> None:
    releaser.store.delete([f"experiments/iris/{RUN_ID}/bundle/golden/answers.json"])


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda it: _tamper(it, "model.safetensors"), r"model\.safetensors: has 13 bytes in s3://.*, but the manifest"),
        (lambda it: _tamper(it, "openvino/model.bin"), r"openvino/model\.bin: its content was changed"),
        (lambda it: _tamper(it, "manifest.json"), r"manifest\.json: what s3://.* holds has digest sha256:"),
        (_without_golden_file, r"golden/answers\.json: is missing from s3://"),
    ],
)
def test_a_bundle_that_was_tampered_with_is_refused(releaser: Releaser, damage: Callable[[Releaser], None], told: str) -> None:
    releaser.publish()
    damage(releaser)
    with pytest.raises(BundleError, match=told):
        releaser.promote()
    assert releaser.versions() == []
    assert releaser.store.read(RECORD) is None


def test_another_digest_or_version_than_wanted_is_refused(releaser: Releaser) -> None:
    releaser.publish()
    with pytest.raises(BundleError, match="is pinned"):
        releaser.promote(digest="sha256:" + "0" * 64)
    with pytest.raises(PublishingError, match=r"was exported as version 1\.0\.0, not 1\.0\.1"):
        releaser.promote(version="1.0.1")
    assert releaser.versions() == []


def test_the_floor_holds(releaser: Releaser) -> None:
    releaser.publish()
    with pytest.raises(PublishingError, match=r"its test_accuracy is 0\.9625, below the floor of 0\.9626"):
        releaser.promote(min_accuracy=0.9626)
    assert releaser.versions() == []
    assert releaser.promote(min_accuracy=0.9625).promotion.floor == 0.9625


def _smuggled(releaser: Releaser, **fields: Any) -> None:
    """Publish a run, then put another bundle of it in its place, index included: what `publish` refuses."""
    made = releaser.publish(signed=False)
    change_manifest(made.bundle, **fields)
    sign(made.bundle, releaser.private_key)
    _replace(releaser, made.bundle)


def _replace(releaser: Releaser, bundle: Path) -> None:
    prefix = f"experiments/iris/{RUN_ID}/"
    index = json.loads(releaser.store.read(prefix + "index.json") or b"")
    index["files"]["bundle/manifest.json"]["sha256"] = load(bundle).digest.removeprefix("sha256:")
    client = boto3.client("s3")
    client.put_object(Bucket=BUCKET, Key=prefix + "index.json", Body=json.dumps(index).encode())
    for path in bundle.rglob("*"):
        if path.is_file():
            key = f"{prefix}bundle/{path.relative_to(bundle).as_posix()}"
            client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())


@pytest.mark.parametrize("metrics", [{}, {"test_accuracy": float("nan")}, {"test_accuracy": 7.0}])
def test_a_bundle_that_states_no_accuracy_is_refused_without_a_floor_too(releaser: Releaser, metrics: dict[str, float]) -> None:
    _smuggled(releaser, metrics=metrics)
    with pytest.raises(PublishingError, match="states no test_accuracy: evaluate the run"):
        releaser.promote()
    assert releaser.versions() == []


def test_the_bundle_of_another_run_is_refused(releaser: Releaser) -> None:
    _smuggled(releaser, lineage=None)
    with pytest.raises(PublishingError, match="says that it is of another model or run"):
        releaser.promote()


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ('{"cases": []}', "golden/answers.json: is no golden set"),
        ('{"cases": [{"input": "gone.json", "top": [{"class_id": 0, "confidence": 1}]}]}', "names gone.json, which"),
    ],
)
def test_a_bundle_without_a_golden_set_is_refused(releaser: Releaser, answers: str, told: str) -> None:
    made = releaser.publish(signed=False)
    (made.bundle / "golden/answers.json").write_text(answers)
    change_manifest(made.bundle)
    sign(made.bundle, releaser.private_key)
    _replace(releaser, made.bundle)
    with pytest.raises(BundleError, match=told):
        releaser.promote()
    assert releaser.versions() == []


@pytest.mark.parametrize(
    ("newest", "version"), [("1.0.0", "0.9.9"), ("1.10.0", "1.9.0"), ("1.0.0", "1.0.0-rc.1"), ("2.0.0-rc.10", "2.0.0-rc.9")]
)
def test_a_lower_version_needs_leave(releaser: Releaser, newest: str, version: str) -> None:
    releaser.publish("first", newest)
    releaser.promote("first")
    releaser.publish("second", version)
    with pytest.raises(PublishingError, match=f"production has iris {newest}, and {version} is not newer"):
        releaser.promote("second")
    assert releaser.versions() == [newest]
    releaser.promote("second", allow_downgrade=True)
    assert set(releaser.versions()) == {newest, version}


def test_what_was_promoted_before_a_newer_one_can_be_promoted_again(releaser: Releaser) -> None:
    releaser.publish("first", "1.0.0")
    releaser.promote("first")
    releaser.publish("second", "1.1.0")
    releaser.promote("second")
    assert releaser.promote("first").outcome == "already promoted"


@pytest.mark.parametrize("allow_downgrade", [False, True])
def test_a_version_never_changes(releaser: Releaser, *, allow_downgrade: bool) -> None:
    releaser.publish("first")
    releaser.promote("first")
    releaser.publish("second")
    with pytest.raises(RegistryError, match="a published version never changes"):
        releaser.promote("second", allow_downgrade=allow_downgrade)
    assert json.loads(releaser.store.read(RECORD) or b"")["run_id"] == "first"


def test_the_key_may_come_through_a_pipe(releaser: Releaser, tmp_path: Path) -> None:
    releaser.publish()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pipe.write_bytes, releaser.public_key.read_bytes())
        piped = releaser.promote(public_key=pipe).promotion.public_key
    assert releaser.promote().promotion.public_key == piped


def test_no_key_is_no_promotion(releaser: Releaser, tmp_path: Path) -> None:
    releaser.publish()
    (tmp_path / "note").write_text("no key")
    for path, told in ((tmp_path / "absent", "no public key in"), (tmp_path / "note", "is not a public key in PEM")):
        with pytest.raises(PublishingError, match=told):
            releaser.promote(public_key=path)


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["promote", *map(str, arguments)])


def test_the_command_names_the_caller_and_refuses_in_one_line(releaser: Releaser) -> None:
    made = releaser.publish()
    arguments = ("iris", RUN_ID, "--bucket", BUCKET, "--public-key", releaser.public_key)
    refused = invoke(*arguments, "--min-accuracy", "0.99")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "below the floor of 0.9900" in refused.stderr
    absent = invoke("iris", "no-such-run", *arguments[2:])
    assert (absent.exit_code, absent.stderr.count("\n")) == (1, 1)
    assert "holds no completely published run" in absent.stderr
    assert invoke(*arguments, "--min-accuracy", "96").exit_code == 2
    promoted = invoke(*arguments, "--json")
    assert promoted.exit_code == 0, promoted.output
    document = json.loads(promoted.stdout)
    assert document["digest"] == made.digest
    assert document["actor"].startswith("arn:aws:sts::")
    assert releaser.store.read(record_key("iris", "1.0.0")) is not None
    assert "already promoted" in invoke(*arguments).stdout
