"""The hosts' packages: from the lock file, by digest, installable without an index."""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import venv
import warnings
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from inference.wheelhouse import archive as wheelhouse
from inference.wheelhouse.cli import main
from tests.bundles import REPOSITORY, tiny_bundle

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def archive() -> Path:
    """The archive of this source tree, kept from one run to the next."""
    kept = REPOSITORY / ".cache/tests/wheelhouse"
    result = CliRunner().invoke(main, ["build", "--backend", "openvino", "--python", HERE, "--output", str(kept)])
    assert result.exit_code == 0, result.output
    path = Path(json.loads(result.stdout)["path"])
    for outdated in kept.iterdir():
        if not outdated.name.startswith(path.name):
            outdated.unlink()
    return path


def test_a_host_without_an_index_installs_and_runs_it(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    options = ["--quiet", "--no-index", "--find-links", "wheels", "--require-hashes", "-r", "requirements.txt"]
    subprocess.run([python, "-m", "pip", "install", *options], cwd=tmp_path, check=True)
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    for absent in ("torch", "boto3", "efficientnet"):
        assert absent not in listed
    code = "import inference.app, inference.backends.openvino_backend; import importlib.resources as r; "
    code += "assert (r.files('inference') / 'page/index.html').is_file()"
    subprocess.run([python, "-I", "-c", code], cwd=tmp_path, check=True)
    subprocess.run([python, "-I", "-m", "bundle", "verify", tiny_bundle()], cwd=tmp_path, check=True)


def test_an_archive_with_the_same_content_is_used_again(archive: Path) -> None:
    said: list[str] = []
    assert wheelhouse.build("openvino", HERE, "x86_64", archive.parent, said.append).path == archive
    assert said == [f"{archive} has everything already"]


def test_the_same_sources_and_wheels_make_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    own = next((tmp_path / "wheels").glob("pettracker_ml-*.whl"))
    before = own.read_bytes()
    own.unlink()
    wheelhouse.build_project(tmp_path / "project", tmp_path / "wheels", ("bundle", "inference"))
    assert own.read_bytes() == before
    wheelhouse._pack(tmp_path / "wheels", tmp_path / "again.tar.gz")
    assert (tmp_path / "again.tar.gz").read_bytes() == archive.read_bytes()


def test_training_hosts_get_the_training_code_and_both_packages_of_pytorch_but_nothing_that_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def download(*arguments: str, **environment: str) -> None:
        """Stand in for the index, which has half a gigabyte of it."""
        if arguments[0] == "wheel":
            return built(*arguments, **environment)
        wheels = Path(arguments[arguments.index("-d") + 1])
        (requirements,) = [Path(argument) for argument in arguments if argument.endswith(".txt")]
        assert "--require-hashes" in arguments
        asked.append(requirements.name)
        if requirements.name != "train.txt":
            (name, *hashes) = requirements.read_text().replace("\\\n", "").split()
            assert hashes
            assert all(each.startswith("--hash=sha256:") for each in hashes)
            (wheels / f"{name.replace('==', '-')}-py3-none-any.whl").write_text(name)
        return None

    built = wheelhouse._pip
    monkeypatch.setattr(wheelhouse, "_pip", download)
    options = ["build", "--train", "--python", HERE, "--output", str(tmp_path)]
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 0, result.output
    assert asked == ["train.txt", "torch.txt", "torchvision.txt"]
    with tarfile.open(json.loads(result.stdout)["path"]) as packed:
        packed.extractall(tmp_path / "out", filter="data")
    assert (tmp_path / "out/requirements.txt").read_text().count("--hash=sha256:") == 3
    own = next((tmp_path / "out/wheels").glob("pettracker_ml-*.whl"))
    with zipfile.ZipFile(own) as wheel:
        packages = {name.split("/")[0] for name in wheel.namelist() if "dist-info" not in name}
        assert packages == {"bundle", "training"}
        assert {"training/configs/iris.yml", "training/job.py"} <= set(wheel.namelist())
    assert CliRunner().invoke(main, [*options, "--backend", "torch"]).exit_code == 2


def test_a_damaged_archive_is_not_used_again(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / archive.name
    copy.write_bytes(archive.read_bytes()[:-1])
    (tmp_path / f"{archive.name}.sha256").write_bytes((archive.parent / f"{archive.name}.sha256").read_bytes())

    def no_network(*arguments: str, **environment: str) -> None:
        raise wheelhouse.WheelhouseError("it is being built anew")

    monkeypatch.setattr(wheelhouse, "_pip", no_network)
    with pytest.raises(wheelhouse.WheelhouseError, match="built anew"):
        wheelhouse.build("openvino", HERE, "x86_64", tmp_path, lambda _: None)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--python", "3"], "no such hosts"),
        (["--machine", "riscv64"], "machines are x86_64 and aarch64"),
        (["--python", "3.1"], "pip download failed"),
    ],
)
def test_hosts_that_cannot_be_served_are_told(tmp_path: Path, options: list[str], told: str) -> None:
    result = CliRunner().invoke(main, ["build", "--backend", "openvino", "--python", HERE, *options, "--output", str(tmp_path)])
    assert result.exit_code == 1
    assert told in result.stderr
    assert list(tmp_path.glob("*.tar.gz")) == []


def test_locks_name_digests_and_nothing_of_the_machine_that_made_them() -> None:
    for lock in ("serve-openvino", "serve-torch", "train"):
        lines = (REPOSITORY / "locks" / f"{lock}.txt").read_text().splitlines()
        assert all("==" in line or line.strip().startswith("--hash=sha256:") for line in lines)
        assert not any(line.startswith("torch==") for line in lines)


def test_what_is_published_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    archives = []
    for content in (b"first", b"second"):
        path = tmp_path / content.decode()
        path.write_bytes(content)
        archives.append(wheelhouse.Archive(path, hashlib.sha256(content).hexdigest()))
    first, second = archives
    asked: list[str | None] = []
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="releases")
        connect = boto3.client

        def watched(*arguments: Any, **options: Any) -> Any:
            made = connect(*arguments, **options)
            made.meta.events.register(
                "before-call.s3.PutObject", lambda params, **_: asked.append(params["headers"].get("If-None-Match"))
            )
            return made

        monkeypatch.setattr(boto3, "client", watched)
        assert wheelhouse.publish(first, "releases", "wheelhouse/inputs/x") == first.sha256
        assert wheelhouse.publish(first, "releases", "wheelhouse/inputs/x") == first.sha256
        # Of two who build at once, or of one who comes later, the first is the one.
        assert wheelhouse.publish(second, "releases", "wheelhouse/inputs/x") == first.sha256
        assert client.get_object(Bucket="releases", Key=f"wheelhouse/{first.sha256}.tar.gz")["Body"].read() == b"first"
        # As the bucket's policy asks of whoever writes there.
        assert set(asked) == {"*"}


LOCKED = {"tornado-6.6.1-py3-none-any.whl": b"a wheel", "click-8.5.1-py3-none-any.whl": b"another wheel"}


class Bucket:
    """A bucket in which somebody else may have left an archive."""

    def __init__(self, directory: Path) -> None:
        self._kept = directory / "kept"
        boto3.client("s3").create_bucket(Bucket="releases")

    def checked(self, archive: Path) -> Result:
        """Publish an archive and check it on a controller that has built nothing."""
        with archive.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        boto3.client("s3").upload_file(str(archive), "releases", f"wheelhouse/{sha256}.tar.gz")
        return self.checked_as(sha256)

    def checked_as(self, sha256: str) -> Result:
        options = ["--backend", "openvino", "--python", HERE, "--output", str(self._kept)]
        return CliRunner().invoke(main, ["check", *options, "--bucket", "releases", "--sha256", sha256])

    def refused(self, archive: Path, why: str) -> None:
        result = self.checked(archive)
        assert result.exit_code == 1, result.output
        assert why in result.stderr
        assert "nothing is installed from it" in result.stderr
        assert list(self._kept.iterdir()) == []


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Bucket(tmp_path)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheels of a small source tree, in place of this one: two that its lock names, and the project's own."""
    tree, wheels = tmp_path / "tree", tmp_path / "wheels"
    for name in ("bundle/__init__.py", "inference/__init__.py", "LICENSE"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(f"# {name}\n")
    shutil.copyfile(REPOSITORY / "pyproject.toml", tree / "pyproject.toml")
    (tree / "locks").mkdir()
    wheels.mkdir()
    with (tree / "locks/serve-openvino.txt").open("w") as lock:
        for name, content in LOCKED.items():
            (wheels / name).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            lock.write(f"{'=='.join(name.split('-')[:2])} \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{digest}\n")
    monkeypatch.setattr(wheelhouse, "_SOURCE_TREE", tree)
    wheelhouse.build_project(tmp_path / "project", wheels, ("bundle", "inference"))
    return wheels


def packed(wheels: Path) -> Path:
    path = wheels.parent / "packed.tar.gz"
    wheelhouse._pack(wheels, path)
    return path


def test_what_another_controller_has_built_is_good_and_kept(bucket: Bucket, archive: Path) -> None:
    result = bucket.checked(archive)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert Path(told["path"]).name == archive.name
    boto3.client("s3").delete_object(Bucket="releases", Key=f"wheelhouse/{told['sha256']}.tar.gz")
    assert bucket.checked_as(told["sha256"]).exit_code == 0  # from what is kept


def test_how_another_machine_compresses_is_no_difference(bucket: Bucket, wheels: Path) -> None:
    (own,) = wheels.glob("pettracker_ml-*.whl")
    with zipfile.ZipFile(own) as opened:
        files = {member.filename: opened.read(member) for member in opened.infolist()}
    with zipfile.ZipFile(own, "w", zipfile.ZIP_STORED) as stored:
        for name, content in files.items():
            stored.writestr(name, content)
    assert bucket.checked(packed(wheels)).exit_code == 0


def test_a_wheel_that_no_lock_names_is_refused(bucket: Bucket, wheels: Path) -> None:
    tornado = wheels / "tornado-6.6.1-py3-none-any.whl"
    tornado.write_bytes(b"another content")
    bucket.refused(packed(wheels), f"holds {tornado.name}, which is in no lock with its digest")
    # What the lock names, under the name of another package and of another version.
    for name in ("evil-1.0-py3-none-any.whl", "click-6.6.1-py3-none-any.whl", "tornado-9.9.9-py3-none-any.whl"):
        tornado.write_bytes(LOCKED[tornado.name])
        tornado.rename(wheels / name)
        bucket.refused(packed(wheels), f"holds {name}, which is in no lock with its digest")
        (wheels / name).rename(tornado)


def test_a_wheel_too_few_or_too_many_is_refused(bucket: Bucket, wheels: Path) -> None:
    tornado = wheels / "tornado-6.6.1-py3-none-any.whl"
    shutil.copyfile(tornado, wheels / "tornado-6.6.1-py2-none-any.whl")
    bucket.refused(packed(wheels), "tornado, tornado and not click")
    (wheels / "tornado-6.6.1-py2-none-any.whl").unlink()
    tornado.unlink()
    bucket.refused(packed(wheels), "holds click, pettracker-ml and not click, pettracker-ml, tornado")


@pytest.mark.parametrize("name", ["more.pth", "inference/__init__.py"])
def test_the_projects_own_wheel_has_the_sources_of_here_and_no_more(bucket: Bucket, wheels: Path, name: str) -> None:
    (own,) = wheels.glob("pettracker_ml-*.whl")
    with zipfile.ZipFile(own, "a") as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are two of the name
        opened.writestr(name, "import os\n")
    bucket.refused(packed(wheels), f"holds {own.name}, which is not what the sources here make")


@pytest.mark.parametrize("name", ["requirements.txt", "../etc/cron.d/more", "wheels/more", "sitecustomize.py"])
def test_a_file_more_or_another_list_is_refused(bucket: Bucket, wheels: Path, tmp_path: Path, name: str) -> None:
    with tarfile.open(packed(wheels)) as opened, tarfile.open(tmp_path / "more.tar.gz", "w:gz") as more:
        for member in opened:
            more.addfile(member, opened.extractfile(member))
        described = tarfile.TarInfo(name)
        described.size = 4
        more.addfile(described, BytesIO(b"evil"))
    bucket.refused(tmp_path / "more.tar.gz", "holds more than its wheels and the list of their digests")


def test_what_is_no_archive_or_another_one_or_not_there_is_refused(bucket: Bucket, wheels: Path, tmp_path: Path) -> None:
    good = packed(wheels).read_bytes()
    for content in (b"evil", good[:-100]):
        (tmp_path / "bad.tar.gz").write_bytes(content)
        bucket.refused(tmp_path / "bad.tar.gz", "is no archive")
    boto3.client("s3").put_object(Bucket="releases", Key=f"wheelhouse/{'0' * 64}.tar.gz", Body=good)
    result = bucket.checked_as("0" * 64)
    assert (result.exit_code, "has another sha256" in result.stderr) == (1, True)
    result = bucket.checked_as("1" * 64)
    assert (result.exit_code, "cannot be fetched" in result.stderr) == (1, True)
