"""A finished run, as something to export."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.manifest import FeatureInput, ImageInput
from bundle.manifest import Lineage as ManifestLineage
from training.config import ImageConfig, ProjectConfig
from training.data import Data, Items, load_data
from training.evaluation.answers import load_model
from training.evaluation.card import card_metrics, card_texts
from training.evaluation.measure import evaluate
from training.evaluation.record import Evaluation, ProgramFigures, read_evaluation
from training.evaluation.report import add_latency
from training.export.model import ModelToExport
from training.export.programs import Say
from training.export.samples import Samples
from training.export.writer import MIN_AGREEMENT, Exported, export
from training.run import Lineage, Run, RunError

# Photos that calibrate int8: more change little and take longer.
_CALIBRATION = 256
# Of what is compared; of photos of 224x224 pixels, these are 1,783.
_EVALUATION_BYTES = 256 * 1024**2
_GOLDEN_PHOTOS = 6


def export_run(
    run: Run, model_version: str, output: Path, say: Say, *, data: str | None = None, min_agreement: float = MIN_AGREEMENT
) -> Exported:
    """Export a run, and put what was measured of its programs into its evaluation.

    The speeds that an earlier export put there decide again, until the run is evaluated anew: so exporting it once more
    gives the same bytes.

    Args:
        data: where the run's data is now; None: where its configuration says.

    Raises:
        RunError, ValueError: as `from_run`.
        ExportError: as `export`.
    """
    model = from_run(run, data, say)
    exported = export(
        model, model_version, output, say, min_agreement=min_agreement, speeds=_recorded_speeds(read_evaluation(run))
    )
    add_latency(run, _latency_figures(exported))
    return exported


def from_run(run: Run, data_override: str | None, say: Say) -> ModelToExport:
    """Describe a run's best weights, with its evaluation, which is made where it is missing.

    Args:
        data_override: where the data is now; None: where the configuration says.

    Raises:
        RunError: the run is not done, or the data is not that of the training.
        ValueError: the data cannot be read.
    """
    lineage, config = run.finished(), run.config()
    data = load_data(config, data_override, say=say)
    if data.digest != lineage.data_digest:
        raise RunError(
            f"the data ({data.digest}) is not what the run was trained with ({lineage.data_digest}): int8 is calibrated and "
            "compared with that, so restore it or say with --data where it is"
        )
    evaluation = _evaluation(run, data, say)
    trained = load_model(run)
    network = trained.network.cpu().eval()
    begun = f"starting from pretrained {config.network.backbone}" if config.network.pretrained else "from scratch"
    return ModelToExport(
        name=config.name,
        network=network,
        classes=lineage.classes,
        input=_input(config, lineage),
        mean=tuple(lineage.mean),
        std=tuple(lineage.std),
        temperature=evaluation.temperature,
        weights_origin=run.weights,
        source=f"trained by this project, run {lineage.run_id}, {begun}",
        training_data=f"{config.data_description} ({config.data_licence})",
        training_digest=lineage.data_digest,
        licence=config.licence,
        metrics=card_metrics(evaluation),
        card=card_texts(config, lineage, evaluation),
        samples=_samples(data),
        golden_photos=_golden_photos(data.test) if isinstance(config.input, ImageConfig) else None,
        lineage=ManifestLineage(
            run_id=lineage.run_id,
            git_revision=lineage.git_revision,
            config_digest=f"sha256:{hashlib.sha256(run.config_file.read_bytes()).hexdigest()}",
            seed=lineage.seed,
        ),
    )


def _evaluation(run: Run, data: Data, say: Say) -> Evaluation:
    try:
        return read_evaluation(run)
    except RunError as error:
        say(f"{error}: done now")
    return evaluate(run, data)


def _input(config: ProjectConfig, lineage: Lineage) -> ImageInput | FeatureInput:
    if isinstance(config.input, ImageConfig):
        return ImageInput(kind="image", preprocessing=config.input.preprocessing)
    return FeatureInput(kind="features", names=lineage.feature_names)


def _samples(data: Data) -> Samples:
    one = data.test.prepared(0).nbytes
    compared = _spread(data.test, max(1, _EVALUATION_BYTES // one))
    return Samples(
        calibration=data.train.batch(_spread(data.train, _CALIBRATION)),
        evaluation=data.test.batch(compared),
        labels=data.test.labels[compared],
    )


def _golden_photos(test: Items) -> dict[str, NDArray[np.uint8]]:
    """Return the first photo of some of the classes."""
    classes, first = np.unique(test.labels, return_index=True)
    chosen = first[np.unique(np.linspace(0, len(classes) - 1, min(_GOLDEN_PHOTOS, len(classes)), dtype=np.int64))]
    return {f"test-{number}": test.raw(int(index)) for number, index in enumerate(chosen)}


def _spread(items: Items, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, len(items) - 1, min(most, len(items)), dtype=np.int64))


def _recorded_speeds(evaluation: Evaluation) -> dict[str, float]:
    return {name: float(figures["items_per_second"] or 0) for name, figures in evaluation.latency.items()}


def _latency_figures(exported: Exported) -> dict[str, ProgramFigures]:
    return {
        name: {
            # Not rounded: the next export chooses by it.
            "items_per_second": of.items_per_second,
            "seconds_per_item": float(f"{of.seconds_per_item:.3g}"),
            "agreement": of.agreement.top1,
            "max_abs_difference": of.agreement.max_abs_difference,
            "accuracy": of.accuracy,
            "samples": of.agreement.samples,
            "chosen": name == exported.chosen,
        }
        for name, of in exported.measured.items()
    }
