"""`python -m training train`."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from training.config import ProjectConfig
    from training.loop import Options, Processes, Reporter
    from training.run import Lineage, Run

INTERRUPTED = 75  # sysexits.h: EX_TEMPFAIL, try again


@click.command("train")
@click.argument("config")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Directory of the run. If it holds one that is not done, training goes on there.",
)
@click.option("--data", help="Directory, file or s3://bucket/prefix, in place of the configuration's data.path.")
@click.option(
    "--checkpoints",
    metavar="S3_URL",
    default="",
    help="s3://bucket/prefix where a copy of each checkpoint is kept; without one on the disk, training goes on from there.",
)
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Another value for a key of the configuration, such as training.epochs=2. May be repeated.",
)
@click.option(
    "--metrics",
    type=click.Choice(["none", "cloudwatch"]),
    default="none",
    show_default=True,
    help="Where ModelAccuracy, TrainingDuration and TrainingFailed go at the end.",
)
@click.option(
    "--metric-namespace", metavar="NAME", default="ML/Training", show_default=True, help="Their namespace in CloudWatch."
)
@click.option(
    "--spot-notices",
    metavar="URL",
    default="",
    help="Instance metadata service to ask for Spot notices: http://169.254.169.254 on EC2. [default: nobody is asked]",
)
@click.option("--quiet", is_flag=True, help="Say nothing but warnings and errors.")
def command(
    config: str,
    *,
    output: Path,
    data: str | None,
    checkpoints: str,
    overrides: tuple[str, ...],
    metrics: str,
    metric_namespace: str,
    spot_notices: str,
    quiet: bool,
) -> None:
    """Train the network that CONFIG describes: a packaged configuration's name (fashion, iris, pets) or a YAML file.

    A checkpoint is written after each epoch, and between two steps on SIGTERM, SIGINT (Ctrl-C) or a Spot notice. The same
    command goes on from the last one, and ends with the same weights bit for bit, on the same machine. A run whose
    configuration or data have changed meanwhile is refused.

    Several processes: `torchrun --nproc-per-node 2 -m training train ...`. They divide each batch among them and share the
    run's directory. Batch norm is computed over the whole batch on GPUs, and by each process over its part on CPUs.

    Exit status: 0 done, 1 refused or failed (the message says why), 2 wrong usage, 75 interrupted: the same command goes on.
    With torchrun the status is torchrun's own: 0, or 1 for all else.
    """
    from training.config import ConfigError, load_config
    from training.run import Run

    try:
        chosen = load_config(config, dict(_pair(text) for text in overrides))
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    _choose_deterministic_cublas()
    # torch takes seconds to import; --help and a wrong configuration need none of it.
    from training.loop import Options, Reporter, joined

    logging.getLogger("torch").setLevel(logging.ERROR)
    with joined() as processes:
        reporter = Reporter(quiet, mute=not processes.first)
        tells = metrics == "cloudwatch" and processes.first
        with _told(chosen.name, metric_namespace if tells else None, reporter) as told:
            options = Options(checkpoints=checkpoints, spot_notices=spot_notices)
            told.append(_train(chosen, Run(output), data, options, processes=processes, reporter=reporter))
    if processes.first:
        click.echo(told[0].run_id)


def _train(
    config: "ProjectConfig", run: "Run", data: str | None, options: "Options", *, processes: "Processes", reporter: "Reporter"
) -> "Lineage":
    """Raises click.ClickException, or exits when it was interrupted."""
    from training.data import DataError, load_data
    from training.loop import InterruptedTraining, TrainingError, train
    from training.loop.lineage import check_same
    from training.networks import NetworkError
    from training.run import RunError

    try:
        if run.config_file.exists():
            check_same(run.config().model_dump(mode="json"), config)
            if run.lineage_file.exists() and run.lineage().status == "finished":
                reporter.say(f"{run.root} is done already")
                return run.lineage()
        found = processes.first_then_others(lambda: load_data(config, data, say=reporter.say))
        lineage = train(config, found, run, options, processes=processes, reporter=reporter)
    except InterruptedTraining as interruption:
        reporter.warn(str(interruption))
        raise SystemExit(INTERRUPTED) from None
    except (DataError, NetworkError, RunError, TrainingError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"the run cannot be written: {error}") from None
    reporter.say(
        f"done in {lineage.seconds:,.0f} s: epoch {lineage.best_epoch} is the best, validation accuracy "
        f"{lineage.validation_accuracy:.2%}; weights in {run.weights}"
    )
    return lineage


@contextmanager
def _told(model: str, namespace: str | None, reporter: "Reporter") -> "Iterator[list[Lineage]]":
    """Tell CloudWatch, if there is a namespace for it, how the training ended. An interrupted one has not ended."""
    from training.loop.reporting import put_metrics

    ended: list[Lineage] = []
    try:
        yield ended
    except SystemExit:
        raise
    except BaseException:
        if namespace:
            put_metrics(namespace, model, {"TrainingFailed": (1.0, "Count")}, reporter)
        raise
    if namespace:
        figures = {
            "ModelAccuracy": (100 * ended[0].validation_accuracy, "Percent"),
            "TrainingDuration": (ended[0].seconds, "Seconds"),
            "TrainingFailed": (0.0, "Count"),
        }
        put_metrics(namespace, model, figures, reporter)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{text!r}: write KEY=VALUE, such as training.epochs=2", param_hint="--set")
    return key, value


def _choose_deterministic_cublas() -> None:
    # cuBLAS reads it when it starts (NVIDIA, cuBLAS documentation, "Results reproducibility").
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
