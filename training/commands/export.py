"""`python -m training export`."""

import logging
from pathlib import Path

import click


@click.command("export")
@click.argument("source")
@click.option("--version", "model_version", required=True, help="Version of the bundle, such as 1.0.0.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Directory to create.")
@click.option("--data", help="Of a run: where its data is now (a directory, a file or s3://bucket/prefix).")
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Of the packaged model: photos to calibrate int8 with and to measure on, instead of the packaged ones.",
)
@click.option("--no-int8", is_flag=True, help="Of the packaged model: make no int8 program, and need no photos for it.")
@click.option(
    "--min-agreement",
    type=click.FloatRange(0, 1),
    default=0.98,
    show_default=True,
    help="Share of the samples on which the chosen program has to put the same class first as the reference.",
)
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Where to write speeds and agreement, as JSON.")
def command(
    source: str,
    *,
    model_version: str,
    output: Path,
    data: str | None,
    images: Path | None,
    no_int8: bool,
    min_agreement: float,
    report: Path | None,
) -> None:
    """Export SOURCE into a bundle and print the bundle's digest.

    SOURCE is the directory of a finished run, which is evaluated where it is not yet, or efficientnet-lite0: the packaged
    model with pretrained weights.

    Every program is measured: the fastest that agrees with the reference is the one that hosts run. What was measured goes into
    the run's evaluation as well, and decides again when the run is exported again: its bundle is the same every time.

    Exit status: 0 done, 1 refused (the message says why), 2 wrong usage.
    """
    # torch takes two seconds to import, and --help needs none of it.
    from training.export import ExportError, export
    from training.export.pretrained import EFFICIENTNET_LITE0, efficientnet_lite0
    from training.export.writer import check_target
    from training.run import Run, RunError

    logging.getLogger("torch").setLevel(logging.ERROR)

    def say(line: str) -> None:
        click.echo(line, err=True)

    pretrained = source == EFFICIENTNET_LITE0
    if not pretrained and not Path(source).is_dir():
        raise click.ClickException(f"{source} is neither the directory of a run nor {EFFICIENTNET_LITE0}")
    if pretrained and data:
        raise click.ClickException("--data is for runs; the packaged model takes --images")
    if (images or no_int8) and not pretrained:
        raise click.ClickException("--images and --no-int8 are for the packaged model; a run brings its own data")
    if images and no_int8:
        raise click.UsageError("--images says what int8 is calibrated with, and --no-int8 that there is none")
    try:
        # First: reading photos takes longer than seeing that they were not needed.
        check_target(model_version, output)
        if pretrained:
            exported = export(
                efficientnet_lite0(images, int8=not no_int8), model_version, output, say, min_agreement=min_agreement
            )
        else:
            from training.export.trained import export_run

            exported = export_run(Run(Path(source)), model_version, output, say, data=data, min_agreement=min_agreement)
    except (ExportError, RunError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    if report:
        exported.write_report(report)
    click.echo(exported.sealed.digest)
