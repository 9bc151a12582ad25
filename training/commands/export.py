"""`python -m training export`."""

import logging
from pathlib import Path

import click


@click.command("export")
@click.argument("model", type=click.Choice(["efficientnet-lite0", "fashion", "iris"]))
@click.option("--version", "model_version", required=True, help="Version of the bundle, such as 1.0.0.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Directory to create.")
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Photos to calibrate int8 with and to measure agreement on, instead of the packaged ones.",
)
@click.option(
    "--min-agreement",
    type=click.FloatRange(0, 1),
    default=0.98,
    show_default=True,
    help="Share of the photos on which the chosen program has to put the same class first as the reference.",
)
@click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), help="Where to write speeds and agreement, as JSON."
)
def command(
    model: str, *, model_version: str, output: Path, images: Path | None, min_agreement: float, report: Path | None
) -> None:
    """Export a packaged MODEL into a bundle and print the bundle's digest.

    Every program is measured: the fastest that agrees with the reference is the one that hosts run.

    Exit status: 0 done, 1 refused (the message says why), 2 wrong usage.
    """
    # torch takes two seconds to import, and --help needs none of it.
    from training.export.pretrained import MODELS
    from training.export import ExportError, export

    logging.getLogger("torch").setLevel(logging.ERROR)
    try:
        sealed = export(
            MODELS[model](images),
            model_version,
            output,
            lambda line: click.echo(line, err=True),
            min_agreement=min_agreement,
            report=report,
        )
    except (ExportError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(sealed.digest)
