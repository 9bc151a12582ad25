"""Export of a model into a bundle. Same inputs on the same machine, same bytes: no dates, no paths."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bundle
from bundle.manifest import GOLDEN_FILE, MODEL_CARD_FILE, SCHEMA_VERSION, VERSION, ImageInput, Program
from training.export import openvino_program
from training.export.choice import Measured, choose, table
from training.export.golden import write_answers, write_feature_inputs, write_image_inputs
from training.export.measure import Predict, agreement, answer, items_per_second, seconds_per_item
from training.export.model import WEIGHTS_FILE, Exportable, ExportError
from training.export.programs import OPENVINO_FP32, OPENVINO_INT8, Say, Written, written_openvino
from training.export.quantise import quantise
from training.export.revision import code_revision

MIN_AGREEMENT = 0.98
# Engines compute the same fp32 arithmetic in another order; measured on EfficientNet-Lite0: 1e-6.
PARITY_BOUND = 1e-3
# The metric that a promotion and an inventory ask for.
ACCURACY = "test_accuracy"

_LIBRARIES = ("numpy", "openvino", "pillow", "safetensors", "torch")


@dataclass(frozen=True)
class Exported:
    """A bundle, and what was measured of its programs. Speeds differ from run to run, so the bundle does not hold them."""

    sealed: bundle.Bundle
    measured: dict[str, Measured]
    chosen: str

    def write_report(self, path: Path) -> None:
        """Write what was measured, as JSON."""
        programs = {name: {**asdict(of), "agreement": of.agreement.model_dump()} for name, of in self.measured.items()}
        path.write_text(json.dumps({"chosen": self.chosen, "programs": programs}, indent=1) + "\n")


def export(
    model: Exportable,
    model_version: str,
    output: Path,
    say: Say,
    *,
    min_agreement: float = MIN_AGREEMENT,
    speeds: Mapping[str, float] | None = None,
) -> Exported:
    """Write the bundle to `output`, which must not exist yet; an interrupted export leaves nothing there.

    Args:
        min_agreement: share of the samples for which a program has to put the same class first as the reference, to be
            the one that hosts run.
        speeds: items a second of each program as measured before, to choose by; measured anew where one is missing.

    Raises:
        ExportError: output exists, the version is none, or an fp32 program disagrees with the reference.
    """
    check_target(model_version, output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".export-") as scratch:
        root = Path(scratch) / "bundle"
        root.mkdir()
        measured, chosen = _write(root, model, model_version, say, min_agreement=min_agreement, speeds=speeds or {})
        root.chmod(0o755)
        root.rename(output)
    sealed = bundle.load(output)
    for line in table(measured, chosen, min_agreement):
        say(line)
    say(f"wrote {output} ({sum(entry.bytes for entry in sealed.manifest.files.values()) / 1e6:.1f} MB)")
    return Exported(sealed, measured, chosen)


def check_target(model_version: str, output: Path) -> None:
    """Raises ExportError where the version is none, or the output exists."""
    if not VERSION.fullmatch(model_version):
        raise ExportError(f"{model_version!r} is no version; write three numbers, such as 1.0.0")
    if output.exists():
        raise ExportError(f"{output} exists already; remove it or choose another directory")


def _write(
    root: Path, model: Exportable, model_version: str, say: Say, *, min_agreement: float, speeds: Mapping[str, float]
) -> tuple[dict[str, Measured], str]:
    reference = model.reference()
    programs = model.write(root, say)
    exact = list(programs)
    if model.samples and isinstance(model.input, ImageInput):
        say(f"quantising with {len(model.samples.calibration)} photos")
        fp32 = root / programs[OPENVINO_FP32].entry["path"]
        quantised = quantise(fp32, model.samples.calibration, min_agreement, say)
        int8 = openvino_program.save(quantised, model.name, fp32.with_name("int8.xml"))
        programs[OPENVINO_INT8] = written_openvino(int8, "int8")
    say("answering the golden set with the reference")
    inputs = _write_golden_inputs(root, model)
    items = np.stack(list(inputs.values()))
    expected = np.concatenate([reference(item[None]) for item in items])
    golden = write_answers(root / GOLDEN_FILE, inputs, expected)
    say("comparing the programs")
    measured = _measure(programs, items, expected, model, speeds)
    for name in exact:
        if measured[name].golden_difference > PARITY_BOUND:
            raise ExportError(
                f"{name} differs from the reference by {measured[name].golden_difference:.2g}; "
                f"at most {PARITY_BOUND} is allowed"
            )
    chosen = choose(measured, min_agreement)
    metrics = {**model.metrics, **_figures(model, measured)}
    (root / MODEL_CARD_FILE).write_text(
        model.card.render(model, model_version, metrics, golden, measured[chosen].tolerance), encoding="utf-8"
    )
    entries = {
        name: Program(**programs[name].entry, agreement=of.agreement, tolerance=of.tolerance) for name, of in measured.items()
    }
    bundle.seal(
        root, _manifest(model, model_version, metrics=metrics, programs=entries, chosen=chosen, min_agreement=min_agreement)
    )
    return measured, chosen


def _write_golden_inputs(root: Path, model: Exportable) -> dict[str, NDArray[Any]]:
    directory = (root / GOLDEN_FILE).parent
    if isinstance(model.input, ImageInput):
        return write_image_inputs(directory, model.input.preprocessing, model.golden_photos)
    if model.samples is None:
        raise ExportError("a model of features needs samples, for its golden set")
    return write_feature_inputs(directory, model.samples.evaluation)


def _measure(
    programs: dict[str, Written],
    golden: NDArray[Any],
    expected: NDArray[np.float32],
    model: Exportable,
    speeds: Mapping[str, float],
) -> dict[str, Measured]:
    samples = model.samples.evaluation if model.samples else golden
    standing = model.standing_for_reference
    answers = {name: answer(program.predict, samples) for name, program in programs.items()}
    if not programs.keys() <= speeds.keys():
        speeds = items_per_second({name: program.predict for name, program in programs.items()}, samples)
    labels = model.samples.labels if model.samples else None
    return {
        name: Measured(
            agreement=agreement(answers[standing], answers[name]),
            golden_difference=_golden_difference(program.predict, golden, expected),
            tolerance=program.tolerance,
            items_per_second=speeds[name],
            seconds_per_item=seconds_per_item(program.predict, samples),
            accuracy=None if labels is None else float((answers[name].argmax(axis=1) == labels).mean()),
        )
        for name, program in programs.items()
    }


def _golden_difference(predict: Predict, golden: NDArray[Any], expected: NDArray[np.float32]) -> float:
    """Return the largest absolute difference of any probability over the golden inputs, batched and one by one."""
    single = np.concatenate([predict(item[None]) for item in golden])
    difference = max(np.abs(answer(predict, golden) - expected).max(), np.abs(single - expected).max())
    return float(f"{difference:.3g}")


def _figures(model: Exportable, measured: dict[str, Measured]) -> dict[str, float]:
    """Return the metrics that the export measures. Without an evaluation, the reference's accuracy is the model's."""
    figures = {}
    accuracy = measured[model.standing_for_reference].accuracy
    if accuracy is not None and ACCURACY not in model.metrics:
        figures[ACCURACY] = accuracy
    for name, of in measured.items():
        key = name.replace("-", "_")
        if of.accuracy is not None:
            figures[f"{key}_{ACCURACY}"] = of.accuracy
        figures[f"{key}_top1_agreement"] = of.agreement.top1
        figures[f"{key}_golden_max_abs_difference"] = of.golden_difference
    return figures


def _manifest(
    model: Exportable,
    model_version: str,
    *,
    metrics: dict[str, float],
    programs: dict[str, Program],
    chosen: str,
    min_agreement: float,
) -> dict[str, object]:
    return {
        "schema_version": SCHEMA_VERSION,
        "name": model.name,
        "version": model_version,
        "licence": model.licence,
        "source": {"description": model.source, "sha256": hashlib.sha256(model.weights_origin.read_bytes()).hexdigest()},
        "input": model.input,
        "classes": model.classes,
        "weights": WEIGHTS_FILE,
        "programs": programs,
        "program": chosen,
        "min_agreement": min_agreement,
        "metrics": metrics,
        "training_data": {"description": model.training_data, "digest": model.training_digest},
        "lineage": model.lineage,
        "code_revision": code_revision(),
        # What only makes int8 programs is not installed where none is wanted.
        "library_versions": {name: version(name) for name in (*_LIBRARIES, *(["nncf"] if OPENVINO_INT8 in programs else []))},
    }
