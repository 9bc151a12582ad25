"""`python -m training prune`."""

from datetime import timedelta

import click

from training.publishing.console import bucket_option, json_option, print_json, print_table, reports_errors, size


@click.command("prune")
@click.argument("name")
@bucket_option
@click.option("--keep", type=click.IntRange(0), required=True, help="Keep this many runs, those that changed last.")
@click.option("--older-than", type=click.FloatRange(0), required=True, help="Keep runs that changed within this many days.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@json_option
@reports_errors
def command(name: str, *, bucket: str, keep: int, older_than: float, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Remove old runs of NAME from experiments/: never one that a version in production comes from, and never a version.

    Exit status: 0 done, 1 refused or not confirmed, 2 wrong usage.
    """
    from bundle.registry import Store
    from training.publishing.retention import plan, prune

    if as_json and not (yes or dry_run):
        raise click.UsageError("--json asks nothing: give --yes or --dry-run with it")
    store = Store(bucket)
    planned = plan(store, name, keep, timedelta(days=older_than))
    if not as_json:
        rows = [
            (run.run_id, run.status, f"{run.changed:%Y-%m-%d %H:%M}", str(len(run.keys)), size(run.bytes))
            for run in planned.remove
        ]
        if rows:
            print_table(("RUN", "STATUS", "CHANGED", "OBJECTS", "SIZE"), rows)
        click.echo(
            f"{len(rows)} runs to remove ({planned.objects} objects, {size(planned.bytes)}); staying: "
            f"{planned.promoted} promoted, {planned.newest} newest, {planned.recent} recent"
        )
        if rows and planned.keeps_versions:
            click.echo(
                f"{bucket} keeps versions: each object gets a delete marker, and its bytes stay (and cost) as an earlier "
                "version until a life-cycle rule of the bucket expires it."
            )
    removed: list[str] = []
    if planned.remove and not dry_run:
        if not yes:
            click.confirm("Remove them?", abort=True, err=True)
        removed = prune(store, planned)
    if as_json:
        runs = [
            {"run_id": run.run_id, "status": run.status, "objects": len(run.keys), "bytes": run.bytes} for run in planned.remove
        ]
        print_json({"name": name, "planned": runs, "removed": removed, "keeps_versions": planned.keeps_versions})
    elif not dry_run:
        click.echo(f"removed: {len(removed)} runs")
