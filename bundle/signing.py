"""Signatures of bundles in the form of OpenSSF Model Signing (`model.sig`), made and checked offline with a P-256 key pair.

Signing is the library's work (`model-signing`, on the controller). What it writes is a Sigstore bundle: a DSSE envelope
around an in-toto statement that names the sha256 of every file. Checking that takes one ECDSA verification, which is
done here with `cryptography` alone: the library would bring 28 packages to every host and cost 0.9 s of each start.

https://github.com/sigstore/model-transparency/blob/main/README.md#model-signing-format
https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md
"""

import hashlib
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import Base64Bytes, BaseModel, Field, ValidationError

from bundle.errors import BundleError, SigningError
from bundle.keys import KeysError, TrustedKey, TrustedKeys, read_keys
from bundle.manifest import MANIFEST_FILE, SIGNATURE_FILE, Sha256

_PAYLOAD_TYPE = "application/vnd.in-toto+json"
# A signature has about 150 bytes for each file of the bundle.
_MAX_SIGNATURE_BYTES = 4 * 1024 * 1024


class _EnvelopeSignature(BaseModel):
    sig: Base64Bytes


class _Envelope(BaseModel):
    payload: Base64Bytes
    payload_type: Literal["application/vnd.in-toto+json"] = Field(alias="payloadType")
    signatures: list[_EnvelopeSignature] = Field(min_length=1, max_length=1)

    def signed_bytes(self) -> bytes:
        """Return DSSE's pre-authentication encoding, which is what the signature covers."""
        return b"DSSEv1 %d %s %d %s" % (len(_PAYLOAD_TYPE), _PAYLOAD_TYPE.encode(), len(self.payload), self.payload)


class _SignatureFile(BaseModel):
    media_type: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"] = Field(alias="mediaType")
    envelope: _Envelope = Field(alias="dsseEnvelope")


class _Resource(BaseModel):
    name: str
    algorithm: Literal["sha256"]
    digest: Sha256


class _Predicate(BaseModel):
    resources: list[_Resource]


class _Statement(BaseModel):
    kind: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    predicate_type: Literal["https://model_signing/signature/v1.0"] = Field(alias="predicateType")
    predicate: _Predicate


def sign(root: Path, private_key: Path) -> None:
    """Sign every file of a bundle and write `model.sig`, in place of an earlier one. `bundle.load` the bundle before.

    Args:
        private_key: an unencrypted P-256 key, PEM.

    Raises:
        SigningError: the key cannot be used, or the library is not installed.
    """
    try:
        from model_signing import hashing, signing  # noqa: PLC0415 - takes a second, and hosts do not have it
    except ModuleNotFoundError as error:
        raise SigningError(f"{error.name} is not installed; install pettracker-ml[control]") from None
    _check_private_key(private_key)
    path = root / SIGNATURE_FILE
    files = hashing.Config().use_file_serialization(hashing_algorithm="sha256")
    files.set_ignored_paths(paths=[path], ignore_git_paths=False)
    signer = signing.Config().use_elliptic_key_signer(private_key=private_key).set_hashing_config(files)
    # Renamed into place: nobody reads half a signature.
    scratch = root.parent / f".{root.name}.sig"
    signer.sign(root, scratch)
    scratch.chmod(0o644)
    scratch.rename(path)


def verify_signature(root: Path, public_key: Path, manifest: bytes) -> TrustedKey:
    """Check that a trusted key signed the bundle's manifest, which names the sha256 of every other file; return the key.

    Whether the other files are what the manifest says is for `bundle.load` to see.

    Args:
        public_key: the keys to trust: one in PEM, or a list (`bundle.keys`).
        manifest: what was read of the bundle's manifest.json, once.

    Raises:
        BundleError: naming the file at fault: no signature, not a signature, another key, a changed manifest; or the key.
    """
    keys = _read_keys(public_key)
    return verify(_read_signature(root / SIGNATURE_FILE), keys, manifest)


def verify_published(signature: bytes | None, public_key: Path, manifest: bytes) -> TrustedKey:
    """Check the signature of a published manifest, as `verify_signature` does; None: there is no signature."""
    return verify(signature, _read_keys(public_key), manifest)


def verify(signature: bytes | None, keys: TrustedKeys, manifest: bytes) -> TrustedKey:
    """Check a signature (the content of model.sig; None: there is none) of a manifest; return the key that made it.

    Raises:
        BundleError: as `verify_signature`.
    """
    if signature is None:
        problem = "is missing, and only signed bundles are accepted here; sign it with `python -m bundle sign`"
        raise BundleError(SIGNATURE_FILE, problem)
    try:
        envelope = _SignatureFile.model_validate_json(signature).envelope
    except ValidationError as error:
        raise BundleError(SIGNATURE_FILE, f"is not a signature that `bundle sign` makes: {_first_problem(error)}") from None
    try:
        key = keys.signer("models", envelope.signatures[0].sig, envelope.signed_bytes())
    except KeysError as error:
        raise BundleError(SIGNATURE_FILE, str(error)) from None
    try:
        statement = _Statement.model_validate_json(envelope.payload)
    except ValidationError as error:
        raise BundleError(SIGNATURE_FILE, f"signs something else than a model: {_first_problem(error)}") from None
    signed = {resource.name: resource.digest for resource in statement.predicate.resources}
    if signed.get(MANIFEST_FILE) != hashlib.sha256(manifest).hexdigest():
        raise BundleError(MANIFEST_FILE, "is not the one that was signed; fetch the bundle again, or sign what it is now")
    return key


def _check_private_key(path: Path) -> None:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise SigningError(f"no private key in {path}: {error.strerror}") from None
    except (ValueError, TypeError) as error:  # TypeError: it is encrypted
        raise SigningError(f"{path} is not an unencrypted private key in PEM: {error}") from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise SigningError(f"the key in {path} is not on the curve P-256")


def _read_keys(path: Path) -> TrustedKeys:
    try:
        return read_keys(path)
    except KeysError as error:
        raise BundleError(SIGNATURE_FILE, f"cannot be verified: {error}") from None


def _read_signature(path: Path) -> bytes | None:
    if path.is_symlink() or not path.is_file():
        return None
    if path.stat().st_size > _MAX_SIGNATURE_BYTES:
        raise BundleError(SIGNATURE_FILE, f"is larger than {_MAX_SIGNATURE_BYTES} bytes")
    return path.read_bytes()


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'it'}: {first['msg']}"
