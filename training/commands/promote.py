"""`python -m training promote`."""

from pathlib import Path

import click

from training.publishing.console import bucket_option, json_option, print_json, progress_bar, reports_errors


@click.command("promote")
@click.argument("name")
@click.argument("run_id")
@bucket_option
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="Key whose owner has to have signed the bundle, PEM, or a list of keys (JSON).",
)
@click.option("--version", "model_version", help="Version that the bundle has to have.")
@click.option("--digest", help="Digest that the bundle has to have, sha256:….")
@click.option("--min-accuracy", type=click.FloatRange(0, 1), help="Least accuracy on the test split.")
@click.option("--allow-downgrade", is_flag=True, help="Also where production has a higher version.")
@click.option(
    "--private-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Sign the bundle with this key (P-256, PEM) where the run was published without a signature; needs --digest.",
)
@click.option("--quiet", is_flag=True, help="No progress bar.")
@json_option
@reports_errors
def command(
    name: str,
    run_id: str,
    *,
    bucket: str,
    public_key: Path,
    model_version: str | None,
    digest: str | None,
    min_accuracy: float | None,
    allow_downgrade: bool,
    private_key: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Make the bundle of NAME's run RUN_ID a version in production, production/<name>/<version>/.

    The bundle is fetched, verified and published again, byte for byte; the version never changes after that. Who promoted
    it, when, from which run and with which floor is recorded beside it.

    Exit status: 0 done, 1 refused (the message says why), 2 wrong usage.
    """
    from bundle.registry import Store
    from training.publishing.promotion import Conditions, caller, promote

    conditions = Conditions(public_key, model_version, digest, min_accuracy, allow_downgrade, private_key)
    with progress_bar("promoting", shown=not quiet) as progress:
        store = Store(bucket, progress=progress)
        promoted = promote(store, name, run_id, conditions, lambda: caller(store))
    record = promoted.promotion
    if as_json:
        print_json({"outcome": promoted.outcome, "location": promoted.location, **record.model_dump()})
        return
    click.echo(f"{promoted.outcome}: {promoted.location} {record.digest}")
    click.echo(f"by {record.actor} at {record.time}, from run {record.run_id}, accuracy {record.accuracy:.4f}")
