"""The model that is to be released: found, verified, checked and published under production/."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bundle import Bundle, BundleError, RegistryError, digest_of, load
from bundle.manifest import MANIFEST_FILE, VERSION, Manifest, parse_manifest
from bundle.registry import Registry, Store
from delivery.environment import Environment, Pin
from delivery.errors import DeliveryError
from delivery.release.checks import check_floor, check_golden_set, check_version

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Candidate:
    """A published model that may be pinned.

    Attributes:
        root: directory with the verified bundle.
        location: s3:// address of the published bundle.
        golden_cases: inputs of its golden set.
        accuracy: its test accuracy, if it names one.
    """

    pin: Pin
    manifest: Manifest
    root: Path
    location: str
    golden_cases: int
    accuracy: float | None


def publish_candidate(model: str, environment: Environment, allow_downgrade: bool, progress: Progress) -> Candidate:
    """Find the model, refuse it or publish it. Nothing is written before every check is passed.

    Args:
        model: directory of a signed bundle, NAME:VERSION of a published model, or NAME:RUN_ID of a run in the registry.

    Raises DeliveryError where it is not there, not signed by the environment's key, not what its digests say, below the floor,
    or a lower version.
    """
    try:
        if Path(model).is_dir():
            bundle = load(Path(model), public_key=environment.public_key_file())
        else:
            bundle = _from_registry(model, environment, allow_downgrade, progress)
        pin = Pin(bundle.manifest.name, bundle.manifest.version, bundle.digest)
        cases = check_golden_set(bundle)
        accuracy = check_floor(bundle, environment)
        check_version(pin, environment.pin, allow_downgrade)
        published = Registry(environment.models_bucket).publish(bundle.root, environment.public_key_file())
    except BundleError as error:
        raise DeliveryError(f"the bundle is refused: {error}") from None
    except RegistryError as error:
        raise DeliveryError(str(error)) from None
    progress(f"{published.outcome}: {pin} in {published.location}")
    return Candidate(pin, bundle.manifest, bundle.root, published.location, cases, accuracy)


def published_manifest(bucket: str, pin: Pin) -> Manifest | None:
    """Return the manifest of a published model, or None if there is none with the pinned digest."""
    data = Registry(bucket).manifest(pin.name, pin.version)
    return parse_manifest(data) if data is not None and digest_of(data) == pin.digest else None


def _from_registry(model: str, environment: Environment, allow_downgrade: bool, progress: Progress) -> Bundle:
    name, colon, identity = model.partition(":")
    if not (name and colon and identity):
        raise DeliveryError(
            f"'{model}' is neither the directory of a bundle nor NAME:VERSION or NAME:RUN_ID; `python -m training list` shows "
            "what is published"
        )
    bucket = environment.models_bucket
    version = identity if VERSION.match(identity) else _promote(name, identity, environment, allow_downgrade, progress)
    data = Registry(bucket).manifest(name, version)
    if data is None:
        raise DeliveryError(f"s3://{bucket} has no production/{name}/{version}; `python -m training list` shows what it has")
    digest = digest_of(data)
    output = environment.root / ".cache" / "releases" / f"{name}-{version}-{digest[7:19]}"
    kept = output.exists()
    fetch = partial(Registry(bucket).fetch, name, version, digest, output, environment.public_key_file())
    try:
        return fetch()
    except BundleError:
        if not kept:
            raise
    # An earlier release has kept it, and it is damaged, or signed with a key that has been replaced since.
    shutil.rmtree(output)
    return fetch()


def _promote(name: str, run_id: str, environment: Environment, allow_downgrade: bool, progress: Progress) -> str:
    """Promote a run of the registry; return the version that its bundle has."""
    bucket, key = environment.models_bucket, f"experiments/{name}/{run_id}/bundle/{MANIFEST_FILE}"
    data = Store(bucket).read(key)
    if data is None:
        raise DeliveryError(
            f"s3://{bucket}/{key} is missing: {run_id} is neither a version nor a published run of {name}; publish the "
            "run with `python -m training publish`"
        )
    command = [
        *(sys.executable, "-m", "training", "promote", name, run_id, f"--bucket={bucket}"),
        f"--public-key={environment.public_key_file()}",
        f"--min-accuracy={environment.min_accuracy}",
        *(["--allow-downgrade"] if allow_downgrade else []),
    ]
    progress(f"promoting the run {run_id} of {name}")
    done = subprocess.run(command, cwd=environment.root, env=os.environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeliveryError(f"the run {run_id} is not promoted: {(done.stderr or done.stdout).strip()}")
    return parse_manifest(data).version
