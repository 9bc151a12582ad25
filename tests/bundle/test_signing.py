"""Signed bundles: what the OpenSSF library signs is accepted, and whatever was changed afterwards is refused by name."""

import base64
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key
from model_signing import verifying

from bundle import BundleError, load, seal
from bundle.errors import SigningError
from bundle.signing import sign, verify_signature
from tests.bundle.small import small_bundle, write_keys
from tests.bundles import REPOSITORY


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return write_keys(tmp_path, "key")


@pytest.fixture
def signed(tmp_path: Path, keys: tuple[Path, Path]) -> Path:
    root = small_bundle(tmp_path / "bundle")
    sign(root, keys[0])
    return root


def library_accepts(root: Path, public_key: Path) -> bool:
    config = verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    try:
        config.verify(root, root / "model.sig")
    except Exception:  # whatever the library raises: it does not accept
        return False
    return True


def test_a_signed_bundle_is_accepted_here_and_by_the_library(signed: Path, keys: tuple[Path, Path]) -> None:
    assert load(signed, public_key=keys[1]).manifest == load(signed).manifest
    assert library_accepts(signed, keys[1])
    assert [path.name for path in signed.parent.iterdir() if path.name.startswith(".")] == []


def test_what_the_library_signs_by_itself_is_accepted(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    root = small_bundle(tmp_path / "bundle")
    command = [sys.executable, "-m", "model_signing", "sign", "key", str(root), "--private_key", str(keys[0])]
    subprocess.run([*command, "--signature", str(root / "model.sig")], check=True, capture_output=True)
    load(root, public_key=keys[1])


def test_signing_again_replaces_the_signature(signed: Path, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    private, public = write_keys(tmp_path, "other")
    sign(signed, private)
    load(signed, public_key=public)
    with pytest.raises(BundleError, match=r"model\.sig: was not made with the private key that belongs to .*key\.pub"):
        load(signed, public_key=keys[1])


def test_a_bundle_sealed_anew_has_no_signature(signed: Path, keys: tuple[Path, Path]) -> None:
    manifest = load(signed).manifest.model_dump(exclude={"files"})
    (signed / "MODEL_CARD.md").write_text("Another card.\n")
    seal(signed, manifest)
    with pytest.raises(BundleError, match=r"model\.sig: is missing"):
        load(signed, public_key=keys[1])


def _edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def apply(root: Path) -> None:
        document = json.loads((root / "model.sig").read_bytes())
        change(document)
        (root / "model.sig").write_text(json.dumps(document))

    return apply


def _edit_statement(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def apply(document: dict[str, Any]) -> None:
        statement = json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))
        change(statement)
        document["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()

    return _edit(apply)


def _flip_signature(document: dict[str, Any]) -> None:
    signature = document["dsseEnvelope"]["signatures"][0]
    raw = bytearray(base64.b64decode(signature["sig"]))
    raw[-1] ^= 1
    signature["sig"] = base64.b64encode(raw).decode()


def _change_manifest(root: Path) -> None:
    manifest = root / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"CC0-1.0", b"MIT"))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda root: (root / "model.sig").unlink(), r"model\.sig: is missing"),
        (lambda root: (root / "model.sig").write_bytes(b""), r"model\.sig: is not a signature"),
        (lambda root: (root / "model.sig").write_text("{}"), r"model\.sig: is not a signature .*mediaType"),
        (lambda root: (root / "model.sig").write_bytes(b"\xff" * 100), r"model\.sig: is not a signature"),
        (lambda root: (root / "model.sig").write_text("[" * 100_000), r"model\.sig: is not a signature"),
        (_edit(_flip_signature), r"model\.sig: was not made with"),
        (_edit(lambda document: document.update(mediaType="text/plain")), r"model\.sig: is not a signature"),
        (_edit(lambda document: document["dsseEnvelope"].update(payloadType="text/plain")), r"is not a signature"),
        (_edit(lambda document: document["dsseEnvelope"].update(signatures=[])), r"is not a signature"),
        (_edit_statement(lambda statement: statement["predicate"].update(resources=[])), "was not made with"),
        (_change_manifest, r"manifest\.json: is not the one that was signed"),
    ],
)
def test_what_was_changed_after_signing_is_refused_here_and_by_the_library(
    signed: Path, keys: tuple[Path, Path], damage: Callable[[Path], object], told: str
) -> None:
    damage(signed)
    with pytest.raises(BundleError, match=told):
        load(signed, public_key=keys[1])
    assert not library_accepts(signed, keys[1])


def test_a_changed_file_is_named_although_the_signature_is_right(signed: Path, keys: tuple[Path, Path]) -> None:
    (signed / "openvino/model.bin").write_bytes(b"other weigths")
    with pytest.raises(BundleError, match=r"openvino/model\.bin: its content was changed"):
        load(signed, public_key=keys[1])
    assert not library_accepts(signed, keys[1])


def test_a_signature_of_another_bundle_is_refused(signed: Path, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    other = small_bundle(tmp_path / "other", version="0.2.0")
    (signed / "model.sig").rename(other / "model.sig")
    with pytest.raises(BundleError, match=r"manifest\.json: is not the one that was signed"):
        load(other, public_key=keys[1])


def test_a_good_signature_of_something_else_is_refused(signed: Path, keys: tuple[Path, Path]) -> None:
    payload, kind = b'{"_type": "https://in-toto.io/Statement/v1"}', b"application/vnd.in-toto+json"
    key = load_pem_private_key(keys[0].read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = key.sign(b"DSSEv1 28 %s %d %s" % (kind, len(payload), payload), ec.ECDSA(SHA256()))

    def replace(document: dict[str, Any]) -> None:
        document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
        document["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()

    _edit(replace)(signed)
    with pytest.raises(BundleError, match=r"model\.sig: signs something else than a model"):
        load(signed, public_key=keys[1])


def test_a_linked_signature_is_refused(signed: Path, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    (signed / "model.sig").rename(tmp_path / "elsewhere.sig")
    (signed / "model.sig").symlink_to(tmp_path / "elsewhere.sig")
    with pytest.raises(BundleError, match=r"model\.sig"):
        load(signed, public_key=keys[1])
    with pytest.raises(BundleError, match=r"model\.sig: is a symbolic link"):
        load(signed)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda _: None, "no public key in .*: No such file"),
        (lambda path: path.write_text("hello"), "is not a public key in PEM"),
        (lambda path: write_keys(path.parent, path.stem, ec.generate_private_key(ec.SECP384R1())), "curve P-256"),
        (lambda path: write_keys(path.parent, path.stem, rsa.generate_private_key(65537, 2048)), "curve P-256"),
        (lambda path: write_keys(path.parent, path.stem, ed25519.Ed25519PrivateKey.generate()), "curve P-256"),
        (lambda path: write_keys(path.parent, path.stem)[0].rename(path), "is not a public key in PEM"),
    ],
)
def test_a_public_key_that_cannot_be_used_is_named(
    signed: Path, tmp_path: Path, make: Callable[[Path], object], told: str
) -> None:
    path = tmp_path / "trusted.pub"
    make(path)
    with pytest.raises(BundleError, match=told) as caught:
        verify_signature(signed, path, (signed / "manifest.json").read_bytes())
    assert "model.sig: cannot be verified" in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda directory: directory / "absent.pem",
        lambda directory: write_keys(directory, "public")[1],
        lambda directory: write_keys(directory, "locked", encryption=BestAvailableEncryption(b"secret"))[0],
        lambda directory: write_keys(directory, "larger", ec.generate_private_key(ec.SECP384R1()))[0],
        lambda directory: write_keys(directory, "rsa", rsa.generate_private_key(65537, 2048))[0],
    ],
)
def test_a_private_key_that_cannot_be_used_is_named_and_nothing_is_written(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    root, key = small_bundle(tmp_path / "bundle"), make(tmp_path)
    with pytest.raises(SigningError, match=key.name):
        sign(root, key)
    assert not (root / "model.sig").exists()


def test_signing_and_verifying_need_no_network(
    tmp_path: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    root = small_bundle(tmp_path / "bundle")
    sign(root, keys[0])
    load(root, public_key=keys[1])


def test_a_host_verifies_without_the_library(signed: Path, keys: tuple[Path, Path]) -> None:
    code = (
        "import sys, pathlib, bundle; assert 'cryptography' not in sys.modules; "
        "bundle.load(pathlib.Path(sys.argv[1]), public_key=pathlib.Path(sys.argv[2])); "
        "assert not {'model_signing', 'sigstore', 'requests'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, str(signed), str(keys[1])], check=True, cwd=REPOSITORY)
