"""`python -m training evaluate` as a person runs it: on real rows of a CSV file."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from tests.training.evaluation.runs import answers, config, finished
from training.cli import main
from training.config import CsvData
from training.data import load_data
from training.run import Run

pytestmark = pytest.mark.usefixtures("undrawn")


def _csv(path: Path, seed: int) -> Path:
    logits, labels = answers(3, 600, seed=seed)
    lines = [",".join([*(f"{value:.4f}" for value in row), "abc"[label]]) for row, label in zip(logits, labels, strict=True)]
    path.write_text("\n".join(["x,y,z,kind", *lines]) + "\n")
    return path


@pytest.fixture(name="run")
def _run(tmp_path: Path) -> Iterator[Run]:
    source = CsvData(source="csv", path=str(_csv(tmp_path / "rows.csv", 0)), label="kind")
    project = config(3, data=source.model_dump())
    run = finished(tmp_path / "run", load_data(project))
    run.write_config(project)
    yield run


def _evaluate(run: Run, *options: str) -> Result:
    return CliRunner().invoke(main, ["evaluate", str(run.root), *options])


def test_it_prints_the_report_and_the_figures(run: Run) -> None:
    result = _evaluate(run)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{run.evaluation / 'report.html'}\n"
    assert "test items are right (95 % interval" in result.stderr
    assert "Few items" in result.stderr


def test_the_floor_is_a_refusal_after_the_report(run: Run) -> None:
    assert _evaluate(run, "--min-accuracy", "0.5").exit_code == 0
    result = _evaluate(run, "--min-accuracy", "1")
    assert result.exit_code == 1
    assert "is below --min-accuracy 1" in result.stderr
    assert (run.evaluation / "report.html").is_file()


def test_other_data_is_another_test_set_only_when_it_is_named(run: Run, tmp_path: Path) -> None:
    assert _evaluate(run).exit_code == 0
    other = _evaluate(run, "--data", str(_csv(tmp_path / "other.csv", 7)))
    assert other.exit_code == 0, other.output
    assert "600 items of another test set" in other.stderr
    assert "/evaluation/other-" in other.stdout
    # However small: it is not split.
    few = tmp_path / "few.csv"
    few.write_text("x,y,z,kind\n9,0,0,a\n9,0,0.5,b\n")
    assert "50.0 % of 2 items of another test set" in _evaluate(run, "--data", str(few)).stderr
    # The same data, moved, is the run's own.
    moved = Path(tmp_path / "rows.csv").rename(tmp_path / "moved.csv")
    assert _evaluate(run, "--data", str(moved)).stdout == f"{run.evaluation / 'report.html'}\n"
    _csv(tmp_path / "rows.csv", 7)
    refused = _evaluate(run)
    assert refused.exit_code == 1
    assert "is not what the run was trained with" in refused.stderr


def test_what_is_no_finished_run_is_refused_in_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = _evaluate(Run(tmp_path / "empty"))
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "run.json is missing" in result.stderr
    run.weights.unlink()
    assert "is not done" in _evaluate(run).stderr
    assert _evaluate(Run(tmp_path / "nowhere")).exit_code == 2


def test_the_report_is_opened_when_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(click, "launch", opened.append)
    _evaluate(run)
    assert opened == []
    _evaluate(run, "--open")
    assert opened == [str(run.evaluation / "report.html")]


def test_a_batch_size_changes_nothing(run: Run) -> None:
    _evaluate(run, "--batch-size", "1")
    one = (run.evaluation / "evaluation.json").read_bytes()
    _evaluate(run, "--batch-size", "500")
    assert (run.evaluation / "evaluation.json").read_bytes() == one
