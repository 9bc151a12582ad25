"""A bundle that is not what it should be ends the start: status 3, one line that names the file, and nothing ever listened."""

import contextlib
import json
import pickle
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle import BundleError, load, seal
from bundle.signing import sign
from tests.bundle.small import write_keys
from tests.bundles import REPOSITORY, copy_of_tiny, tiny_bundle


class _WritesAFile:
    """Whoever unpickles this leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return (Path.touch, (self._path,))


def start(root: Path, *options: str) -> tuple[int, str, bool]:
    """Start the service; return its exit status, its complaint, and whether a connection was ever accepted."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    command = [sys.executable, "-m", "inference", "serve", "--bundle", str(root), "--port", str(address[1]), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY)
    listened = False
    try:
        while process.poll() is None and not listened:
            with contextlib.suppress(OSError), socket.create_connection(address, timeout=1):
                listened = True
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
    finally:
        if listened:
            process.terminate()
        output, complaint = process.communicate(timeout=60)
    return process.returncode, complaint, listened or "listening" in output


def assert_refused(root: Path, named: str, told: str, *options: str) -> None:
    status, complaint, listened = start(root, *options)
    assert (status, listened) == (3, False), complaint
    assert complaint.startswith(f"Error: bad bundle: {named}: "), complaint
    assert told in complaint
    assert complaint.count("\n") == 1, complaint


def reseal(root: Path) -> None:
    """Make the manifest fit what the directory holds now, as somebody who may write it would."""
    manifest = json.loads((root / "manifest.json").read_bytes())
    del manifest["files"]
    with contextlib.suppress(BundleError):  # the manifest is written before the result is verified
        seal(root, manifest)


def edit_manifest(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads((root / "manifest.json").read_bytes())
    change(document)
    (root / "manifest.json").write_text(json.dumps(document))


@pytest.mark.parametrize("sealed_again", [False, True], ids=["changed", "sealed again"])
def test_a_pickle_in_the_program_is_not_read(tmp_path: Path, sealed_again: bool) -> None:
    root, trace = copy_of_tiny(tmp_path), tmp_path / "unpickled"
    program = root / "torch/model.pt2"
    with zipfile.ZipFile(program) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["model/data/sample_inputs/model.pt"] = pickle.dumps(_WritesAFile(trace))
    with zipfile.ZipFile(program, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    if sealed_again:
        reseal(root)
    told = "refused: model/data/sample_inputs/model.pt holds pickled" if sealed_again else "the manifest says"
    assert_refused(root, "torch/model.pt2", told, "--program", "torch-fp32")
    assert not trace.exists()


def test_a_pickle_beside_the_listed_files_is_not_read(tmp_path: Path) -> None:
    root, trace = copy_of_tiny(tmp_path), tmp_path / "unpickled"
    (root / "weights.pkl").write_bytes(pickle.dumps(_WritesAFile(trace)))
    assert_refused(root, "weights.pkl", "is not listed in the manifest; remove it")
    assert not trace.exists()


def test_a_path_that_leaves_the_bundle_is_not_followed(tmp_path: Path) -> None:
    root = copy_of_tiny(tmp_path)
    edit_manifest(root, lambda document: document["files"].update({"../secret": document["files"]["MODEL_CARD.md"]}))
    assert_refused(root, "manifest.json", "'../secret' is not a plain relative path")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    root = copy_of_tiny(tmp_path)
    (root / "model.safetensors").rename(tmp_path / "elsewhere")
    (root / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    assert_refused(root, "model.safetensors", "is a symbolic link")


def test_truncated_weights_are_named(tmp_path: Path) -> None:
    root = copy_of_tiny(tmp_path)
    weights = root / str(load(root).manifest.chosen.weights)
    weights.write_bytes(weights.read_bytes()[:-1])
    assert_refused(root, "openvino/fp32.bin", "; fetch the bundle again")


def test_a_manifest_of_an_unknown_version_is_refused(tmp_path: Path) -> None:
    root = copy_of_tiny(tmp_path)
    edit_manifest(root, lambda document: document.update(schema_version=4))
    assert_refused(root, "manifest.json", "schema_version")


def test_another_digest_than_the_pinned_one_is_refused() -> None:
    pinned = "sha256:" + "0" * 64
    assert_refused(tiny_bundle(), "manifest.json", f"{pinned} is pinned", "--bundle-digest", pinned)


def test_a_file_instead_of_a_directory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.tar"
    path.write_bytes(b"")
    assert_refused(path, str(path), "give the directory that holds manifest.json")


def test_a_missing_signature_is_named(tmp_path: Path) -> None:
    public = write_keys(tmp_path, "trusted")[1]
    assert_refused(tiny_bundle(), "model.sig", "sign it with", "--public-key", str(public))


def test_a_signature_of_somebody_else_is_refused(tmp_path: Path) -> None:
    root = copy_of_tiny(tmp_path)
    public = write_keys(tmp_path, "trusted")[1]
    sign(root, write_keys(tmp_path, "stranger")[0])
    assert_refused(root, "model.sig", f"the private key that belongs to {public}", "--public-key", str(public))


def test_a_key_that_is_not_there_is_no_reason_to_trust(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.pub")
    assert_refused(copy_of_tiny(tmp_path), "model.sig", f"no public key in {absent}", "--public-key", absent)


def test_a_bundle_sealed_again_by_a_stranger_lacks_the_signature(tmp_path: Path) -> None:
    root = copy_of_tiny(tmp_path)
    private, public = write_keys(tmp_path, "trusted")
    sign(root, private)
    signature = (root / "model.sig").read_bytes()
    (root / "MODEL_CARD.md").write_text("Another card.\n")
    reseal(root)
    (root / "model.sig").write_bytes(signature)
    assert_refused(root, "manifest.json", "is not the one that was signed", "--public-key", str(public))


def test_the_signed_bundle_is_served(tmp_path: Path) -> None:
    root = copy_of_tiny(tmp_path)
    private, public = write_keys(tmp_path, "trusted")
    sign(root, private)
    status, complaint, listened = start(root, "--public-key", str(public), "--drain-seconds", "0")
    assert (status, listened) == (0, True), complaint
