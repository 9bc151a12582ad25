"""The command line of the bundle package: what it prints, and with which status it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from bundle import load
from bundle.cli import main
from tests.bundle.small import signed_bundle, small_bundle, write_keys
from tests.bundles import REPOSITORY


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def assert_refused(result: Result, status: int, *told: str) -> None:
    """The command ended with this status and one line that tells what was wrong."""
    assert result.exit_code == status, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    assert all(word in result.stderr for word in told), result.stderr


def test_verify_prints_the_digest(tmp_path: Path) -> None:
    root = small_bundle(tmp_path / "bundle")
    result = run("verify", root, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"name": "small", "version": "0.1.0", "digest": load(root).digest}


def test_verify_names_the_bad_file_and_exits_3(tmp_path: Path) -> None:
    root = small_bundle(tmp_path / "bundle")
    (root / "model.safetensors").write_bytes(b"")
    assert_refused(run("verify", root), 3, "bad bundle", "model.safetensors", "has 0 bytes")


def test_verify_of_no_directory_says_what_to_give(tmp_path: Path) -> None:
    assert_refused(run("verify", tmp_path / "absent"), 3, "give the directory")


def test_show_describes_the_bundle(tmp_path: Path) -> None:
    result = run("show", small_bundle(tmp_path / "bundle"))
    assert result.exit_code == 0
    for told in (
        "small 0.1.0  sha256:",
        "data      - none",
        "code      none",
        "features, 2 float32",
        "*openvino-fp32  agrees with the reference on 100.0%",
    ):
        assert told in result.stdout


def test_the_commands_of_the_help_make_a_key_pair_that_signs_and_verifies(tmp_path: Path) -> None:
    help_text = run("sign", "--help").stdout
    for line in help_text.splitlines():
        if line.strip().startswith("openssl "):
            subprocess.run(line.split(), check=True, cwd=tmp_path, capture_output=True)
    root = small_bundle(tmp_path / "bundle")
    signed = run("sign", root, "--private-key", tmp_path / "model.pem")
    assert (signed.exit_code, signed.stdout.split(":")[0]) == (0, "signed")
    assert run("verify", root, "--public-key", tmp_path / "model.pub").exit_code == 0


def test_verify_reads_the_key_from_standard_input(tmp_path: Path) -> None:
    root, key = signed_bundle(tmp_path / "bundle")
    command = [sys.executable, "-m", "bundle", "verify", str(root), "--public-key", "/dev/stdin"]
    with key.open() as stdin:
        subprocess.run(command, check=True, stdin=stdin, cwd=REPOSITORY, env={**os.environ}, capture_output=True)


def test_verify_refuses_a_bundle_without_the_wanted_signature(tmp_path: Path) -> None:
    root, _ = signed_bundle(tmp_path / "bundle")
    other = write_keys(tmp_path, "other")[1]
    assert_refused(run("verify", root, "--public-key", other), 3, "model.sig", "other.pub")
    (root / "model.sig").unlink()
    assert_refused(run("verify", root, "--public-key", other), 3, "model.sig", "python -m bundle sign")


def test_sign_refuses_a_corrupt_bundle_and_a_wrong_key(tmp_path: Path) -> None:
    root = small_bundle(tmp_path / "bundle")
    private, public = write_keys(tmp_path, "key")
    assert_refused(run("sign", root, "--private-key", public), 1, "key.pub", "private key")
    (root / "openvino/model.bin").write_bytes(b"")
    assert_refused(run("sign", root, "--private-key", private), 3, "openvino/model.bin")
    assert not (root / "model.sig").exists()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    root = small_bundle(tmp_path / "bundle")
    private, _ = write_keys(tmp_path, "key")
    (root / "model.sig").mkdir()
    assert_refused(run("sign", root, "--private-key", private), 1, "Is a directory")
