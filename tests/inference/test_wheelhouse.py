"""The hosts' packages: from the lock file, by digest, installable without an index."""

import hashlib
import json
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from inference import wheelhouse
from inference.cli import main
from tests.bundles import REPOSITORY, tiny_bundle

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def archive() -> Path:
    """The archive of this source tree, kept from one run to the next."""
    kept = REPOSITORY / ".cache/tests/wheelhouse"
    result = CliRunner().invoke(main, ["wheelhouse", "--backend", "openvino", "--python", HERE, "--output", str(kept)])
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
    wheelhouse._build_project(tmp_path / "project", tmp_path / "wheels", ("bundle", "inference"))
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
    options = ["wheelhouse", "--train", "--python", HERE, "--output", str(tmp_path)]
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
    result = CliRunner().invoke(main, ["wheelhouse", "--backend", "openvino", *options, "--output", str(tmp_path)])
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
