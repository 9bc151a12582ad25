"""A bundle that is not exactly what its manifest says is refused, by name, before anything in it is used."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle import BundleError, load, signing
from tests.bundle.small import signed_bundle
from tests.bundles import copy_of_tiny, tiny_bundle


def edit_manifest(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = root / "manifest.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def list_file(document: dict[str, Any], name: str) -> None:
    document["files"][name] = {"sha256": "0" * 64, "bytes": 0}


def chosen(document: dict[str, Any]) -> Any:
    return document["programs"][document["program"]]


def test_a_bundle_is_known_by_the_digest_of_its_manifest() -> None:
    bundle = load(tiny_bundle())
    assert load(tiny_bundle(), bundle.digest) == bundle
    assert bundle.manifest.chosen.backend == "openvino"
    assert bundle.path("openvino/fp32.xml").is_file()


def test_another_pinned_digest_is_refused() -> None:
    with pytest.raises(BundleError, match=r"manifest\.json: .* is pinned"):
        load(tiny_bundle(), "sha256:" + "0" * 64)


def test_a_manifest_that_is_exchanged_after_its_signature_was_looked_at_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, public = signed_bundle(tmp_path / "bundle")
    signed = load(root).digest

    def verify_and_exchange(root: Path, key: Path, manifest: bytes) -> object:
        signer = verify_signature(root, key, manifest)
        edit_manifest(root, lambda document: document.update(version="9.9.9"))
        return signer

    verify_signature = signing.verify_signature
    monkeypatch.setattr(signing, "verify_signature", verify_and_exchange)
    assert load(root, public_key=public).digest == signed


@pytest.mark.parametrize("name", ["model.safetensors", "openvino/fp32.bin", "golden/cat.jpg", "MODEL_CARD.md"])
def test_a_changed_file_is_named(tmp_path: Path, name: str) -> None:
    root = copy_of_tiny(tmp_path)
    content = bytearray((root / name).read_bytes())
    content[len(content) // 2] ^= 1
    (root / name).write_bytes(content)
    with pytest.raises(BundleError, match="its content was changed") as caught:
        load(root)
    assert caught.value.subject == name


def _truncate(root: Path) -> str:
    (root / "model.safetensors").write_bytes(b"")
    return "model.safetensors"


def _remove(root: Path) -> str:
    (root / "torch/model.pt2").unlink()
    return "torch/model.pt2"


def _add(root: Path) -> str:
    (root / "openvino/extra.bin").write_bytes(b"x")
    return "openvino/extra.bin"


def _add_hidden(root: Path) -> str:
    (root / ".hidden").write_bytes(b"x")
    return ".hidden"


def _link_file(root: Path) -> str:
    target = root.parent / "elsewhere"
    (root / "MODEL_CARD.md").rename(target)
    (root / "MODEL_CARD.md").symlink_to(target)
    return "MODEL_CARD.md"


def _link_directory(root: Path) -> str:
    target = root.parent / "golden"
    (root / "golden").rename(target)
    (root / "golden").symlink_to(target)
    return "golden"


def _pipe(root: Path) -> str:
    os.mkfifo(root / "pipe")
    return "pipe"


def _no_manifest(root: Path) -> str:
    (root / "manifest.json").unlink()
    return "manifest.json"


def _link_manifest(root: Path) -> str:
    target = root.parent / "manifest.json"
    (root / "manifest.json").rename(target)
    (root / "manifest.json").symlink_to(target)
    return "manifest.json"


@pytest.mark.parametrize(
    "damage", [_truncate, _remove, _add, _add_hidden, _link_file, _link_directory, _pipe, _no_manifest, _link_manifest]
)
def test_a_directory_that_differs_from_the_manifest_is_refused(tmp_path: Path, damage: Callable[[Path], str]) -> None:
    root = copy_of_tiny(tmp_path)
    name = damage(root)
    with pytest.raises(BundleError) as caught:
        load(root)
    assert caught.value.subject == name


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/passwd", "golden/../../outside", "a\\b", "", ".", "a//b", ".hidden", "manifest.json", "a/\x00"]
)
def test_a_path_that_could_leave_the_bundle_is_refused(tmp_path: Path, path: str) -> None:
    root = copy_of_tiny(tmp_path)
    edit_manifest(root, lambda document: list_file(document, path))
    with pytest.raises(BundleError) as caught:
        load(root)
    assert caught.value.subject == "manifest.json"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda document: document.update(extra=1), "extra"),
        (lambda document: document.update(schema_version=1), "schema_version"),
        (lambda document: document.update(name="../x"), "name"),
        (lambda document: document.update(version="1.0"), "version"),
        (lambda document: document.update(version="1.0.0\n"), "version"),
        (lambda document: document.update(version="1.0.0-a\n"), "version"),
        (lambda document: document.update(version="1.0.0-.."), "version"),
        (lambda document: document.update(version="1.0.0-a..b"), "version"),
        (lambda document: document.update(classes=["cat", "cat"]), "same name"),
        (lambda document: document.update(program="openvino-bf16"), "not among the programs"),
        (lambda document: document["programs"].clear(), "programs"),
        (lambda document: document.update(min_agreement=1.1), "min_agreement"),
        (lambda document: chosen(document)["agreement"].update(top1=0.5), "less than min_agreement"),
        (lambda document: chosen(document).update(tolerance=0), "tolerance"),
        (lambda document: document["input"].update(kind="sound"), "input"),
        (lambda document: document["files"].pop("golden/answers.json"), "lacks golden/answers.json"),
        (lambda document: document["programs"]["torch-fp32"].update(path="other.pt2"), "lacks other.pt2"),
        (lambda document: list_file(document, "golden"), "as a file and as a directory"),
        (lambda document: document["input"]["preprocessing"].update(std=[1, 1, 1]), "preprocessing.std"),
        (lambda document: document["input"]["preprocessing"].update(crop=37), "crop is larger"),
    ],
)
def test_a_manifest_that_breaks_a_rule_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], told: str
) -> None:
    root = copy_of_tiny(tmp_path)
    edit_manifest(root, change)
    with pytest.raises(BundleError, match=told):
        load(root)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_manifest_that_is_no_document_is_refused(tmp_path: Path, content: bytes) -> None:
    root = copy_of_tiny(tmp_path)
    (root / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        load(root)
