"""What people and other programs see of a training: progress, history, TensorBoard, CloudWatch."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

_CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate", "items_per_second")


class Reporter:
    """Progress on the standard error: bars on a terminal, a line for each epoch elsewhere.

    Args:
        quiet: only warnings.
        mute: not even these; one of several processes speaks.
    """

    def __init__(self, quiet: bool = False, mute: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=mute)
        self._quiet = quiet
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
        )
        hidden = quiet or mute or not self._console.is_terminal
        self._bars = Progress(*columns, console=self._console, transient=True, disable=hidden)
        self._epochs = self._steps = TaskID(0)

    def say(self, line: str) -> None:
        if not self._quiet:
            self._console.print(line, markup=False)

    def warn(self, line: str) -> None:
        self._console.print(f"warning: {line}", markup=False)

    @contextmanager
    def shown(self, epochs: int, done: int) -> Iterator[None]:
        """Show the bars meanwhile."""
        with self._bars:
            self._epochs = self._bars.add_task("epochs", total=epochs, completed=done, speed="")
            self._steps = self._bars.add_task("steps", total=None, speed="")
            yield

    def phase(self, text: str, steps: int, done: int) -> None:
        """Begin to count the steps of an epoch, or of its validation."""
        self._bars.reset(self._steps, description=text, total=steps, completed=done, speed="")

    def step(self, items_per_second: float) -> None:
        self._bars.update(self._steps, advance=1, speed=f"{items_per_second:,.0f} items/s")

    def epoch(self, record: dict[str, Any], epochs: int, best: bool) -> None:
        """Report an epoch that is done."""
        self._bars.advance(self._epochs)
        self.say(
            f"epoch {record['epoch']}/{epochs}: loss {record['train_loss']:.4f}, validation loss "
            f"{record['validation_loss']:.4f}, validation accuracy {record['validation_accuracy']:.2%}, "
            f"{record['items_per_second']:,.0f} items/s{', the best so far' if best else ''}"
        )


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    """Write one line for each epoch; the file is the old one or the new one, whatever happens meanwhile."""
    part = path.with_name(f".{path.name}.part")
    part.write_text("".join(json.dumps(record) + "\n" for record in history))
    part.replace(path)


class Curves:
    """TensorBoard's events.

    Args:
        history: the epochs that are done. What an interrupted run wrote about later ones is hidden, and these are written
            where another host wrote them.
    """

    def __init__(self, directory: Path, history: list[dict[str, Any]]) -> None:
        known = directory.is_dir()
        self._writer = SummaryWriter(str(directory), purge_step=len(history) + 1 if known else None)
        for record in [] if known else history:
            self.add(record)

    def add(self, record: dict[str, Any]) -> None:
        for name in _CURVES:
            self._writer.add_scalar(name, record[name], record["epoch"], walltime=record["time"])
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def put_metrics(namespace: str, model: str, metrics: dict[str, tuple[float, str]], reporter: Reporter) -> None:
    """Tell CloudWatch; where it refuses, training does not end for it.

    Args:
        metrics: value and unit, by name.
    """
    data = [
        {"MetricName": name, "Dimensions": [{"Name": "Model", "Value": model}], "Value": value, "Unit": unit}
        for name, (value, unit) in metrics.items()
    ]
    try:
        boto3.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)
    except (BotoCoreError, ClientError) as error:
        reporter.warn(f"CloudWatch does not take {', '.join(metrics)}: {error}")
