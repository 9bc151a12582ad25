"""Published versions in S3 are immutable, complete and verified."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.stub import Stubber
from click.testing import CliRunner
from moto import mock_aws

from bundle import BundleError, RegistryError, load, seal
from bundle.cli import main
from bundle.loading import digest_of
from bundle.registry import Registry, Store
from bundle.registry.store import PART_BYTES
from bundle.signing import sign
from tests.bundle.small import key_list, signed_bundle, small_bundle, write_keys
from tests.bundles import REPOSITORY, copy_of_tiny, tiny_bundle

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


def test_a_publisher_that_loses_the_race_does_not_overwrite(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = _other_bytes(tmp_path)
    registry = Registry(BUCKET)
    # The other publisher's manifest appears after this one has looked.
    real = Store.read
    looked: list[str] = []

    def read(self: Store, key: str) -> bytes | None:
        looked.append(key)
        answer = real(self, key)
        if len(looked) == 1:
            s3.put_object(Bucket=BUCKET, Key=PREFIX + "manifest.json", Body=(other / "manifest.json").read_bytes())
        return answer

    monkeypatch.setattr(Store, "read", read)
    with pytest.raises(RegistryError, match="a published version never changes"):
        registry.publish(tiny_bundle())
    body = s3.get_object(Bucket=BUCKET, Key=PREFIX + "manifest.json")["Body"].read()
    assert body == (other / "manifest.json").read_bytes()


def test_a_publisher_that_meets_another_tries_again(s3: Any, tmp_path: Path) -> None:
    client = boto3.client("s3")
    conflicts = ["ConditionalRequestConflict"] * 2

    def refuse(params: dict[str, Any], **_: Any) -> Any:
        if "If-None-Match" in params["headers"] and conflicts:
            return AWSResponse("", 409, {}, None), {"Error": {"Code": conflicts.pop(), "Message": ""}}
        return None

    client.meta.events.register("before-call.s3.PutObject", refuse)
    assert Registry(BUCKET, client).publish(small_bundle(tmp_path / "bundle")).outcome == "published"
    assert conflicts == []
    assert Registry(BUCKET).versions("small") == ["0.1.0"]


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


def test_versions_are_listed_by_precedence(s3: Any, tmp_path: Path) -> None:
    for version in ("0.10.0", "0.9.0", "1.0.0-rc.2", "1.0.0", "1.0.0-rc.10"):
        Registry(BUCKET).publish(small_bundle(tmp_path / version, version))
    s3.put_object(Bucket=BUCKET, Key="production/small/1.0.0.promotion.json", Body=b"{}")
    assert Registry(BUCKET).versions("small") == ["0.9.0", "0.10.0", "1.0.0-rc.2", "1.0.0-rc.10", "1.0.0"]
    assert Registry(BUCKET).names() == ["small"]


def _large_bundle(root: Path) -> Path:
    """A bundle with one file of three parts."""
    manifest = load(small_bundle(root)).manifest.model_dump(exclude={"files"})
    (root / "openvino/model.bin").write_bytes(bytes(range(256)) * (PART_BYTES // 128) + b"end")
    return seal(root, manifest).root


def test_a_large_file_goes_in_parts_and_not_again(s3: Any, tmp_path: Path) -> None:
    root = _large_bundle(tmp_path / "bundle")
    told: list[tuple[int, int]] = []
    digest = Registry(Store(BUCKET, progress=lambda *counts: told.append(counts))).publish(root).digest
    total = sum(entry.bytes for entry in load(root).manifest.files.values())
    assert max(told) == (total, total)
    before = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    large = next(item for item in before if item["Key"].endswith("model.bin"))
    assert large["ETag"].endswith('-3"')
    s3.delete_object(Bucket=BUCKET, Key="production/small/0.1.0/manifest.json")
    assert Registry(BUCKET).publish(root).uploaded == 1
    assert Registry(BUCKET).fetch("small", "0.1.0", digest, tmp_path / "fetched").digest == digest


class _Interrupted(Exception):
    pass


def _ranges(s3: Any, stop_after: str | None = None) -> tuple[Any, list[str]]:
    """A client that notes what is fetched, as `key@range`, and stops with an error when it is asked for a key."""
    fetched: list[str] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        key = params["url_path"].removeprefix(f"/{BUCKET}/")
        if stop_after and key.endswith(stop_after):
            raise _Interrupted
        fetched.append(f"{key.rpartition('/')[2]}@{params['headers'].get('Range', '')}")

    client = boto3.client("s3")
    client.meta.events.register("before-call.s3.GetObject", note)
    return client, fetched


def test_an_interrupted_fetch_goes_on_where_it_stopped(s3: Any, tmp_path: Path) -> None:
    digest = Registry(BUCKET).publish(small_bundle(tmp_path / "bundle")).digest
    output = tmp_path / "deep" / "fetched"
    client, _ = _ranges(s3, "model.xml")
    with pytest.raises(_Interrupted):
        Registry(BUCKET, client).fetch("small", "0.1.0", digest, output)
    assert not output.exists()
    (partial,) = [path for path in output.parent.iterdir() if path.is_dir()]
    assert partial.stat().st_mode & 0o777 == 0o700
    # Of one file only a part came, and another is not what it should be.
    (partial / "model.safetensors").write_bytes(b"some w")
    (partial / "golden" / "row.json").write_bytes(b"x" * len('{"features": [1.0, 2.0]}'))
    whole = {path.name for path in partial.rglob("*.*") if path.stat().st_size} - {"model.safetensors", "row.json"}

    client, fetched = _ranges(s3)
    assert Registry(BUCKET, client).fetch("small", "0.1.0", digest, output).root == output
    assert "model.safetensors@bytes=6-" in fetched
    assert "row.json@" in fetched
    assert not {f"{name}@" for name in whole - {"manifest.json"}} & set(fetched)
    assert list(output.parent.iterdir()) == [output]
    load(output, digest)


def test_a_fetch_does_not_use_a_directory_that_others_can_write_to(s3: Any, tmp_path: Path) -> None:
    digest = Registry(BUCKET).publish(small_bundle(tmp_path / "bundle")).digest
    scratch = tmp_path / f".fetched-{digest[7:23]}"
    scratch.mkdir()
    scratch.chmod(0o777)
    with pytest.raises(RegistryError, match="is in the way"):
        Registry(BUCKET).fetch("small", "0.1.0", digest, tmp_path / "fetched")
    scratch.rmdir()
    scratch.symlink_to(tmp_path / "bundle")
    with pytest.raises(RegistryError, match="is in the way"):
        Registry(BUCKET).fetch("small", "0.1.0", digest, tmp_path / "fetched")


def test_two_fetches_at_once_give_one_directory(s3: Any, tmp_path: Path) -> None:
    digest = Registry(BUCKET).publish(small_bundle(tmp_path / "bundle")).digest
    with ThreadPoolExecutor(4) as pool:
        fetches = [
            pool.submit(Registry(BUCKET).fetch, "small", "0.1.0", digest, tmp_path / "out" / "fetched") for _ in range(4)
        ]
        assert {fetch.result().digest for fetch in fetches} == {digest}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fetched"]


def test_an_object_of_another_size_is_not_downloaded(s3: Any, tmp_path: Path) -> None:
    digest = Registry(BUCKET).publish(small_bundle(tmp_path / "bundle")).digest
    s3.put_object(Bucket=BUCKET, Key="production/small/0.1.0/model.safetensors", Body=b"x" * 1000)
    with pytest.raises(BundleError, match=r"model\.safetensors: has 1000 bytes in s3://"):
        Registry(BUCKET).fetch("small", "0.1.0", digest, tmp_path / "fetched")
    s3.delete_object(Bucket=BUCKET, Key="production/small/0.1.0/model.safetensors")
    with pytest.raises(BundleError, match=r"model\.safetensors: is missing from s3://"):
        Registry(BUCKET).fetch("small", "0.1.0", digest, tmp_path / "fetched")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_the_key_may_come_through_a_pipe(s3: Any, tmp_path: Path) -> None:
    root, public_key = signed_bundle(tmp_path / "bundle")
    digest = Registry(BUCKET).publish(root, public_key).digest
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pipe.write_bytes, public_key.read_bytes())
        assert Registry(BUCKET).fetch("small", "0.1.0", digest, tmp_path / "fetched", pipe).digest == digest


def test_who_may_list_only_a_prefix_publishes_and_fetches(s3: Any, tmp_path: Path) -> None:
    """S3 answers 403 for a missing object where the caller may not list the whole bucket."""
    client = boto3.client("s3")

    def hide(parsed: dict[str, Any], **_: Any) -> None:
        if parsed.get("Error", {}).get("Code") in {"404", "NoSuchKey"}:
            parsed["Error"]["Code"] = "403" if parsed["Error"]["Code"] == "404" else "AccessDenied"

    client.meta.events.register("after-call.s3", hide)
    root = small_bundle(tmp_path / "bundle")
    assert Registry(BUCKET, client).publish(root).outcome == "published"
    assert Registry(BUCKET, client).publish(root).outcome == "already published"
    Registry(BUCKET, client).fetch("small", "0.1.0", load(root).digest, tmp_path / "fetched")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("ExpiredToken", "the AWS credentials are not valid, or not any more (ExpiredToken); get new ones"),
        ("NoSuchBucket", "there is no such bucket"),
    ],
)
def test_what_s3_refuses_is_told_in_one_line(tmp_path: Path, code: str, told: str) -> None:
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        stub.add_client_error("get_object", code)
        with pytest.raises(RegistryError) as refused:
            Registry(BUCKET, client).publish(small_bundle(tmp_path / "bundle"))
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_not_allowed_is_named(tmp_path: Path) -> None:
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        stub.add_client_error("get_object", "AccessDenied")
        stub.add_response("list_objects_v2", {"Contents": [{"Key": "production/small/0.1.0/manifest.json"}]})
        with pytest.raises(RegistryError, match=r"access denied \(GetObject\); these credentials are not allowed"):
            Registry(BUCKET, client).publish(small_bundle(tmp_path / "bundle"))


def test_without_credentials_the_error_says_so(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-m", "bundle", "list", "--bucket", BUCKET, "--name", "tiny"]
    away = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    told = subprocess.run(command, env=clean | away, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert told.stderr == (f"Error: s3://{BUCKET}: no AWS credentials were found; set AWS_PROFILE, or log in and export them\n")


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


def test_a_key_that_has_ended_signs_no_new_version_but_what_it_signed_stays(s3: Any, tmp_path: Path) -> None:
    root, key = signed_bundle(tmp_path / "bundle")
    digest = Registry(BUCKET).publish(root, key).digest
    other = small_bundle(tmp_path / "other", "0.2.0")
    sign(other, tmp_path / "bundle.pem")
    ended = key_list(
        tmp_path / "keys", {"public_key": key.read_text(), "not_after": "2026-01-01"}, write_keys(tmp_path, "new")[1]
    )
    with pytest.raises(BundleError, match=r"model\.sig: signs no new version: the key \w+ ended on 2026-01-01; sign it with"):
        Registry(BUCKET).publish(other, ended)
    assert Registry(BUCKET).versions("small") == ["0.1.0"]
    assert Registry(BUCKET).publish(root, ended).outcome == "already published"
    assert Registry(BUCKET).fetch("small", "0.1.0", digest, tmp_path / "fetched", ended).signer is not None


def files(digest: str, key: Path) -> Any:
    names = ("--name", "small", "--version", "0.1.0")
    return CliRunner().invoke(main, ["files", "--bucket", BUCKET, *names, "--digest", digest, "--public-key", str(key)])


def test_manifest_and_signature_are_verified_without_the_other_files(s3: Any, tmp_path: Path) -> None:
    root, key = signed_bundle(tmp_path / "bundle")
    digest = Registry(BUCKET).publish(root, key).digest
    found = files(digest, key)
    assert json.loads(found.stdout) == {name: entry.sha256 for name, entry in load(root).manifest.files.items()}
    revoked = key_list(tmp_path / "keys", {"public_key": key.read_text(), "revoked": "it leaked"})
    records = key_list(tmp_path / "more", {"public_key": key.read_text(), "signs": ["records"]})
    for trusted, told in (
        (revoked, r"model\.sig: is not trusted any more: the key \w+ was revoked \(it leaked\)"),
        (records, "model.sig: is not trusted: the key .* signs records, not models"),
        (write_keys(tmp_path, "other")[1], "model.sig: was not made with"),
    ):
        refused = files(digest, trusted)
        assert refused.exit_code == 3
        assert re.search(told, refused.stderr)
    assert "is pinned. Published versions never change" in files("sha256:" + "0" * 64, key).stderr
    s3.delete_object(Bucket=BUCKET, Key=SIGNATURE)
    assert "model.sig: is missing" in files(digest, key).stderr


@pytest.mark.parametrize("name", ["../../../etc/cron.d/x", "/etc/cron.d/x", "a/../../x", "-rf"])
def test_a_published_name_that_is_no_plain_path_is_refused(s3: Any, tmp_path: Path, name: str) -> None:
    root = small_bundle(tmp_path / "bundle")
    document = json.loads((root / "manifest.json").read_bytes())
    document["files"][name] = document["files"]["MODEL_CARD.md"]
    (root / "manifest.json").write_text(json.dumps(document))
    sign(root, write_keys(tmp_path, "key")[0])
    for file in ("manifest.json", "model.sig"):
        s3.put_object(Bucket=BUCKET, Key=f"production/small/0.1.0/{file}", Body=(root / file).read_bytes())
    refused = files(digest_of((root / "manifest.json").read_bytes()), tmp_path / "key.pub")
    assert (refused.exit_code, refused.stdout) == (3, "")
    assert "is not a plain relative path" in refused.stderr
