"""From an experiment to a version that hosts may run: what has to hold, and the record of who decided it when.

The record is `production/<name>/<version>.promotion.json`, beside the version's own prefix: it is no part of the bundle.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, ValidationError

from bundle import Bundle, BundleError, RegistryError, load, signing
from bundle.golden import GoldenSet
from bundle.keys import KeysError, read_keys
from bundle.loading import digest_of
from bundle.manifest import GOLDEN_FILE, SIGNATURE_FILE
from bundle.registry import Registry, Store, precedence
from bundle.registry.errors import explain
from training.publishing.errors import PublishingError
from training.publishing.experiments import Experiments

ACCURACY = "test_accuracy"


class Promotion(BaseModel):
    """The record of one promotion.

    Attributes:
        digest: of the promoted bundle.
        accuracy: on the test split; floor: the least that was accepted, None where none was asked for.
        public_key: "sha256:..." over the SubjectPublicKeyInfo (DER) of the key that the signature was checked with.
        actor: ARN of the caller, as STS names it.
        time: UTC, ISO 8601.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    name: str
    version: str
    run_id: str
    digest: str
    accuracy: float
    floor: float | None
    public_key: str
    actor: str
    time: str


@dataclass(frozen=True)
class Promoted:
    """Result of a promotion."""

    location: str
    promotion: Promotion
    outcome: Literal["promoted", "already promoted"]


@dataclass(frozen=True)
class Conditions:
    """What a bundle has to fulfil.

    Attributes:
        public_key: the keys of which one has to have signed it (`bundle.keys`).
        version, digest: that it has to have, where they are given.
        min_accuracy: the least accuracy on the test split (0..1).
        allow_downgrade: also where production has this version or a higher one.
        private_key: signs the bundle where it has no signature yet. Other people and jobs write to where runs are published,
            so it signs only what has `digest`, as whoever exported it saw it.
    """

    public_key: Path
    version: str | None = None
    digest: str | None = None
    min_accuracy: float | None = None
    allow_downgrade: bool = False
    private_key: Path | None = None


def promote(store: Store, name: str, run_id: str, conditions: Conditions, actor: Callable[[], str]) -> Promoted:
    """Publish a run's bundle as an immutable version in production, if it fulfils the conditions.

    The same again changes nothing, and finishes what was interrupted.

    Args:
        actor: tells who does it; see `caller`.

    Raises:
        BundleError, SigningError: the bundle, its signature or its golden set is not what it has to be.
        PublishingError: a condition is not fulfilled.
        RegistryError: the version is published with other content, or S3 refused.
    """
    who = actor()
    scratch = Path(tempfile.mkdtemp(prefix="promotion-"))
    try:
        public_key = _kept(conditions.public_key, scratch)
        _see_keys(public_key)
        bundle = Experiments(store).fetch_bundle(name, run_id, scratch / "bundle")
        if conditions.private_key and not (bundle.root / SIGNATURE_FILE).exists():
            _sign(bundle, conditions.private_key, conditions.digest)
        bundle = load(bundle.root, conditions.digest, public_key)
        accuracy = _check(bundle, name, run_id, conditions)
        registry = Registry(store)
        _check_order(registry, bundle, conditions.allow_downgrade)
        published = registry.publish(bundle.root, public_key)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    version = bundle.manifest.version
    promotion = Promotion(
        name=name,
        version=version,
        run_id=run_id,
        digest=bundle.digest,
        accuracy=accuracy,
        floor=conditions.min_accuracy,
        public_key=f"sha256:{bundle.signer.fingerprint if bundle.signer else ''}",
        actor=who,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    body = json.dumps(promotion.model_dump(), indent=1, sort_keys=True) + "\n"
    recorded = store.write_once(record_key(name, version), body.encode())
    first = promotion if recorded else read_promotion(store, name, version)
    if first is None:
        raise PublishingError(f"{store.location(record_key(name, version))} is no record of a promotion")
    return Promoted(published.location, first, "promoted" if recorded or published.uploaded else "already promoted")


def read_promotion(store: Store, name: str, version: str) -> Promotion | None:
    """Return the record of a version, None where it was published without a promotion."""
    return parse_promotion(store.read(record_key(name, version)))


def parse_promotion(data: bytes | None) -> Promotion | None:
    """Return a record, None for what is none."""
    try:
        return None if data is None else Promotion.model_validate_json(data)
    except ValidationError:
        return None


def record_key(name: str, version: str) -> str:
    """Return where the record of a version is."""
    return f"production/{name}/{version}.promotion.json"


def caller(store: Store, client: Any | None = None) -> str:
    """Return the ARN of whoever's credentials these are.

    Raises:
        RegistryError: there are none, or STS cannot be reached.
    """
    try:
        sts = client or boto3.client("sts", region_name=store.region.replace("aws-global", "us-east-1"))
        return str(sts.get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError) as error:
        raise RegistryError(explain(error, store.bucket)) from None


def _see_keys(public_key: Path) -> None:
    """Raises PublishingError where the file holds no keys."""
    try:
        read_keys(public_key)
    except KeysError as error:
        raise PublishingError(str(error)) from None


def _sign(bundle: Bundle, private_key: Path, digest: str | None) -> None:
    if digest is None:
        raise PublishingError(
            f"run {bundle.manifest.lineage.run_id if bundle.manifest.lineage else '-'} has no signature, and what is published "
            "may be another bundle than the one that you exported: say with --digest which one you sign; "
            "`python -m bundle show DIRECTORY` of your own export shows it"
        )
    load(bundle.root, digest)
    signing.sign(bundle.root, private_key)


def _kept(public_key: Path, directory: Path) -> Path:
    """Return a file that can be read twice: a key may come through a pipe."""
    if public_key.is_file() or not public_key.exists():
        return public_key
    copy = directory / public_key.name
    copy.write_bytes(public_key.read_bytes())
    return copy


def _check(bundle: Bundle, name: str, run_id: str, conditions: Conditions) -> float:
    """Return the accuracy. Raises PublishingError, BundleError."""
    manifest = bundle.manifest
    if manifest.lineage is None or (manifest.name, manifest.lineage.run_id) != (name, run_id):
        raise PublishingError(f"the bundle of {name}'s run {run_id} says that it is of another model or run")
    if conditions.version not in {None, manifest.version}:
        raise PublishingError(
            f"run {run_id} was exported as version {manifest.version}, not {conditions.version}; a bundle's version is part "
            "of what is signed, so export the run again with the version that it is to have"
        )
    _check_golden(bundle)
    accuracy = manifest.metrics.get(ACCURACY)
    if accuracy is None or not 0 <= accuracy <= 1:  # NaN is neither
        raise PublishingError(f"the bundle states no {ACCURACY}: evaluate the run, export it again and publish that")
    if conditions.min_accuracy is not None and accuracy < conditions.min_accuracy:
        raise PublishingError(
            f"its {ACCURACY} is {accuracy:.4f}, below the floor of {conditions.min_accuracy:.4f}; it is not promoted"
        )
    return accuracy


def _check_golden(bundle: Bundle) -> None:
    try:
        golden = GoldenSet.read(bundle.path(GOLDEN_FILE))
    except ValidationError as error:
        problem = f"is no golden set: {error.errors()[0]['msg']}; export the model again"
        raise BundleError(GOLDEN_FILE, problem) from None
    for case in golden.cases:
        if f"golden/{case.input}" not in bundle.manifest.files:
            raise BundleError(GOLDEN_FILE, f"names {case.input}, which the bundle lacks; export the model again")


def _check_order(registry: Registry, bundle: Bundle, allow_downgrade: bool) -> None:
    name, version = bundle.manifest.name, bundle.manifest.version
    present = registry.manifest(name, version)
    if present is not None and digest_of(present) == bundle.digest:
        return
    versions = registry.versions(name)
    if versions and present is None and precedence(version) <= precedence(versions[-1]) and not allow_downgrade:
        raise PublishingError(
            f"production has {name} {versions[-1]}, and {version} is not newer; export the run with a higher version, "
            "or give --allow-downgrade"
        )
