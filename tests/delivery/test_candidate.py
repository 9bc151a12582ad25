"""What may not be released is refused before anything is published."""

import json
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from bundle import load, seal
from bundle.registry import Registry, Store
from bundle.signing import sign
from delivery.environment import Pin
from delivery.errors import DeliveryError
from delivery.release.candidate import Candidate, publish_candidate
from tests.delivery.worlds import MODELS, World
from tests.training.registry.runs import RUN_ID, Releaser


def publish(world: World, model: str, pin: Pin | None = None, allow_downgrade: bool = False) -> Candidate:
    said: list[str] = []
    environment = world.environment()
    return publish_candidate(model, replace(environment, pin=pin), allow_downgrade, said.append)


def refused(world: World, model: str, match: str, pin: Pin | None = None) -> None:
    before = boto3.client("s3").list_objects_v2(Bucket=MODELS).get("KeyCount")
    with pytest.raises(DeliveryError, match=match) as caught:
        publish(world, model, pin)
    assert "\n" not in str(caught.value)
    assert boto3.client("s3").list_objects_v2(Bucket=MODELS).get("KeyCount") == before


def test_a_signed_bundle_is_published_and_may_be_released_again_by_name(world: World) -> None:
    root = world.bundle()
    candidate = publish(world, str(root))
    assert candidate.pin == Pin("small", "1.0.0", load(root).digest)
    assert (candidate.location, candidate.golden_cases, candidate.accuracy) == (
        f"s3://{MODELS}/production/small/1.0.0/",
        1,
        0.95,
    )
    by_name = publish(world, "small:1.0.0")
    assert by_name.pin == candidate.pin
    assert load(by_name.root, candidate.pin.digest, world.public_key)


def test_what_an_earlier_release_has_kept_is_fetched_anew_where_it_is_no_longer_right(world: World) -> None:
    publish(world, str(world.bundle()))
    kept = publish(world, "small:1.0.0").root
    sign(kept, world.other_keys()[0])
    assert load(publish(world, "small:1.0.0").root, public_key=world.public_key)
    (kept / "openvino/model.bin").write_text("damaged")
    assert load(publish(world, "small:1.0.0").root, public_key=world.public_key)


def test_a_wrong_signature_is_refused(world: World) -> None:
    root = world.bundle(key=world.other_keys()[0])
    refused(world, str(root), r"the bundle is refused: model\.sig: was not made with the private key")


def test_no_signature_is_refused(world: World) -> None:
    root = world.bundle()
    (root / "model.sig").unlink()
    refused(world, str(root), r"model\.sig: is missing, and only signed bundles are accepted")


def test_a_tampered_file_is_refused(world: World) -> None:
    root = world.bundle()
    (root / "model.safetensors").write_text("same weight")
    refused(world, str(root), r"model\.safetensors: ")


def test_a_tampered_published_version_is_refused(world: World) -> None:
    Registry(MODELS).publish(world.bundle(), world.public_key)
    key = "production/small/1.0.0/openvino/model.bin"
    boto3.client("s3").put_object(Bucket=MODELS, Key=key, Body=b"other weighty")
    refused(world, "small:1.0.0", "the bundle is refused: openvino/model.bin")


def test_a_missing_golden_set_is_refused(world: World) -> None:
    root = world.bundle()
    (root / "golden/row.json").unlink()
    reseal(world, root)
    refused(world, str(root), r"small 1\.0\.0 has no usable golden set \(golden/row\.json: is not listed")


def test_an_empty_golden_set_is_refused(world: World) -> None:
    root = world.bundle()
    (root / "golden/answers.json").write_text(json.dumps({"cases": []}))
    reseal(world, root)
    told = r"small 1\.0\.0 has no usable golden set \(golden/answers\.json: cases: List should have at least 1 item"
    refused(world, str(root), told)


def reseal(world: World, root: Path) -> None:
    """Let a changed directory be a signed bundle again: only the golden set is what is wrong with it."""
    manifest = json.loads((root / "manifest.json").read_bytes())
    del manifest["files"]
    seal(root, manifest)
    sign(root, world.private_key)


def test_an_accuracy_below_the_floor_is_refused(world: World) -> None:
    refused(world, str(world.bundle(accuracy=0.85)), r"test accuracy of 85\.0%, below the 90\.0% that staging asks for")


@pytest.mark.parametrize("accuracy", [float("nan"), -0.1, 1.5])
def test_an_accuracy_that_is_no_share_is_refused(world: World, accuracy: float) -> None:
    refused(world, str(world.bundle(accuracy=accuracy)), "states a test_accuracy of .*, which is no share of 1")


def test_an_unknown_accuracy_is_refused_where_there_is_a_floor(world: World) -> None:
    refused(world, str(world.bundle(accuracy=None)), "names no test_accuracy, and staging asks for 90.0%")


def test_a_lower_version_is_refused_unless_it_is_asked_for(world: World) -> None:
    pinned = Pin("small", "1.10.0", f"sha256:{'a' * 64}")
    root = world.bundle("1.9.0")
    refused(world, str(root), r"small 1\.9\.0 is lower than 1\.10\.0, which is pinned; give --allow-downgrade", pinned)
    assert publish(world, str(root), pinned, allow_downgrade=True).pin.version == "1.9.0"
    # Versions of different models do not compare.
    assert publish(world, str(root), Pin("other", "2.0.0", f"sha256:{'a' * 64}"))


def test_other_bytes_under_the_pinned_version_are_refused(world: World) -> None:
    pinned = Pin("small", "1.0.0", f"sha256:{'a' * 64}")
    refused(world, str(world.bundle()), "give the new model a new version", pinned)


@pytest.mark.parametrize(
    ("model", "match"),
    [
        ("nowhere", "'nowhere' is neither the directory of a bundle nor NAME:VERSION or NAME:RUN_ID"),
        ("small:2.0.0", "has no production/small/2.0.0"),
        ("small:20260101-run", "20260101-run is neither a version nor a published run of small"),
    ],
)
def test_a_model_that_is_nowhere_is_refused(world: World, model: str, match: str) -> None:
    refused(world, model, match)


def test_a_run_of_the_registry_is_promoted_and_may_be_released(world: World) -> None:
    releaser = Releaser(Store(MODELS), world.private_key, world.public_key, world.root.parent / "runs")
    run = releaser.publish()
    candidate = publish(world, f"iris:{RUN_ID}")
    assert candidate.pin == Pin("iris", "1.0.0", run.digest)
    assert candidate.location == f"s3://{MODELS}/production/iris/1.0.0/"
    # The same again finds it promoted.
    assert publish(world, f"iris:{RUN_ID}").pin == candidate.pin


def test_a_run_below_the_floor_is_not_promoted(world: World) -> None:
    releaser = Releaser(Store(MODELS), world.private_key, world.public_key, world.root.parent / "runs")
    releaser.publish(accuracy=0.7)
    with pytest.raises(DeliveryError, match=f"the run {RUN_ID} is not promoted: .*0.9"):
        publish(world, f"iris:{RUN_ID}")
    assert releaser.versions() == []
