"""What is in production, and where it comes from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from bundle import RegistryError
from bundle.loading import digest_of
from bundle.manifest import MANIFEST_FILE, VERSION, Manifest
from bundle.registry import Registry, Store
from bundle.registry import prefix_of as version_prefix
from training.publishing.errors import PublishingError
from training.publishing.experiments import BUNDLE, Experiments, checked_name
from training.publishing.promotion import Promotion, parse_promotion, record_key


@dataclass(frozen=True)
class Version:
    """One published version.

    Attributes:
        manifest: as JSON, so that bundles of earlier formats can be listed and compared too.
        promotion: None where it was published without one.
    """

    name: str
    version: str
    digest: str
    manifest: dict[str, Any]
    promotion: Promotion | None

    @property
    def accuracy(self) -> float | None:
        """On the test split, where the manifest says it."""
        value = self.manifest.get("metrics", {}).get("test_accuracy")
        return None if value is None else float(value)

    @property
    def run_id(self) -> str | None:
        """The run that its weights come from."""
        return (self.manifest.get("lineage") or {}).get("run_id")


def list_versions(store: Store, name: str) -> list[Version]:
    """Return the versions of a model in production, the newest first. Raises RegistryError."""
    versions = Registry(store).versions(checked_name(name))[::-1]
    manifests = {version: version_prefix(name, version) + MANIFEST_FILE for version in versions}
    records = {version: record_key(name, version) for version in versions}
    documents = store.read_all([*manifests.values(), *records.values()])
    return [
        _version(name, version, data, documents[records[version]])
        for version, key in manifests.items()
        if (data := documents[key]) is not None
    ]


def read_version(store: Store, name: str, version: str) -> Version:
    """Return one version.

    Raises:
        PublishingError: there is none.
        RegistryError: S3 refused.
    """
    data = Registry(store).manifest(checked_name(name), version) if VERSION.match(version) else None
    if data is None:
        raise PublishingError(f"{store.location(version_prefix(name, version))} holds no published version")
    return _version(name, version, data, store.read(record_key(name, version)))


@dataclass(frozen=True)
class Origin:
    """Where the weights of a version or run come from.

    Attributes:
        label: the version, or the run's id.
        parameters: the configuration without the texts of its model card, by dotted keys; None where the run is not in the
            bucket (any more).
        bytes: size of the bundle's files.
    """

    label: str
    digest: str
    manifest: dict[str, Any]
    parameters: dict[str, Any] | None
    promotion: Promotion | None

    @property
    def bytes(self) -> int:
        return sum(entry["bytes"] for entry in self.manifest["files"].values())

    @property
    def lineage(self) -> dict[str, Any]:
        """Lineage as one JSON object."""
        recorded = self.manifest.get("lineage") or {}
        return {
            "digest": self.digest,
            "run_id": recorded.get("run_id"),
            "data_digest": self.manifest["training_data"]["digest"],
            "data": self.manifest["training_data"]["description"],
            "weights_sha256": self.manifest["source"]["sha256"],
            "code_revision": self.manifest["code_revision"],
            "git_revision": recorded.get("git_revision"),
            "config_digest": recorded.get("config_digest"),
            "seed": recorded.get("seed"),
            "parameters": self.parameters,
            "library_versions": self.manifest["library_versions"],
            "promotion": self.promotion.model_dump() if self.promotion else None,
        }


def origin_of(store: Store, name: str, version_or_run: str) -> Origin:
    """Look up a version in production or, failing that, a run.

    Raises:
        PublishingError: it is neither.
        RegistryError: S3 refused.
    """
    experiments = Experiments(store)
    try:
        version = read_version(store, name, version_or_run)
    except PublishingError:
        try:
            data = experiments.document(name, version_or_run, BUNDLE + MANIFEST_FILE)
        except PublishingError:
            problem = f"is neither a version of {name} in production nor a published run of it"
            raise PublishingError(f"{version_or_run} {problem}; see `python -m training list`") from None
        version = _version(name, version_or_run, data, None)
    missing = sorted(Manifest.model_fields.keys() - {"lineage"} - version.manifest.keys())
    if missing:
        raise PublishingError(f"{version_or_run} is of an earlier format, without {', '.join(missing)}")
    parameters = None
    if version.run_id is not None:
        try:
            document = yaml.safe_load(experiments.document(name, version.run_id, "config.yml"))
            parameters = flat({key: value for key, value in document.items() if key != "card"})
        except PublishingError:
            parameters = None
    return Origin(version_or_run, version.digest, version.manifest, parameters, version.promotion)


def flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested mappings by dotted keys; lists are values."""
    values: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            values.update(flat(value, f"{prefix}{key}."))
        else:
            values[f"{prefix}{key}"] = value
    return values


def _version(name: str, version: str, manifest: bytes, record: bytes | None) -> Version:
    try:
        document = json.loads(manifest)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise RegistryError(f"the manifest of {name} {version} is no JSON object")
    return Version(name, version, digest_of(manifest), document, parse_promotion(record))
