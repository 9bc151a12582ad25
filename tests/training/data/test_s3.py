"""Data in S3 are downloaded once, whole, and again only where the bucket changed."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.training.data.small import project, write_photos
from training.data import DataError, load_data
from training.data import s3 as module
from training.data.s3 import fetch

BUCKET = "pettracker-test-123456789012-datasets"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Return the requests that are made from now on: operation and key."""
    made: list[tuple[str, str]] = []
    call = BaseClient._make_api_call

    def counted(self: Any, operation: str, arguments: dict[str, Any]) -> Any:
        made.append((operation, arguments.get("Key", "")))
        return call(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    return made


def _put(s3: Any, **objects: bytes) -> None:
    for name, body in objects.items():
        s3.put_object(Bucket=BUCKET, Key=name.replace("__", "/"), Body=body)


def _got(requests: list[tuple[str, str]]) -> list[str]:
    return sorted({key for operation, key in requests if operation == "GetObject"})


def _files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_folder_of_photos_is_trained_with_from_a_bucket(s3: Any, tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", {"cat": 20, "dog": 20})
    for path in (tmp_path / "photos").rglob("*.png"):
        s3.upload_file(str(path), BUCKET, f"raw/pets/{path.relative_to(tmp_path / 'photos')}")
    config, said = project({"source": "folder", "path": f"s3://{BUCKET}/raw/pets/"}), []
    data = load_data(config, cache=tmp_path / "cache", say=said.append)
    assert "downloading 40 of 40 objects" in said[0]
    local = load_data(config, override=str(tmp_path / "photos"), cache=tmp_path / "cache")
    assert (data.digest, data.classes, data.train.ids) == (local.digest, local.classes, local.train.ids)


def test_rows_are_read_from_an_object(s3: Any, tmp_path: Path) -> None:
    lines = [f"{number},{'ab'[number % 2]}" for number in range(80)]
    _put(s3, raw__rows__csv=b"", **{"raw__rows.csv": "\n".join(["x,kind", *lines]).encode()})
    config = project({"source": "csv", "label": "kind"})
    data = load_data(config, override=f"s3://{BUCKET}/raw/rows.csv", cache=tmp_path)
    assert data.classes == ["a", "b"]
    assert len(data.train) + len(data.validation) + len(data.test) == 80


def test_only_what_is_new_is_downloaded(s3: Any, tmp_path: Path, requests: list[tuple[str, str]]) -> None:
    _put(s3, data__a=b"one", data__deep__b=b"two", data__folder__=b"", database=b"not below the prefix")
    first = fetch(f"s3://{BUCKET}/data", tmp_path, print)
    assert _files(first) == {"a": b"one", "deep/b": b"two"}
    assert _got(requests) == ["data/a", "data/deep/b"]

    requests.clear()
    assert fetch(f"s3://{BUCKET}/data/", tmp_path, print) == first
    assert [operation for operation, _ in requests] == ["ListObjectsV2"]

    _put(s3, data__a=b"ONE", data__c=b"three")
    s3.delete_object(Bucket=BUCKET, Key="data/deep/b")
    requests.clear()
    changed = fetch(f"s3://{BUCKET}/data", tmp_path, print)
    assert _files(changed) == {"a": b"ONE", "c": b"three"}
    assert _got(requests) == ["data/a", "data/c"]
    assert _files(first) == {"a": b"one", "deep/b": b"two"}, "a training that still reads it was disturbed"


def test_an_interrupted_download_goes_on(
    s3: Any, tmp_path: Path, requests: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(s3, **{f"data__{number:02}": b"%d" % number for number in range(40)})
    call = BaseClient._make_api_call

    def failing(self: Any, operation: str, arguments: dict[str, Any]) -> Any:
        if arguments.get("Key") == "data/20":
            raise ClientError({"Error": {"Code": "AccessDenied"}}, operation)
        return call(self, operation, arguments)

    with monkeypatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", failing)
        with pytest.raises(DataError, match="not allowed"):
            fetch(f"s3://{BUCKET}/data", tmp_path, print)
    # What a killed process leaves in the middle of a file.
    store = tmp_path / "s3" / "objects"
    (store / ".torn.part.0Ab1").write_bytes(b"half")
    whole = [path for path in store.iterdir() if path.suffix != ".0Ab1"]
    assert len(whole) >= 20
    requests.clear()
    found = fetch(f"s3://{BUCKET}/data", tmp_path, print)
    assert _files(found) == {f"{number:02}": b"%d" % number for number in range(40)}
    assert "data/20" in _got(requests)
    assert len(_got(requests)) == 40 - len(whole)
    assert not list(store.glob(".*"))


def test_large_objects_come_in_parts(
    s3: Any, tmp_path: Path, requests: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = TransferConfig(multipart_threshold=2**18, multipart_chunksize=2**18, preferred_transfer_client="classic")
    monkeypatch.setattr(module, "_TRANSFERS", parts)
    content = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(2**14 + 5))
    _put(s3, large=content)
    assert fetch(f"s3://{BUCKET}/large", tmp_path, print).read_bytes() == content
    assert len([1 for operation, _ in requests if operation == "GetObject"]) == 3


def test_a_damaged_download_is_refused(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is as long as it should be, and by the next call after the one that was killed before it had looked."""
    _put(s3, data__a=b"right")
    path = fetch(f"s3://{BUCKET}/data", tmp_path / "other", print)
    (stored,) = (path.parents[1] / "objects").iterdir()
    store = tmp_path / "cache" / "s3" / "objects"
    store.mkdir(parents=True)
    for wrong in (b"wrong", b"cut"):
        (store / f".{stored.name}.part").write_bytes(wrong)
        with pytest.raises(DataError, match=r"data/a changed while it was downloaded, or was damaged"):
            fetch(f"s3://{BUCKET}/data", tmp_path / "cache", print)
    assert _files(fetch(f"s3://{BUCKET}/data", tmp_path / "cache", print)) == {"a": b"right"}


def test_an_object_encrypted_by_kms_has_no_md5_to_compare(s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key="data/a", Body=b"secret", ServerSideEncryption="aws:kms")
    s3.put_object(Bucket=BUCKET, Key="data/b", Body=b"b")
    path = fetch(f"s3://{BUCKET}/data", tmp_path, print)
    assert _files(path) == {"a": b"secret", "b": b"b"}


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("s3://absent-bucket/data", "no such bucket"),
        (f"s3://{BUCKET}/absent", "holds no objects"),
        ("s3://", "names no bucket"),
    ],
)
def test_what_is_not_there_is_an_error_of_one_line(s3: Any, tmp_path: Path, location: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as raised:
        fetch(location, tmp_path, print)
    assert "\n" not in str(raised.value)


def test_absent_credentials_are_named(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "absent"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(DataError, match="no AWS credentials were found"):
        fetch(f"s3://{BUCKET}/data", tmp_path, print)


def test_names_that_lead_elsewhere_are_refused(s3: Any, tmp_path: Path) -> None:
    _put(s3, **{"data/../../../escaped": b"x"})
    with pytest.raises(DataError, match="no plain path"):
        fetch(f"s3://{BUCKET}/data", tmp_path / "cache", print)
    assert not list(tmp_path.rglob("escaped"))
