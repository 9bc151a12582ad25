"""Command line of the hosts' packages. It loads nothing of the service, so that a play has its answer soon."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import cast, get_args

import click

from inference.wheelhouse.archive import Contents, Target, WheelhouseError, build, publish
from inference.wheelhouse.check import check

_BACKENDS = click.Choice([contents for contents in get_args(Contents) if contents != "train"])


@click.group()
def main() -> None:
    """Collect the Python packages of hosts into one archive."""


def _packages(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say for which hosts an archive of packages is, and where it is kept here."""
    for option in (
        click.option("--output", type=click.Path(path_type=Path), required=True, help="Directory for the archive."),
        click.option("--machine", default="x86_64", show_default=True, help="Architecture: x86_64 or aarch64."),
        click.option("--python", required=True, help="Python version of the hosts, such as 3.11."),
        click.option("--train", is_flag=True, help="For hosts that train, in place of --backend."),
        click.option("--backend", type=_BACKENDS, help="Engine of hosts that serve."),
    ):
        command = option(command)
    return command


def _contents(backend: str | None, train: bool) -> Contents:
    if train == bool(backend):
        raise click.UsageError("give either --backend or --train")
    return "train" if train else cast(Contents, backend)


@main.command("build")
@_packages
@click.option("--bucket", help="Publish it there, as wheelhouse/SHA256.tar.gz.")
@click.option("--pointer", help="Key in the bucket of what says which archive this is.")
def make(
    backend: str | None, train: bool, *, python: str, machine: str, output: Path, bucket: str | None, pointer: str | None
) -> None:
    """Collect the hosts' Python packages, verified against the lock file, into one archive; print its path and sha256.

    An archive that is there already and has the same content is used again. Needs a source tree and pip. What is published
    is written once: where the pointer names another archive already, that one is printed, without a path.
    """
    contents = _contents(backend, train)
    if bool(bucket) != bool(pointer):
        raise click.UsageError("give --bucket and --pointer together")
    try:
        archive = build(contents, python, machine, output, lambda line: click.echo(line, err=True))
        published = publish(archive, bucket, pointer) if bucket and pointer else archive.sha256
    except WheelhouseError as error:
        raise click.ClickException(str(error)) from None
    path = str(archive.path) if published == archive.sha256 else None
    click.echo(json.dumps({"path": path, "sha256": published}))


@main.command("check")
@_packages
@click.option("--bucket", required=True, help="Bucket that holds it, as wheelhouse/SHA256.tar.gz.")
@click.option("--sha256", required=True, help="Of the archive, in hexadecimal.")
def hold(backend: str | None, train: bool, *, python: str, machine: str, output: Path, bucket: str, sha256: str) -> None:
    """See that a published archive is what the locks and the sources here make, whoever wrote it; print its path and sha256.

    Exit status: 0 it is, 1 it is not, or cannot be read. What was built or checked in --output is not fetched again.
    """
    try:
        archive = check(_contents(backend, train), Target(python, machine), output, bucket=bucket, sha256=sha256)
    except WheelhouseError as error:
        raise click.ClickException(str(error)) from None
    click.echo(json.dumps({"path": str(archive.path), "sha256": archive.sha256}))
