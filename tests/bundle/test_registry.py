"""Published versions in S3 are immutable, complete and verified."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from bundle import BundleError, RegistryError, load, seal
from bundle.cli import main
from bundle.registry import Registry
from tests.bundle.small import signed_bundle, small_bundle, write_keys
from tests.bundles import copy_of_tiny, tiny_bundle

BUCKET = "pettracker-test-123456789012-models"
PREFIX = "production/tiny/0.1.0/"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


def _other_bytes(directory: Path) -> Path:
    root = copy_of_tiny(directory)
    (root / "MODEL_CARD.md").write_text("Another card.\n")
    manifest = load(tiny_bundle()).manifest.model_dump(exclude={"files"})
    seal(root, manifest)
    return root


def test_a_published_bundle_comes_back_as_it_was(s3: Any, tmp_path: Path) -> None:
    published = Registry(BUCKET).publish(tiny_bundle())
    assert (published.outcome, published.location) == ("published", f"s3://{BUCKET}/{PREFIX}")
    fetched = Registry(BUCKET).fetch("tiny", "0.1.0", published.digest, tmp_path / "deep" / "bundle")
    assert fetched.manifest == load(tiny_bundle()).manifest
    assert list((tmp_path / "deep").iterdir()) == [tmp_path / "deep" / "bundle"]


def test_publishing_the_same_bytes_again_changes_nothing(s3: Any) -> None:
    Registry(BUCKET).publish(tiny_bundle())
    before = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    assert Registry(BUCKET).publish(tiny_bundle()).outcome == "already published"
    assert s3.list_object_versions(Bucket=BUCKET)["Versions"] == before


def test_other_bytes_for_a_published_version_are_refused(s3: Any, tmp_path: Path) -> None:
    Registry(BUCKET).publish(tiny_bundle())
    before = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    with pytest.raises(RegistryError, match="a published version never changes"):
        Registry(BUCKET).publish(_other_bytes(tmp_path))
    assert s3.list_object_versions(Bucket=BUCKET)["Versions"] == before


def test_an_interrupted_publish_is_invisible_and_completed_by_the_next(s3: Any, tmp_path: Path) -> None:
    registry = Registry(BUCKET)
    total = registry.publish(tiny_bundle()).uploaded
    for name in ("manifest.json", "model.safetensors"):
        s3.delete_object(Bucket=BUCKET, Key=PREFIX + name)
    s3.put_object(Bucket=BUCKET, Key=PREFIX + "torch/model.pt2", Body=b"half")
    digest = load(tiny_bundle()).digest
    assert registry.versions("tiny") == []
    with pytest.raises(RegistryError, match="holds no published bundle"):
        registry.fetch("tiny", "0.1.0", digest, tmp_path / "bundle")

    again = registry.publish(tiny_bundle())

    assert (again.outcome, again.uploaded) == ("published", 3)
    assert again.uploaded < total
    assert registry.versions("tiny") == ["0.1.0"]
    assert registry.fetch("tiny", "0.1.0", digest, tmp_path / "bundle").digest == digest


def test_a_publisher_that_loses_the_race_does_not_overwrite(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = _other_bytes(tmp_path)
    registry = Registry(BUCKET)
    # The other publisher's manifest appears after this one has looked.
    real = Registry._manifest
    seen: list[bytes | None] = []

    def manifest(self: Registry, prefix: str) -> bytes | None:
        answer = None if not seen else real(self, prefix)
        if not seen:
            s3.put_object(Bucket=BUCKET, Key=PREFIX + "manifest.json", Body=(other / "manifest.json").read_bytes())
        seen.append(answer)
        return answer

    monkeypatch.setattr(Registry, "_manifest", manifest)
    with pytest.raises(RegistryError, match="a published version never changes"):
        registry.publish(tiny_bundle())
    body = s3.get_object(Bucket=BUCKET, Key=PREFIX + "manifest.json")["Body"].read()
    assert body == (other / "manifest.json").read_bytes()


def test_a_changed_object_is_refused_and_leaves_nothing(s3: Any, tmp_path: Path) -> None:
    digest = Registry(BUCKET).publish(tiny_bundle()).digest
    s3.put_object(Bucket=BUCKET, Key=PREFIX + "openvino/fp32.xml", Body=b"<net/>")
    with pytest.raises(BundleError, match=r"openvino/fp32\.xml"):
        Registry(BUCKET).fetch("tiny", "0.1.0", digest, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_what_is_published_must_be_what_is_pinned(s3: Any, tmp_path: Path) -> None:
    Registry(BUCKET).publish(tiny_bundle())
    with pytest.raises(BundleError, match="is pinned"):
        Registry(BUCKET).fetch("tiny", "0.1.0", "sha256:" + "0" * 64, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_a_bad_bundle_is_not_published(s3: Any, tmp_path: Path) -> None:
    root = copy_of_tiny(tmp_path)
    (root / "model.safetensors").unlink()
    with pytest.raises(BundleError, match=r"model\.safetensors"):
        Registry(BUCKET).publish(root)
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def test_the_command_line_publishes_lists_and_fetches(s3: Any, tmp_path: Path) -> None:
    run = CliRunner().invoke
    published = run(main, ["publish", str(tiny_bundle()), "--bucket", BUCKET, "--json"])
    assert published.exit_code == 0, published.output
    digest = json.loads(published.stdout)["digest"]
    again = run(main, ["publish", str(tiny_bundle()), "--bucket", BUCKET])
    assert (again.exit_code, again.stdout.split(":")[0]) == (0, "already published")
    assert run(main, ["list", "--bucket", BUCKET, "--name", "tiny"]).stdout == "0.1.0\n"
    arguments = ["--bucket", BUCKET, "--name", "tiny", "--version", "0.1.0", "--digest", digest]
    fetched = run(main, ["fetch", *arguments, "--output", str(tmp_path / "bundle")])
    assert fetched.exit_code == 0, fetched.output
    twice = run(main, ["fetch", *arguments, "--output", str(tmp_path / "bundle")])
    assert twice.exit_code == 0


def test_an_absent_bucket_is_an_error_of_one_line(s3: Any) -> None:
    result = CliRunner().invoke(main, ["publish", str(tiny_bundle()), "--bucket", "absent-bucket"])
    assert result.exit_code == 1
    assert "absent-bucket" in result.stderr
    assert result.stderr.count("\n") == 1


SIGNATURE = "production/small/0.1.0/model.sig"


def test_a_signature_travels_with_the_bundle(s3: Any, tmp_path: Path) -> None:
    root, public_key = signed_bundle(tmp_path / "bundle")
    published = Registry(BUCKET).publish(root, public_key)
    fetched = Registry(BUCKET).fetch("small", "0.1.0", published.digest, tmp_path / "fetched", public_key)
    assert (fetched.root / "model.sig").read_bytes() == (root / "model.sig").read_bytes()


def test_a_bundle_is_published_first_and_signed_later_but_once(s3: Any, tmp_path: Path) -> None:
    root = small_bundle(tmp_path / "bundle")
    digest = Registry(BUCKET).publish(root).digest
    with pytest.raises(BundleError, match=r"model\.sig: is missing"):
        Registry(BUCKET).fetch("small", "0.1.0", digest, tmp_path / "unsigned", write_keys(tmp_path, "any")[1])
    assert not (tmp_path / "unsigned").exists()

    first, public_key = signed_bundle(tmp_path / "first")
    assert Registry(BUCKET).publish(first).uploaded == 1
    second, other_key = signed_bundle(tmp_path / "second")
    assert Registry(BUCKET).publish(second).outcome == "already published"

    assert s3.get_object(Bucket=BUCKET, Key=SIGNATURE)["Body"].read() == (first / "model.sig").read_bytes()
    Registry(BUCKET).fetch("small", "0.1.0", digest, tmp_path / "fetched", public_key)
    with pytest.raises(BundleError, match=r"model\.sig: was not made with"):
        Registry(BUCKET).fetch("small", "0.1.0", digest, tmp_path / "refused", other_key)
    assert not (tmp_path / "refused").exists()


def test_a_signature_that_an_interrupted_publish_left_is_replaced(s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key=SIGNATURE, Body=b"of other bytes")
    root, public_key = signed_bundle(tmp_path / "bundle")
    digest = Registry(BUCKET).publish(root).digest
    Registry(BUCKET).fetch("small", "0.1.0", digest, tmp_path / "fetched", public_key)


def test_a_bundle_without_the_wanted_signature_is_not_published(s3: Any, tmp_path: Path) -> None:
    root, _ = signed_bundle(tmp_path / "bundle")
    with pytest.raises(BundleError, match=r"model\.sig: was not made with"):
        Registry(BUCKET).publish(root, write_keys(tmp_path, "other")[1])
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
