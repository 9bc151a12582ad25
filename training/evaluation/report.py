"""`report.html`: one file that shows what was measured, made from what lies in the directory of the evaluation."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from training.evaluation.findings import findings, percent
from training.evaluation.mistakes import picture
from training.evaluation.plots import BAR_CLASSES, MATRIX_CLASSES, draw_all
from training.evaluation.record import Evaluation, ProgramFigures, read_directory, read_evaluation
from training.evaluation.sheet import draw_sheet
from training.evaluation.theme import css_variables
from training.run import Run

FILE = "report.html"
_PAIRS = 15


@dataclass(frozen=True)
class Confused:
    """Items of one class that were answered with another."""

    truth: str
    answer: str
    count: int
    share: float


def add_latency(run: Run, figures: Mapping[str, ProgramFigures]) -> Evaluation:
    """Put the figures of the exported programs into `evaluation.json`, in place of earlier ones, and render the report again.

    Raises:
        RunError: the run is not evaluated, or its evaluation is about other weights.
    """
    known = read_evaluation(run).model_dump(by_alias=True)
    evaluation = Evaluation.model_validate({**known, "latency": figures})
    evaluation.write(run.evaluation)
    _write_page(run, run.evaluation, evaluation)
    return evaluation


def write_report(run: Run, directory: Path) -> None:
    """Draw the plots and write `report.html`, from `evaluation.json`, the kept pictures and the run's own files.

    Raises:
        RunError: there is no evaluation, or it is about other weights.
    """
    evaluation = read_directory(run, directory)
    draw_all(evaluation, read_history(run), run.lineage().best_epoch, directory)
    draw_sheet(evaluation, directory)
    _write_page(run, directory, evaluation)


def _write_page(run: Run, directory: Path, evaluation: Evaluation) -> None:
    lineage = run.lineage()
    environment = Environment(
        loader=PackageLoader("training.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, number=_number, duration=_duration)
    style = css_variables() + environment.get_template("report.css").render()
    page = environment.get_template("report.html.j2").render(
        evaluation=evaluation,
        lineage=lineage,
        config=run.config(),
        configuration=yaml.safe_dump(run.config().model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        findings=findings(evaluation, read_history(run), lineage.best_epoch),
        confused=most_confused(evaluation),
        mistakes=[(each, _inlined(picture(directory, rank))) for rank, each in enumerate(evaluation.mistakes)],
        plots={name: _inlined(directory / f"{name}.svg") for name in ("confusion", "classes", "reliability", "history")},
        programs=_programs(evaluation),
        matrix_classes=MATRIX_CLASSES,
        bar_classes=BAR_CLASSES,
        # The policy names the one style by its digest. Markup: none of it is anybody's data.
        style=Markup(style),  # noqa: S704
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )
    path = directory / FILE
    part = path.with_name(f".{FILE}.part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)


def read_history(run: Run) -> list[dict[str, Any]]:
    """Return the lines of `history.jsonl`, of which a last one that is cut off is left out; [] without any."""
    if not run.history_file.is_file():
        return []
    lines = []
    for line in run.history_file.read_text().splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return [line for line in lines if isinstance(line, dict) and "epoch" in line]


def most_confused(evaluation: Evaluation) -> list[Confused]:
    """Return the pairs of classes that are taken for one another most often, the most items first."""
    matrix = np.array(evaluation.confusion)
    support = matrix.sum(axis=1)
    np.fill_diagonal(matrix, 0)
    order = np.argsort(-matrix, axis=None, kind="stable")[:_PAIRS]
    pairs = [divmod(int(index), len(matrix)) for index in order]
    names = evaluation.classes
    return [
        Confused(names[truth], names[answer], int(matrix[truth, answer]), float(matrix[truth, answer] / support[truth]))
        for truth, answer in pairs
        if matrix[truth, answer]
    ]


def _programs(evaluation: Evaluation) -> dict[str, Any]:
    """Return the table of programs: names of its columns, and the rows."""
    columns = list(dict.fromkeys(key for figures in evaluation.latency.values() for key in figures))
    rows = [(name, [figures.get(key) for key in columns]) for name, figures in evaluation.latency.items()]
    return {"columns": [key.replace("_", " ") for key in columns], "rows": rows}


def _number(value: float | str | bool | None) -> str:
    """Write a figure of a table: whole numbers whole, others with four digits, and what is not known as none."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return f"{value:,.0f}".replace(",", "\u2009") if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"


def _duration(seconds: float) -> str:
    """Write a duration as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def _inlined(path: Path) -> str | None:
    """Return a picture as a data: URL, or None where there is none."""
    if not path.is_file():
        return None
    kind = {".svg": "image/svg+xml", ".jpg": "image/jpeg"}[path.suffix]
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
