"""`python -m training list`."""

from typing import Any

import click

from training.publishing.console import bucket_option, json_option, print_json, print_table, reports_errors, share, short, size


@click.command("list")
@click.argument("name", required=False)
@click.argument("version", required=False)
@bucket_option
@click.option("--experiments", is_flag=True, help="List runs in place of versions.")
@click.option("--lineage", is_flag=True, help="Tell where VERSION (or the run of that id) comes from.")
@json_option
@reports_errors
def command(name: str | None, version: str | None, *, bucket: str, experiments: bool, lineage: bool, as_json: bool) -> None:
    """List the versions in production, of NAME or of every model, the newest first.

    Exit status: 0 done, 1 refused (the message says why), 2 wrong usage.
    """
    from bundle.registry import Store

    if lineage != (version is not None):
        raise click.UsageError("--lineage goes with NAME VERSION, and VERSION with --lineage")
    store = Store(bucket)
    if lineage and name and version:
        _lineage(store, name, version, as_json)
    elif experiments:
        _experiments(store, name, as_json)
    else:
        _versions(store, name, as_json)


def _versions(store: Any, name: str | None, as_json: bool) -> None:
    from bundle.registry import Registry
    from training.publishing.versions import list_versions

    versions = [each for model in ([name] if name else Registry(store).names()) for each in list_versions(store, model)]
    if as_json:
        fields = ("name", "version", "digest", "accuracy", "run_id")
        print_json(
            [
                {
                    **{field: getattr(each, field) for field in fields},
                    "promotion": each.promotion.model_dump() if each.promotion else None,
                }
                for each in versions
            ]
        )
        return
    rows = [
        (
            each.name,
            each.version,
            short(each.digest),
            share(each.accuracy),
            each.promotion.time if each.promotion else "-",
            each.run_id or "-",
        )
        for each in versions
    ]
    print_table(("NAME", "VERSION", "DIGEST", "ACCURACY", "PROMOTED", "RUN"), rows)


def _experiments(store: Any, name: str | None, as_json: bool) -> None:
    from training.publishing.experiments import Experiments

    known = Experiments(store)
    runs = [run for model in ([name] if name else known.names()) for run in known.list(model)]
    if as_json:
        print_json(
            [
                {
                    "name": run.name,
                    "run_id": run.run_id,
                    "status": run.status,
                    "version": run.manifest.get("version"),
                    "digest": run.index.bundle_digest if run.index else None,
                    "metrics": run.metrics,
                    "started": run.run.get("started"),
                    "seconds": run.run.get("seconds"),
                    "changed": run.changed.isoformat(),
                    "bytes": run.bytes,
                }
                for run in runs
            ]
        )
        return
    rows = [
        (
            run.name,
            run.run_id,
            run.status,
            share(run.metrics.get("test_accuracy")),
            str(run.manifest.get("version", "-")),
            str(run.run.get("started", "-")),
            f"{run.run['seconds']:.0f} s" if "seconds" in run.run else "-",
            size(run.bytes),
        )
        for run in runs
    ]
    print_table(("NAME", "RUN", "STATUS", "ACCURACY", "VERSION", "STARTED", "TRAINED", "SIZE"), rows)


def _lineage(store: Any, name: str, version: str, as_json: bool) -> None:
    from training.publishing.versions import flat, origin_of

    lineage = origin_of(store, name, version).lineage
    if as_json:
        print_json({"name": name, "version": version, **lineage})
        return
    if lineage["parameters"] is None:
        lineage["parameters"] = "the run is not in the bucket"
    print_table((name, version), [(key, "-" if value is None else str(value)) for key, value in flat(lineage).items()])
