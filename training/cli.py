"""Command line of the training package."""

import logging
from pathlib import Path

import click


@click.group()
def main() -> None:
    """Make model bundles."""


@main.command("export")
@click.argument("model", type=click.Choice(["efficientnet-lite0"]))
@click.option("--version", "model_version", required=True, help="Version of the bundle, such as 1.0.0.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Directory to create.")
def export_command(model: str, model_version: str, output: Path) -> None:
    """Export a packaged pretrained MODEL into a bundle and print the bundle's digest.

    Exit status: 0 done, 1 refused (the message says why), 2 wrong usage.
    """
    # torch takes two seconds to import, and --help needs none of it.
    from training.catalogue import MODELS
    from training.export import ExportError, export

    logging.getLogger("torch").setLevel(logging.ERROR)
    try:
        sealed = export(MODELS[model](), model_version, output, lambda line: click.echo(line, err=True))
    except (ExportError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(sealed.digest)
