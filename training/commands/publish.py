"""`python -m training publish`."""

from pathlib import Path

import click

from training.publishing.console import bucket_option, json_option, print_json, progress_bar, reports_errors


@click.command("publish")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--bundle",
    "bundle_directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="What `export` made of this run.",
)
@bucket_option
@click.option("--quiet", is_flag=True, help="No progress bar.")
@json_option
@reports_errors
def command(run: Path, *, bundle_directory: Path, bucket: str, quiet: bool, as_json: bool) -> None:
    """Upload the finished RUN and its bundle to experiments/<name>/<run_id>/.

    What is there already is not sent again, so an interrupted publish goes on when the same command is given again. The
    same files again change nothing, and other files under the same run are refused; a signature (model.sig) may follow later.

    Exit status: 0 done, 1 refused (the message says why), 2 wrong usage.
    """
    from bundle.registry import Store
    from training.publishing.experiments import Experiments
    from training.run import Run

    with progress_bar("publishing", shown=not quiet) as progress:
        published = Experiments(Store(bucket, progress=progress)).publish(Run(run), bundle_directory)
    if as_json:
        print_json(vars(published))
    else:
        click.echo(f"{published.outcome}: {published.location} {published.digest}, {published.uploaded} objects sent")
