"""Finished runs and their bundles, made of a few bytes: what the registry looks at, without a network."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bundle import load, seal
from bundle.registry import Registry, Store
from bundle.signing import sign
from tests.bundle.small import small_bundle
from training.config import load_config
from training.evaluation.record import Calibrated, ClassFigures, Evaluation, Figures
from training.publishing.experiments import Experiments
from training.publishing.promotion import Conditions, Promoted, promote
from training.run import Lineage, Run

BUCKET = "pettracker-test-123456789012-models"
RUN_ID = "20261122T071500Z-0a1b2c"
ACCURACY = 0.9625


@dataclass(frozen=True)
class Trained:
    """A run and what was exported from it."""

    run: Run
    bundle: Path

    @property
    def digest(self) -> str:
        return load(self.bundle).digest


def trained(
    root: Path,
    run_id: str = RUN_ID,
    version: str = "1.0.0",
    *,
    accuracy: float = ACCURACY,
    overrides: dict[str, Any] | None = None,
    **manifest: Any,
) -> Trained:
    """Make a run of the packaged Iris configuration and its bundle.

    Args:
        overrides: of the configuration.
        manifest: fields that the bundle's manifest has in place of the right ones.
    """
    run = Run(root / "run")
    config = load_config("iris", overrides)
    run.write_config(config)
    run.write_lineage(replace(_LINEAGE, run_id=run_id))
    run.history_file.write_text('{"epoch": 1, "train_loss": 0.4}\n')
    run.weights.write_text(f"weights of {run_id}")
    run.checkpoints.mkdir()
    (run.checkpoints / "1").write_text("not published")
    weights = _sha256(run.weights)
    evaluation(run, accuracy).write(run.evaluation)
    (run.evaluation / "report.html").write_text("<!doctype html>")
    bundle = small_bundle(root / "bundle", version)
    fields = load(bundle).manifest.model_dump(exclude={"files"}) | {
        "name": "iris",
        "source": {"description": "trained here", "sha256": weights},
        "metrics": {"test_accuracy": accuracy, "temperature": 1.25},
        "training_data": {"description": "Iris", "digest": _LINEAGE.data_digest},
        "lineage": {
            "run_id": run_id,
            "git_revision": _LINEAGE.git_revision,
            "config_digest": f"sha256:{_sha256(run.config_file)}",
            "seed": _LINEAGE.seed,
        },
        "library_versions": _LINEAGE.library_versions,
    }
    seal(bundle, fields | manifest)
    return Trained(run, bundle)


def evaluation(run: Run, accuracy: float) -> Evaluation:
    """An evaluation of the run's present weights."""
    same = Calibrated(before=0.1, after=0.1)
    figures = Figures(
        samples=80,
        accuracy=accuracy,
        accuracy_interval=(0.0, 1.0),
        top5_accuracy=None,
        balanced_accuracy=accuracy,
        macro_f1=accuracy,
        majority_class="no",
        majority_accuracy=0.5,
        negative_log_likelihood=same,
        expected_calibration_error=same,
        reliability_before=[],
        reliability_after=[],
    )
    classes = [ClassFigures(name=name, precision=1, recall=1, f1=1, support=40) for name in ("no", "yes")]
    return Evaluation(
        name="iris",
        run_id=run.lineage().run_id,
        weights_sha256=_sha256(run.weights),
        data_digest=_LINEAGE.data_digest,
        other_test_set=False,
        test=figures,
        validation=figures,
        temperature=1.25,
        temperature_note="",
        per_class=classes,
        validation_per_class=classes,
        confusion=[[40, 0], [0, 40]],
        mistakes=[],
    )


def change_manifest(bundle: Path, **fields: Any) -> Path:
    """Seal a bundle again with other fields in its manifest."""
    document = json.loads((bundle / "manifest.json").read_bytes())
    document.pop("files")
    return seal(bundle, document | fields).root


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class Releaser:
    """Whoever has the signing key, and a bucket."""

    store: Store
    private_key: Path
    public_key: Path
    directory: Path

    def publish(self, run_id: str = RUN_ID, version: str = "1.0.0", *, signed: bool = True, **made: Any) -> Trained:
        run = trained(self.directory / run_id, run_id, version, **made)
        if signed:
            sign(run.bundle, self.private_key)
        Experiments(self.store).publish(run.run, run.bundle)
        return run

    def promote(self, run_id: str = RUN_ID, **conditions: Any) -> Promoted:
        wanted = replace(Conditions(self.public_key), **conditions)
        return promote(self.store, "iris", run_id, wanted, lambda: "arn:aws:iam::123456789012:user/releaser")

    def versions(self) -> list[str]:
        return Registry(self.store).versions("iris")


_LINEAGE = Lineage(
    run_id=RUN_ID,
    name="iris",
    data_digest="sha256:" + "d" * 64,
    data_items={"train": 120, "validation": 15, "test": 15},
    code_revision="sha256:" + "c" * 64,
    git_revision="0123456789abcdef",
    seed=7,
    classes=["no", "yes"],
    mean=[0.0, 0.0],
    std=[1.0, 1.0],
    feature_names=["a", "b"],
    library_versions={"torch": "2.13.0"},
    status="finished",
    started="2026-11-22T07:15:00+00:00",
    finished="2026-11-22T07:15:09+00:00",
    seconds=9.0,
    best_epoch=1,
    validation_loss=0.2,
    validation_accuracy=0.95,
)
