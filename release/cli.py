"""Command line of the release package.

Exit status: 0 done, or waiting for a merge; 1 refused, with the reason; 2 wrong usage.
"""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from release.errors import ReleaseError

if TYPE_CHECKING:
    from bundle.keys import Purpose, TrustedKey

EXIT_REFUSED = 1

_environment = click.option("--env", "environment", required=True, help="Environment: a folder of inventories/.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_identity = click.argument("identity", metavar="[RELEASE]", required=False)


@click.group(epilog="Exit status: 0 done, or waiting for a merge; 1 refused; 2 wrong usage.")
def main() -> None:
    """Release models to environments; look at releases."""


def _reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        from bundle import RegistryError

        try:
            command(*args, **kwargs)
        except (ReleaseError, RegistryError) as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(EXIT_REFUSED)
        except (BotoCoreError, ClientError) as error:
            click.echo(f"Error: AWS refused: {error}", err=True)
            sys.exit(EXIT_REFUSED)

    return run


@main.command()
@click.argument("model", required=False)
@_environment
@click.option("--allow-downgrade", is_flag=True, help="Release a lower version than the one that is pinned.")
@click.option(
    "--private-key",
    "key_file",
    type=click.Path(path_type=Path),
    envvar="RELEASE_SIGNING_KEY_FILE",
    help="Key that signs the release record, P-256, PEM; RELEASE_SIGNING_KEY may hold its text instead.",
)
@_json
@_reports_errors
def run(model: str | None, environment: str, allow_downgrade: bool, key_file: Path | None, as_json: bool) -> None:
    """Release MODEL: the directory of a signed bundle, NAME:VERSION, or NAME:RUN_ID; without it, what is pinned.

    Publishes it, lets a real host answer its golden set, and opens a pull request that pins it. Run again after the merge,
    it makes the image, if it is not there, and writes the release record.
    """
    import os

    from release.steps import Released, Request, release

    # Taken out of the environment: what is started from here, playbooks among it, does not get it.
    key_text = os.environ.pop("RELEASE_SIGNING_KEY", None)
    request = Request(environment, model or None, allow_downgrade, key_file, key_text)
    done = release(request, lambda line: click.echo(f"==> {line}", err=as_json))
    if isinstance(done, Released):
        if as_json:
            click.echo(
                json.dumps({"state": "released", "changed": done.changed, **done.record.model_dump(mode="json")})
            )
        else:
            click.echo(f"{'released' if done.changed else 'already released'}: {done.record.id}, ready for rollout")
    elif as_json:
        click.echo(json.dumps({"state": "waits for the merge", **vars(done)}))
    else:
        click.echo(f"pinned on the branch {done.branch}" + (f", pull request {done.url}" if done.url else ""))
        for command in done.commands:
            click.echo(f"    {command}")
        click.echo(f"When it is merged: make release ENV={environment}")


@main.command()
@_identity
@_environment
@_json
@_reports_errors
def show(identity: str | None, environment: str, as_json: bool) -> None:
    """Show a release, by default the current one, its signature verified."""
    from release.environment import read_environment
    from release.steps import current_record

    record = current_record(read_environment(environment), identity)
    if as_json:
        click.echo(json.dumps(record.model_dump(mode="json"), ensure_ascii=False))
        return
    click.echo(f"{record.id}  {record.environment}  {record.time}")
    accuracy = record.verification.test_accuracy
    lines = {
        "model": f"{record.model.name} {record.model.version}  {record.model.digest}",
        "image": f"{record.image.id}  content {record.image.content_digest[:12]}, base {record.image.base_image_name}",
        "code": record.code_revision,
        "sbom": f"{record.sbom.key}  {record.sbom.components} components",
        "accuracy": "not named"
        if accuracy is None
        else f"{accuracy:.1%}, floor {record.verification.min_accuracy:.1%}",
        "golden": f"{record.verification.golden_cases} inputs {record.verification.golden}",
        "pinned by": f"{record.approval.author}  {record.approval.pull_request or record.approval.commit or ''}".rstrip(),
        "approved": ", ".join(record.approval.approved_by) or record.approval.merged_by or record.approval.committer,
        "template": str(record.launch_template_version or "ready for rollout"),
        "previous": record.previous or "none",
    }
    for name, value in lines.items():
        click.echo(f"{name:<10} {value}")


@main.command()
@_identity
@_environment
@_reports_errors
def verify(identity: str | None, environment: str) -> None:
    """Check a release, by default the current one: signature, bill of materials, model and image. Before any rollout."""
    from release.environment import read_environment
    from release.releases import Releases
    from release.steps import current_record

    where = read_environment(environment)
    record = current_record(where, identity)
    checks = Releases(where).verify(record)
    for check in checks:
        click.echo(
            f"{'bad' if check.problem else 'ok':<4} {check.subject}{': ' + check.problem if check.problem else ''}"
        )
    if any(check.problem for check in checks):
        raise ReleaseError(f"{record.id} is not what was released: do not roll it out")
    click.echo(f"verified: {record.id}")


@main.command("list")
@_environment
@_reports_errors
def list_releases(environment: str) -> None:
    """List the releases of an environment, oldest first; the current one is marked."""
    from release.environment import read_environment
    from release.releases import Releases

    store = Releases(read_environment(environment))
    current = store.current()
    for identity in store.identities():
        click.echo(f"{'*' if identity == current else ' '} {identity}")


@main.command()
@_environment
@_json
@_reports_errors
def rollouts(environment: str, as_json: bool) -> None:
    """List what rollouts did to an environment, oldest first, and why."""
    from release.environment import read_environment
    from release.rollouts import read_rollouts

    for each in read_rollouts(read_environment(environment)):
        if as_json:
            click.echo(each.model_dump_json())
            continue
        click.echo(f"{each.begin}  {each.kind:<8}  {each.outcome:<14}  {each.release.id}  by {each.by}")
        if each.outcome != "deployed":
            click.echo(f"    {each.reason}")


@main.command("rollback-target")
@_identity
@_environment
@_reports_errors
def show_rollback_target(identity: str | None, environment: str) -> None:
    """Print, as JSON, the release to go back to, by default the one before that which is served. All of it is verified."""
    from release.environment import read_environment
    from release.rollouts import rollback_target

    click.echo(rollback_target(read_environment(environment), identity).model_dump_json())


@main.command("images-in-use")
@_environment
@_reports_errors
def show_images_in_use(environment: str) -> None:
    """Print, as JSON, the images of releases that are served, current, or needed to go back."""
    from release.environment import read_environment
    from release.rollouts import images_in_use

    click.echo(json.dumps(images_in_use(read_environment(environment))))


@main.command("experiment-target")
@click.argument("identity", metavar="RELEASE")
@_environment
@_reports_errors
def show_experiment_target(identity: str, environment: str) -> None:
    """Print, as JSON, a release that is to be compared with the one that is served. All of it is verified."""
    from release.environment import read_environment
    from release.rollouts import candidate_of_experiment

    click.echo(candidate_of_experiment(read_environment(environment), identity).model_dump_json())


@main.command("experiment-report")
@_environment
@click.option("--final", is_flag=True, help="The experiment ends with this report.")
@_json
@_reports_errors
def experiment_report(environment: str, final: bool, as_json: bool) -> None:
    """Show what the experiment that is under way has found so far, and keep it beside the reports of rollouts."""
    from release.environment import read_environment
    from release.experiment_page import markdown, text
    from release.experiments import keep, measure, now, running

    where = read_environment(environment)
    report = measure(running(where), now(), final=final)
    address = keep(where, report, markdown(report))
    click.echo(json.dumps(report.document(), ensure_ascii=False) if as_json else f"{text(report)}\n\n{address}")


@main.group()
def keys() -> None:
    """List, add, rotate and revoke the keys that an environment trusts, in inventories/ENV/group_vars/all/keys.yml."""


_public_key = click.argument("public_key", type=click.Path(path_type=Path, exists=True, dir_okay=False))
_signs = click.option(
    "--signs", type=click.Choice(["models", "records"]), multiple=True, required=True, help="May be given twice."
)
_not_after = click.option(
    "--not-after", type=click.DateTime(["%Y-%m-%d"]), help="Last day of new signatures.  [default: in a year]"
)


@keys.command("list")
@_environment
@_reports_errors
def list_keys(environment: str) -> None:
    """List the keys: the first digits of each one's fingerprint, what it signs, and until when."""
    _change(environment, None)


@keys.command()
@_public_key
@_environment
@_signs
@_not_after
@_reports_errors
def add(public_key: Path, environment: str, signs: "Sequence[Purpose]", not_after: datetime | None) -> None:
    """Trust another key, whose PUBLIC_KEY is in PEM, beside those that are there."""
    from release.keys import added, new_key

    key = new_key(public_key, signs, not_after.date() if not_after else None)
    _change(environment, lambda present: added(present, key))


@keys.command()
@_public_key
@_environment
@_signs
@_not_after
@_reports_errors
def rotate(public_key: Path, environment: str, signs: "Sequence[Purpose]", not_after: datetime | None) -> None:
    """Trust a key in place of those that sign the same. They end today; what they signed can still be gone back to."""
    from release.keys import new_key, rotated, today

    key = new_key(public_key, signs, not_after.date() if not_after else None)
    _change(environment, lambda present: rotated(present, key, today()))


@keys.command()
@click.argument("name", metavar="KEY")
@_environment
@click.option("--reason", required=True, help="Why; whoever meets one of its signatures is told.")
@_reports_errors
def revoke(name: str, environment: str, reason: str) -> None:
    """Trust KEY, the first digits of its fingerprint, for nothing any more: not even for what it signed before."""
    from release.keys import revoked

    _change(environment, lambda present: revoked(present, name, reason))


def _change(environment: str, change: "Callable[[list[TrustedKey]], list[TrustedKey]] | None") -> None:
    """Show the keys of an environment, after a change of them, if there is one."""
    from release.environment import LOCAL, ROOT
    from release.keys import keys_file, read, state, write

    if environment == LOCAL:
        raise ReleaseError("the rehearsal makes a key of its own, .localcloud/model/signing-key.pem")
    path = keys_file(ROOT, environment)
    present = read(path)
    if change:
        present = change(present)
        write(path, present)
    for key in present:
        click.echo(f"{key.name}  {' and '.join(key.signs):<18}  {state(key)}")
    if change:
        click.echo(f"wrote {path}: a pull request brings it to {environment}, and the next image to its hosts")
