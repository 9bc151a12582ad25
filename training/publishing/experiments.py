"""Finished runs in the bucket, below `experiments/<name>/<run_id>/`, never changed once they are complete.

    index.json            sha256 and size of every file below; written last
    run.json, config.yml, history.jsonl, evaluation/…
    bundle/…              the exported model, and its model.sig, which may follow later

Without an index a run is incomplete, or it is no run but what a training job of playbooks/train.yml keeps beside them.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from bundle import Bundle, digest_of, load
from bundle.loading import entry_of
from bundle.manifest import MANIFEST_FILE, SIGNATURE_FILE, FileEntry, FilePath, ModelName
from bundle.registry import Published, Store, fetch_bundle
from bundle.registry.publication import Publication
from training.evaluation.record import Evaluation, read_evaluation
from training.publishing.errors import PublishingError
from training.run import Lineage, Run

INDEX_FILE = "index.json"
BUNDLE = "bundle/"
_PLAIN_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_NAME: TypeAdapter[str] = TypeAdapter(ModelName)
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# The bundle says what the evaluation measured, in decimals.
_SAME_ACCURACY = 1e-4


class Index(BaseModel):
    """Contents of `index.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    name: str
    run_id: str
    files: dict[FilePath, FileEntry]

    @property
    def bundle_digest(self) -> str:
        """The digest by which the run's bundle is pinned."""
        return f"sha256:{self.files[BUNDLE + MANIFEST_FILE].sha256}"

    @model_validator(mode="after")
    def _has_a_bundle(self) -> Self:
        if BUNDLE + MANIFEST_FILE not in self.files:
            raise ValueError("a published run has a bundle")
        return self

    def to_bytes(self) -> bytes:
        return (json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n").encode()


@dataclass(frozen=True)
class Experiment:
    """One run in the bucket.

    Attributes:
        index: None while it is incomplete: its publish was interrupted, or it is removed half.
        changed: time of the last change below its prefix, UTC.
        keys: of all its objects; bytes: of all together.
        run: contents of run.json, empty where there is none.
        metrics: of its bundle.
    """

    name: str
    run_id: str
    index: Index | None
    changed: datetime
    keys: list[str]
    bytes: int
    run: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def status(self) -> Literal["published", "training job", "incomplete"]:
        if self.index is not None:
            return "published"
        folders = {key.split("/")[3] for key in self.keys}
        return "training job" if folders & {"checkpoints", "run"} else "incomplete"

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.manifest.get("metrics", {}))


class Experiments:
    """The runs in one bucket."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def publish(self, run: Run, bundle_directory: Path) -> Published:
        """Upload a finished, evaluated run with the bundle that was exported from it.

        Raises:
            RunError, ConfigError: the run is not finished or not evaluated.
            BundleError: the directory is not a valid bundle.
            PublishingError: it is the bundle of something else.
            RegistryError: the run is published with other content, or S3 refused.
        """
        lineage = run.finished()
        bundle = load(bundle_directory)
        _check_belongs(run, lineage, read_evaluation(run), bundle)
        paths = dict(_files_of(run))
        files = {name: (path, entry_of(path)) for name, path in paths.items()}
        for name, entry in bundle.manifest.files.items():
            files[BUNDLE + name] = (bundle.root / name, entry)
        files[BUNDLE + MANIFEST_FILE] = (bundle.root / MANIFEST_FILE, entry_of(bundle.root / MANIFEST_FILE))
        entries = {name: entry for name, (_, entry) in sorted(files.items())}
        index = Index(name=lineage.name, run_id=lineage.run_id, files=entries)
        prefix = prefix_of(lineage.name, lineage.run_id)
        location = self.store.location(prefix)
        signature = bundle.root / SIGNATURE_FILE
        sent = Publication(
            prefix=prefix,
            files=files,
            seal_name=INDEX_FILE,
            seal=index.to_bytes(),
            late={BUNDLE + SIGNATURE_FILE: signature} if signature.is_file() else {},
            occupied=(
                f"{location} holds other files of this run: a published run never changes. Publish the files that were "
                "published before, or train again: a new run has an id of its own"
            ),
        ).publish(self.store)
        return Published(location, bundle.digest, "published" if sent else "already published", sent)

    def index(self, name: str, run_id: str) -> Index:
        """Return what a run consists of.

        Raises:
            PublishingError: it is not published, or only half.
            RegistryError: S3 refused.
        """
        prefix = prefix_of(name, run_id)
        data = self.store.read(prefix + INDEX_FILE)
        if data is None:
            problem = "holds no completely published run; finish it with `python -m training publish`"
            raise PublishingError(f"{self.store.location(prefix)} {problem}")
        index = _parse_index(data)
        if index is None:
            raise PublishingError(f"{self.store.location(prefix + INDEX_FILE)} is not an index of this release")
        return index

    def fetch_bundle(self, name: str, run_id: str, output: Path) -> Bundle:
        """Download a run's bundle to `output` and verify it against the run's index.

        Raises:
            BundleError, PublishingError, RegistryError
        """
        index = self.index(name, run_id)
        return fetch_bundle(self.store, prefix_of(name, run_id) + BUNDLE, index.bundle_digest, output)

    def document(self, name: str, run_id: str, file: str) -> bytes:
        """Return a small file of a published run, verified against its index.

        Raises:
            PublishingError: the run has no such file, or it was changed.
        """
        entry = self.index(name, run_id).files.get(file)
        location = self.store.location(prefix_of(name, run_id) + file)
        data = self.store.read(prefix_of(name, run_id) + file) if entry else None
        if data is None or entry is None:
            raise PublishingError(f"{location} is missing")
        if digest_of(data) != f"sha256:{entry.sha256}":
            raise PublishingError(f"{location} was changed after it was published")
        return data

    def names(self) -> list[str]:
        """Return the names of the models that have runs."""
        return self.store.folders("experiments/")

    def list(self, name: str) -> list[Experiment]:
        """Return the runs of a model, the one that changed last first.

        Raises:
            PublishingError: this is no name of a model.
            RegistryError: S3 refused.
        """
        prefix = f"experiments/{checked_name(name)}/"
        found = [item for item in self.store.objects(prefix) if "/" in item.key.removeprefix(prefix)]
        runs = {
            run_id: list(items)
            for run_id, items in groupby(found, lambda item: item.key.removeprefix(prefix).partition("/")[0])
        }
        keys = {item.key for item in found}
        documents = self.store.read_all(
            key
            for run_id in runs
            for file in (INDEX_FILE, "run.json", BUNDLE + MANIFEST_FILE)
            if (key := f"{prefix}{run_id}/{file}") in keys
        )
        experiments = [
            Experiment(
                name=name,
                run_id=run_id,
                index=_parse_index(documents.get(f"{prefix}{run_id}/{INDEX_FILE}")),
                changed=max(item.modified for item in items),
                keys=[item.key for item in items],
                bytes=sum(item.bytes for item in items),
                run=_parse_object(documents.get(f"{prefix}{run_id}/run.json")),
                manifest=_parse_object(documents.get(f"{prefix}{run_id}/{BUNDLE}{MANIFEST_FILE}")),
            )
            for run_id, items in runs.items()
        ]
        return sorted(experiments, key=lambda each: (each.changed, each.run_id), reverse=True)


def prefix_of(name: str, run_id: str) -> str:
    """Return where a run is published.

    Raises:
        PublishingError: this is no name of a model, or no id of a run.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise PublishingError(f"{run_id!r} is no id of a run: letters, digits, '.', '_' and '-'")
    return f"experiments/{checked_name(name)}/{run_id}/"


def checked_name(name: str) -> str:
    """Return the name of a model; a slash in it would lead into a run. Raises PublishingError."""
    try:
        return _NAME.validate_python(name)
    except ValidationError:
        raise PublishingError(f"{name!r} is no name of a model: small letters and digits, joined by '-'") from None


def _check_belongs(run: Run, lineage: Lineage, evaluation: Evaluation, bundle: Bundle) -> None:
    manifest, origin = bundle.manifest, bundle.manifest.lineage
    export = f"export it: `python -m training export {run.root} --version VERSION --output DIR`"
    if run.config().name != lineage.name:
        raise PublishingError(f"{run.config_file} is of {run.config().name}, but {run.lineage_file} of {lineage.name}")
    if origin is None or (manifest.name, origin.run_id) != (lineage.name, lineage.run_id):
        made_from = f"of {manifest.name}, from {f'run {origin.run_id}' if origin else 'no run'}"
        raise PublishingError(
            f"{bundle.root} is a bundle {made_from}, and {run.root} is {lineage.name}'s run {lineage.run_id}; {export}"
        )
    if manifest.source.sha256 != entry_of(run.weights).sha256:
        raise PublishingError(f"{bundle.root} was exported from other weights than {run.weights} now holds; {export}")
    if origin.config_digest != f"sha256:{entry_of(run.config_file).sha256}":
        raise PublishingError(f"{bundle.root} was exported with another configuration than {run.config_file}; {export}")
    accuracy = manifest.metrics.get("test_accuracy")
    if accuracy is None or not abs(accuracy - evaluation.test_accuracy) <= _SAME_ACCURACY:
        stated = "no test_accuracy" if accuracy is None else f"a test_accuracy of {accuracy:.4f}"
        raise PublishingError(
            f"{bundle.root} states {stated}, and the run was evaluated with {evaluation.test_accuracy:.4f}; {export}"
        )


def _files_of(run: Run) -> Iterator[tuple[str, Path]]:
    for path in (run.lineage_file, run.config_file, run.history_file):
        if not path.is_file():
            raise PublishingError(f"{path} is missing; publish the directory as the training left it")
        yield path.name, path
    for path in sorted(run.evaluation.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise PublishingError(f"{path} is a symbolic link or special file; only plain files are published")
        name = path.relative_to(run.root).as_posix()
        if path.is_dir() or path.name.startswith("."):  # half-written, by a program that was stopped
            continue
        if not _PLAIN_PATH.fullmatch(name):
            raise PublishingError(f"{path}: the name of a published file has letters, digits, '.', '_' and '-' only")
        yield name, path


def _parse_index(data: bytes | None) -> Index | None:
    try:
        return None if data is None else Index.model_validate_json(data)
    except ValidationError:
        return None


def _parse_object(data: bytes | None) -> dict[str, Any]:
    """Read a document for a listing, which shows what it can."""
    try:
        document = json.loads(data or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
