"""`python -m training diff`."""

from typing import TYPE_CHECKING, Any

import click

from training.publishing.console import bucket_option, json_option, print_json, print_table, reports_errors, short, size

if TYPE_CHECKING:
    from training.publishing.difference import Difference


@click.command("diff")
@click.argument("name")
@click.argument("old")
@click.argument("new")
@bucket_option
@json_option
@reports_errors
def command(name: str, old: str, new: str, *, bucket: str, as_json: bool) -> None:
    """Say what differs between two versions of NAME, or runs by their ids: OLD and NEW.

    Exit status: 0 done, 1 refused (the message says why), 2 wrong usage.
    """
    from bundle.registry import Store
    from training.publishing.difference import difference
    from training.publishing.versions import origin_of

    store = Store(bucket)
    sides = origin_of(store, name, old), origin_of(store, name, new)
    found = difference(*sides)
    if as_json:
        described = {key: {"label": side.label, "digest": side.digest} for key, side in zip(("old", "new"), sides, strict=True)}
        print_json({"name": name, **described, **found.as_json()})
        return
    if sides[0].digest == sides[1].digest:
        click.echo(f"{old} and {new} are the same bundle, {sides[0].digest}")
        return
    rows = [("digest", short(sides[0].digest), short(sides[1].digest), ""), *_rows(found)]
    print_table((name, old, new, "CHANGE"), rows)


def _rows(found: "Difference") -> list[tuple[str, str, str, str]]:
    rows = [
        (f"metrics.{key}", _text(each["old"]), _text(each["new"]), "" if each["delta"] is None else f"{each['delta']:+.4g}")
        for key, each in found.metrics.items()
    ]
    sections = {
        "programs.": found.programs,
        "input.": found.input,
        "": found.origin,
        "library_versions.": found.library_versions,
        "parameters.": found.parameters or {},
    }
    for prefix, changes in sections.items():
        rows += [(f"{prefix}{key}", _text(old), _text(new), "") for key, (old, new) in changes.items()]
    rows += [("programs", "", program, "added") for program in found.programs_added]
    rows += [("programs", program, "", "removed") for program in found.programs_removed]
    rows += [("classes", "", name, "added") for name in found.classes_added]
    rows += [("classes", name, "", "removed") for name in found.classes_removed]
    if found.classes_reordered:
        rows.append(("classes", "", "", "in another order"))
    if found.parameters is None:
        rows.append(("parameters", "", "", "not known: a run is not in the bucket"))
    before, after = found.bytes
    rows.append(("size", size(before), size(after), f"{after - before:+,} B"))
    return rows


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
