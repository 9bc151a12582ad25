"""`python -m training evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from training.evaluation.measure import Progress
    from training.evaluation.record import Evaluation
    from training.run import Run


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--data",
    help="Where the data is now (a directory, a file or s3://bucket/prefix). Other data than that of the training is"
    " measured as another test set: all of it, into a directory of its own.",
)
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Items of one inference.")
@click.option("--min-accuracy", type=click.FloatRange(0, 1), help="Refuse a test accuracy below this share.")
@click.option("--open", "show", is_flag=True, help="Open the report in a browser.")
def command(run: Path, *, data: str | None, batch_size: int, min_accuracy: float | None, show: bool) -> None:
    """Measure a finished RUN, write figures and a report to RUN/evaluation, and print where the report is.

    Exit status: 0 done, 1 refused (the message says why), 2 wrong usage.
    """
    # torch takes two seconds to import, and --help needs none of it.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from training.run import Run, RunError

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    opened, tasks = Run(run), {}
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:

            def progress(split: str, done: int, items: int) -> None:
                if split not in tasks:
                    tasks[split] = bars.add_task(f"{split} items", total=items)
                bars.update(tasks[split], completed=done)

            evaluation, directory = _measure(opened, data, batch_size, progress)
        best_epoch = opened.lineage().best_epoch
    except (RunError, ValueError) as error:
        raise click.ClickException(str(error)) from None

    from training.evaluation.findings import findings, percent
    from training.evaluation.report import FILE, read_history

    low, high = evaluation.test.accuracy_interval
    whole = "items of another test set" if evaluation.other_test_set else "test items"
    click.echo(
        f"{percent(evaluation.test_accuracy)} of {evaluation.samples:,} {whole} are right"
        f" (95 % interval {percent(low)} to {percent(high)}); temperature {evaluation.temperature:g}",
        err=True,
    )
    for each in findings(evaluation, read_history(opened), best_epoch):
        click.echo(f"{each.title}: {each.text}", err=True)
    report = directory / FILE
    click.echo(report)
    if show:
        click.launch(str(report))
    if min_accuracy is not None and evaluation.test_accuracy < min_accuracy:
        raise click.ClickException(f"the test accuracy {evaluation.test_accuracy:g} is below --min-accuracy {min_accuracy:g}")


def _measure(run: Run, data: str | None, batch_size: int, progress: Progress) -> tuple[Evaluation, Path]:
    """Measure on the run's own data, or on another test set where other data is named. Returns where it was written."""
    # A run that is not done is refused at once.
    lineage, config = run.finished(), run.config()
    from training.data import load_all, load_data
    from training.evaluation.measure import OtherData, evaluate, evaluate_other

    def say(line: str) -> None:
        click.echo(line, err=True)

    if data is not None:
        other = OtherData(*load_all(config, data, say=say))
        if other.digest != lineage.data_digest:
            return evaluate_other(run, other, batch_size=batch_size, progress=progress)
    return evaluate(run, load_data(config, data, say=say), batch_size=batch_size, progress=progress), run.evaluation
