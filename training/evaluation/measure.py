"""Measures a run's best weights on data that they were not trained with."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from training.data import Data, Items
from training.evaluation.answers import load_model
from training.evaluation.figures import Labels, Logits, class_figures, fit_temperature, probabilities, split_figures
from training.evaluation.mistakes import describe, keep_pictures, worst
from training.evaluation.record import ClassFigures, Evaluation, read_evaluation, weights_sha256
from training.evaluation.report import write_report
from training.run import Lineage, Run, RunError

# Says which split is measured, and how many of how many items are done.
Progress = Callable[[str, int, int], None]
BATCH = 64


@dataclass(frozen=True)
class _Measured:
    """Answers to one split: logits and labels in the order of the network's outputs."""

    items: Items
    logits: Logits
    labels: Labels


@dataclass(frozen=True)
class OtherData:
    """Other data than that of the training, unsplit, as `training.data.load_all` reads it."""

    items: Items
    classes: list[str]
    digest: str
    feature_names: list[str]


def evaluate(
    run: Run, data: Data, *, batch_size: int = BATCH, progress: Progress = lambda _split, _done, _all: None
) -> Evaluation:
    """Measure the validation and the test split of the run's own data, and write `evaluation/`.

    Raises:
        RunError: the run is not done, or the data is not that of the training.
    """
    lineage = run.finished()
    if data.digest != lineage.data_digest:
        raise RunError(
            f"the data ({data.digest}) is not what the run was trained with ({lineage.data_digest}), so its test split may"
            " hold items of the training: restore the data, or name other data by --data to measure it as another test set"
        )
    if data.classes != lineage.classes:
        raise RunError(f"the data's classes are {data.classes}, and the run's {lineage.classes}")
    model = load_model(run)
    validation, test = (
        _Measured(items, model.answer(items, batch_size, partial(progress, split)), items.labels)
        for split, items in (("validation", data.validation), ("test", data.test))
    )
    temperature, note = fit_temperature(validation.logits, validation.labels)
    per_class = _class_figures(validation, lineage)
    return _conclude(
        run,
        run.evaluation,
        test,
        data_digest=data.digest,
        other_test_set=False,
        validation=split_figures(validation.logits, validation.labels, temperature, per_class),
        validation_per_class=per_class,
        temperature=temperature,
        temperature_note=note,
    )


def evaluate_other(
    run: Run, data: OtherData, *, batch_size: int = BATCH, progress: Progress = lambda _split, _done, _all: None
) -> tuple[Evaluation, Path]:
    """Measure every item of another test set, with the temperature of the run's own evaluation.

    What the registry and the export read stays as it is: this is written to a directory of its own, which is returned too.

    Raises:
        RunError: the run is not done or not evaluated on its own data, or the data has classes or features that it has not.
    """
    lineage, own = run.finished(), read_evaluation(run)
    if unknown := sorted(set(data.classes) - set(lineage.classes)):
        raise RunError(f"the run knows no class {', '.join(unknown)}; it knows {', '.join(lineage.classes)}")
    if data.feature_names != lineage.feature_names:
        raise RunError(f"the data's features are {data.feature_names}, and the run's {lineage.feature_names}")
    logits = load_model(run).answer(data.items, batch_size, partial(progress, "all"))
    ids = np.array([lineage.classes.index(name) for name in data.classes], np.int64)
    test = _Measured(data.items, logits, ids[data.items.labels])
    directory = run.evaluation / f"other-{data.digest.removeprefix('sha256:')[:12]}"
    evaluation = _conclude(
        run,
        directory,
        test,
        data_digest=data.digest,
        other_test_set=True,
        validation=own.validation,
        validation_per_class=own.validation_per_class,
        temperature=own.temperature,
        temperature_note=own.temperature_note,
    )
    return evaluation, directory


def _conclude(run: Run, directory: Path, test: _Measured, **rest: Any) -> Evaluation:
    """Compute what is known of the measured split, and write figures, pictures, plots and report."""
    lineage, per_class = run.lineage(), _class_figures(test, run.lineage())
    chances = probabilities(test.logits, rest["temperature"])
    chosen = worst(test.items.ids, chances, test.labels)
    answers, ids = test.logits.argmax(axis=1), np.arange(len(lineage.classes))
    evaluation = Evaluation(
        name=lineage.name,
        run_id=lineage.run_id,
        weights_sha256=weights_sha256(run),
        test=split_figures(test.logits, test.labels, rest["temperature"], per_class),
        per_class=per_class,
        confusion=confusion_matrix(test.labels, answers, labels=ids).tolist(),
        mistakes=[describe(test.items, index, chances, test.labels, lineage.classes) for index in chosen],
        **rest,
    )
    keep_pictures(directory, test.items, chosen)
    evaluation.write(directory)
    write_report(run, directory)
    return evaluation


def _class_figures(measured: _Measured, lineage: Lineage) -> list[ClassFigures]:
    return class_figures(measured.logits.argmax(axis=1), measured.labels, lineage.classes)
