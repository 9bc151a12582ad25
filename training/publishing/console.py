"""What the commands of the registry share: errors of one line, a progress bar, tables."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from bundle.errors import BundleError, RegistryError, SigningError
from training.config import ConfigError
from training.publishing.errors import PublishingError
from training.run import RunError

_P = ParamSpec("_P")
_T = TypeVar("_T")
# Where nobody reads along, a table is as wide as it has to be.
_UNBOUNDED = 1000

bucket_option = click.option("--bucket", required=True, help="Bucket of the models.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def reports_errors(command: Callable[_P, _T]) -> Callable[_P, _T]:
    """Make a command end with status 1 and one line where it is refused."""

    @wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return command(*args, **kwargs)
        except (BundleError, RegistryError, SigningError, ConfigError, PublishingError, RunError) as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror}") from None

    return run


@contextmanager
def progress_bar(label: str, *, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Give what a Store tells its progress to; a bar on a terminal, nothing elsewhere."""
    if not shown or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def print_json(document: Any) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, default=str))


def print_table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a table without lines, which other programs can read as columns too: only a terminal folds it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    if console.is_terminal:
        console.print(table)
        return
    wide = Console(width=_UNBOUNDED)
    with wide.capture() as printed:
        wide.print(table)
    click.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))


def short(digest: str) -> str:
    """Return the beginning of a digest, enough to tell versions apart."""
    return digest[: len("sha256:") + 12]


def share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def size(count: float) -> str:
    """Return a number of bytes for people, in decimal units."""
    for unit in ("B", "kB", "MB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
