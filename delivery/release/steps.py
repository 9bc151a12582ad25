"""The steps of a release, in their order. Each changes nothing when it is done, so an interrupted release is run again."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.pettracker.aws.plugins.module_utils.release_id import release_id
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from bundle.keys import fingerprint
from delivery.environment import ROOT, Environment, read_environment
from delivery.errors import DeliveryError
from delivery.git import Clone
from delivery.release.approval import approval_of
from delivery.release.candidate import Candidate, Progress, publish_candidate, published_manifest
from delivery.release.gate import Image, pass_gate
from delivery.release.pins import write_rehearsal_pin
from delivery.release.proposal import Proposal, describe, is_merged, propose
from delivery.release.record import (
    BillOfMaterials,
    Record,
    ReleasedImage,
    ReleasedModel,
    Verification,
    private_key_of,
    read_private_key,
    signed,
)
from delivery.release.releases import Releases, problems_of
from delivery.release.sbom import bill_of_materials


@dataclass(frozen=True)
class Request:
    """What is to be released.

    Attributes:
        model: a bundle's directory, NAME:VERSION or NAME:RUN_ID; None: what is pinned already.
        key_file, key_text: the private key that signs the record; only asked for once the pin is merged.
        root: the work tree.
    """

    environment: str
    model: str | None
    allow_downgrade: bool = False
    key_file: Path | None = None
    key_text: str | None = None
    root: Path = ROOT


@dataclass(frozen=True)
class Released:
    """The current release, and whether this run changed anything."""

    record: Record
    changed: bool


def release(request: Request, progress: Progress) -> Released | Proposal:
    """Publish, gate, pin; and once the pin is merged, record. Until then, the proposal that waits for its merge is returned.

    Raises DeliveryError where it is refused, or a step failed; everything before it is kept.
    """
    environment = read_environment(request.environment, request.root)
    if not environment.is_local:
        Clone(environment.root).refuse_changes()
    candidate = publish_candidate(_model(request, environment), environment, request.allow_downgrade, progress)
    if request.model is None and candidate.pin != environment.pin:
        raise DeliveryError(f"{environment.pin} is pinned in {environment.name}, but {candidate.pin} is published")
    key = None
    if environment.is_local or is_merged(environment, candidate.pin):
        pem, named = private_key_of(environment.is_local, environment.root, request.key_file, request.key_text)
        key = read_private_key(pem, named, environment.keys)
    progress(f"golden-set gate: {candidate.pin} on a host of {environment.name}")
    image = pass_gate(environment, candidate.pin)
    if image.model_digest != candidate.pin.digest:
        raise DeliveryError(f"the image {image.image_id} holds {image.model_digest}, not {candidate.pin.digest}")
    if key is None:
        before = published_manifest(environment.models_bucket, environment.pin) if environment.pin else None
        return propose(environment, candidate.pin, describe(candidate, environment, image, before))
    changed = environment.is_local and write_rehearsal_pin(environment, candidate.pin, candidate.root)
    record, recorded = _record(environment, candidate, image, key)
    return Released(record, changed or recorded)


def current_record(environment: Environment, identity: str | None = None) -> Record:
    """Return a release's record, by default the current one's. Raises DeliveryError where there is no signed one."""
    store = Releases(environment)
    identity = identity or store.current()
    if identity is None:
        raise DeliveryError(f"nothing is released to {environment.name} yet: make release MODEL=... ENV={environment.name}")
    record = store.read(identity)
    if record is None:
        raise store.missing(identity)
    return record


def _model(request: Request, environment: Environment) -> str:
    if request.model is not None:
        return request.model
    if environment.pin is None:
        raise DeliveryError(
            f"no model is pinned in {environment.name} yet: give MODEL=, the directory of a bundle, NAME:VERSION or NAME:RUN_ID"
        )
    return f"{environment.pin.name}:{environment.pin.version}"


def _record(environment: Environment, candidate: Candidate, image: Image, key: EllipticCurvePrivateKey) -> tuple[Record, bool]:
    """Write the record where it is missing, let the parameter point to it, and verify all that it names."""
    store = Releases(environment)
    pin = candidate.pin
    identity = release_id(pin.name, pin.version, pin.digest, image.image_id)
    record = store.read(identity)
    changed = record is None
    if record is None:
        content = bill_of_materials(image, pin, candidate.manifest)
        new = Record(
            schema_version=1,
            id=identity,
            environment=environment.name,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            model=ReleasedModel(name=pin.name, version=pin.version, digest=pin.digest, location=candidate.location),
            image=ReleasedImage(id=image.image_id, **image.model_dump(include=set(ReleasedImage.model_fields))),
            launch_template_version=None,
            code_revision=Clone(environment.root).revision(),
            sbom=BillOfMaterials(
                key=store.write_sbom(content),
                sha256=hashlib.sha256(content).hexdigest(),
                components=len(json.loads(content)["components"]),
            ),
            verification=Verification(
                signing_key=fingerprint(key.public_key()),
                test_accuracy=candidate.accuracy,
                min_accuracy=environment.min_accuracy,
                golden_cases=candidate.golden_cases,
                golden="passed",
            ),
            approval=approval_of(environment, pin),
            previous=store.current(),
        )
        record = store.write(new, signed(new, key))
    problems = problems_of(store.verify(record))
    if problems:
        raise DeliveryError(f"{store.location(identity)} is not what was released: {problems}")
    return record, store.make_current(identity) or changed
