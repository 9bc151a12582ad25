"""A bundle without a network in it, for tests of what happens before a program is read."""

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bundle import seal
from bundle.signing import sign


def small_bundle(root: Path, version: str = "0.1.0") -> Path:
    """Make a valid bundle of a few bytes in a new directory; return the directory."""
    contents = {
        "MODEL_CARD.md": "A card.\n",
        "golden/answers.json": '{"cases": [{"input": "row.json", "top": [{"class_id": 0, "confidence": 0.9}]}]}',
        "golden/row.json": '{"features": [1.0, 2.0]}',
        "model.safetensors": "some weights",
        "openvino/model.bin": "other weights",
        "openvino/model.xml": "<net/>",
    }
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    program = {
        "backend": "openvino",
        "precision": "fp32",
        "path": "openvino/model.xml",
        "weights": "openvino/model.bin",
        "agreement": {"top1": 1.0, "max_abs_difference": 0.0, "samples": 1},
        "tolerance": 0.01,
    }
    manifest: dict[str, object] = {
        "schema_version": 3,
        "name": "small",
        "version": version,
        "licence": "CC0-1.0",
        "source": {"description": "nothing", "sha256": "0" * 64},
        "input": {"kind": "features", "names": ["a", "b"]},
        "classes": ["no", "yes"],
        "weights": "model.safetensors",
        "programs": {"openvino-fp32": program},
        "program": "openvino-fp32",
        "min_agreement": 0.98,
        "metrics": {},
        "training_data": {"description": "none", "digest": None},
        "code_revision": "none",
        "library_versions": {},
    }
    return seal(root, manifest).root


def signed_bundle(root: Path) -> tuple[Path, Path]:
    """Make a small bundle and sign it with a new key, written beside it; return the bundle and the public key."""
    private, public = write_keys(root.parent, root.name)
    sign(small_bundle(root), private)
    return root, public


def key_list(path: Path, *keys: dict[str, object] | Path) -> Path:
    """Write a list of trusted keys: files of public keys, or whole entries."""
    entries = [{"public_key": key.read_text()} if isinstance(key, Path) else key for key in keys]
    path.write_text(json.dumps(entries))
    return path


def write_keys(
    directory: Path, name: str, key: Any = None, encryption: KeySerializationEncryption | None = None
) -> tuple[Path, Path]:
    """Write a key pair (a new one on P-256 by default); return the paths of the private and of the public half."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    private, public = directory / f"{name}.pem", directory / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public
