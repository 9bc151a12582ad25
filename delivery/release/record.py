"""The release record: one signed JSON document that says what was released, how it was checked and who decided it.

The signature (ECDSA on P-256 over SHA-256, base64) is a key of the document itself, over the document without that key in
canonical form: record and signature are one object, and so appear at once.
"""

import base64
import binascii
import json
from datetime import date
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import Field, ValidationError

from bundle.keys import KeysError, TrustedKeys, fingerprint
from bundle.manifest import Digest, ModelName, ModelVersion, Sha256
from delivery.documents import Document, faults
from delivery.errors import DeliveryError


class ReleasedModel(Document):
    """The model, and the s3:// address of its bundle."""

    name: ModelName
    version: ModelVersion
    digest: Digest
    location: str


class ReleasedImage(Document):
    """The machine image, what it was made from, and the commit whose roles made it."""

    id: str
    content_digest: Sha256
    base_image_id: str
    base_image_name: str
    code_revision: str


class BillOfMaterials(Document):
    """Where the CycloneDX document is, and its digest."""

    key: str
    sha256: Sha256
    components: int


class Verification(Document):
    """What was checked, and how it came out.

    Attributes:
        signing_key: sha256 of the public key (DER) that the record is signed with.
        test_accuracy: of the manifest; None where it names none.
        min_accuracy: the inventory's floor at the time.
        golden_cases: inputs that the service answered on the builder, on a host booted from the image, and after its reboot.
    """

    signing_key: Sha256
    test_accuracy: float | None
    min_accuracy: float
    golden_cases: int
    golden: Literal["passed"]


class Approval(Document):
    """Who decided it.

    Attributes:
        commit: that pinned the model; None in the rehearsal.
        author, committer: of that commit; in the rehearsal whoever released it.
        pull_request, merged_by, approved_by: what `gh` knows of it; empty where it was not asked.
    """

    commit: str | None
    author: str
    committer: str
    pull_request: str | None = None
    merged_by: str | None = None
    approved_by: list[str] = Field(default=[])


class Record(Document):
    """One release of one environment.

    Attributes:
        id: of the model and the image: the same release is the same record.
        time: UTC, ISO 8601.
        launch_template_version: None: ready for rollout; which version brings it is the rollout's to record.
        code_revision: commit that the release was made from.
        previous: id of the release before this one.
    """

    schema_version: Literal[1]
    id: str
    environment: str
    time: str
    model: ReleasedModel
    image: ReleasedImage
    launch_template_version: int | None
    code_revision: str
    sbom: BillOfMaterials
    verification: Verification
    approval: Approval
    previous: str | None


def read_private_key(pem: bytes, named: str, keys: TrustedKeys) -> EllipticCurvePrivateKey:
    """Read the key that signs records.

    Raises DeliveryError where it is no unencrypted P-256 key, or not the half of one that signs the environment's records.
    """
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:  # TypeError: it is encrypted
        raise DeliveryError(f"{named} is not an unencrypted private key in PEM: {error}") from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise DeliveryError(f"the key in {named} is not on the curve P-256")
    try:
        keys.signing("records", fingerprint(key.public_key()))
    except KeysError as error:
        raise DeliveryError(f"what {named} signs would be refused: {error}") from None
    return key


def signed(record: Record, key: EllipticCurvePrivateKey) -> bytes:
    """Return the document of a record with its signature."""
    document = record.model_dump(mode="json")
    signature = base64.b64encode(key.sign(_canonical(document), ECDSA(SHA256()))).decode()
    return (json.dumps({**document, "signature": signature}, indent=1, ensure_ascii=False) + "\n").encode()


def verified(data: bytes, keys: TrustedKeys, location: str) -> Record:
    """Read a record whose signature is the environment's.

    A key that has ended is trusted for what it signed before: going back to an old release stays possible. Raises DeliveryError
    where it is no record, not signed with a key that is trusted for it, signed after the end of its key, or changed.
    """
    try:
        document: dict[str, Any] = json.loads(data)
        signature = base64.b64decode(document.pop("signature"), validate=True)
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error):
        raise DeliveryError(f"{location} is not a signed release record") from None
    try:
        key = keys.signer("records", signature, _canonical(document))
    except KeysError as error:
        raise DeliveryError(f"the signature of {location} {error}: do not roll it out") from None
    try:
        record = Record.model_validate(document)
    except ValidationError as error:
        raise DeliveryError(f"{location} is not a release record of this release of the code: {faults(error)}") from None
    day = date.fromisoformat(record.time[:10])
    if key.not_after and day > key.not_after:
        raise DeliveryError(
            f"{location} was signed on {day}, and its key {key.name} ended on {key.not_after}: do not roll it out"
        )
    return record


def private_key_of(environment_is_local: bool, root: Path, path: Path | None, text: str | None) -> tuple[bytes, str]:
    """Return the private key and where it was found: a file, RELEASE_SIGNING_KEY, or the rehearsal's own.

    Raises DeliveryError where there is none.
    """
    if path is None and not text and environment_is_local:
        path = root / ".localcloud" / "model" / "signing-key.pem"
    if path is not None:
        try:
            return path.read_bytes(), str(path)
        except OSError as error:
            raise DeliveryError(f"no private key in {path}: {error.strerror}") from None
    if not text:
        raise DeliveryError(
            "there is no key to sign the release record with: give its file as RELEASE_SIGNING_KEY_FILE, or its text as "
            "RELEASE_SIGNING_KEY"
        )
    return text.encode(), "RELEASE_SIGNING_KEY"


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
