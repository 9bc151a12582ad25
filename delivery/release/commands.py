"""Commands about releases and their rollouts."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from delivery.command_line import environment_option, json_option, of_environment, reports_errors
from delivery.errors import DeliveryError

if TYPE_CHECKING:
    from delivery.environment import Environment

_identity = click.argument("identity", metavar="[RELEASE]", required=False)


@click.command()
@click.argument("model", required=False)
@environment_option
@click.option("--allow-downgrade", is_flag=True, help="Release a lower version than the one that is pinned.")
@click.option(
    "--private-key",
    "key_file",
    type=click.Path(path_type=Path),
    envvar="RELEASE_SIGNING_KEY_FILE",
    help="Key that signs the release record, P-256, PEM; RELEASE_SIGNING_KEY may hold its text instead.",
)
@json_option
@reports_errors
def run(model: str | None, environment: str, allow_downgrade: bool, key_file: Path | None, as_json: bool) -> None:
    """Release MODEL: the directory of a signed bundle, NAME:VERSION, or NAME:RUN_ID; without it, what is pinned.

    Publishes it, lets a real host answer its golden set, and opens a pull request that pins it. Run again after the merge,
    it makes the image, if it is not there, and writes the release record.
    """
    from delivery.release.steps import Released, Request, release

    # Taken out of the environment: what is started from here, playbooks among it, does not get it.
    key_text = os.environ.pop("RELEASE_SIGNING_KEY", None)
    request = Request(environment, model or None, allow_downgrade, key_file, key_text)
    done = release(request, lambda line: click.echo(f"==> {line}", err=as_json))
    if isinstance(done, Released):
        if as_json:
            click.echo(json.dumps({"state": "released", "changed": done.changed, **done.record.model_dump(mode="json")}))
        else:
            click.echo(f"{'released' if done.changed else 'already released'}: {done.record.id}, ready for rollout")
    elif as_json:
        click.echo(json.dumps({"state": "waits for the merge", **vars(done)}))
    else:
        click.echo(f"pinned on the branch {done.branch}" + (f", pull request {done.url}" if done.url else ""))
        for command in done.commands:
            click.echo(f"    {command}")
        click.echo(f"When it is merged: make release ENV={environment}")


@click.command()
@_identity
@of_environment
@json_option
def show(where: "Environment", identity: str | None, as_json: bool) -> None:
    """Show a release, by default the current one, its signature verified."""
    from delivery.release.steps import current_record

    record = current_record(where, identity)
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
        "accuracy": "not named" if accuracy is None else f"{accuracy:.1%}, floor {record.verification.min_accuracy:.1%}",
        "golden": f"{record.verification.golden_cases} inputs {record.verification.golden}",
        "pinned by": f"{record.approval.author}  {record.approval.pull_request or record.approval.commit or ''}".rstrip(),
        "approved": ", ".join(record.approval.approved_by) or record.approval.merged_by or record.approval.committer,
        "template": str(record.launch_template_version or "ready for rollout"),
        "previous": record.previous or "none",
    }
    for name, value in lines.items():
        click.echo(f"{name:<10} {value}")


@click.command()
@_identity
@of_environment
def verify(where: "Environment", identity: str | None) -> None:
    """Check a release, by default the current one: signature, bill of materials, model and image. Before any rollout."""
    from delivery.release.releases import Releases
    from delivery.release.steps import current_record

    record = current_record(where, identity)
    checks = Releases(where).verify(record)
    for subject, problem in checks.items():
        click.echo(f"{'bad' if problem else 'ok':<4} {subject}{': ' + problem if problem else ''}")
    if any(checks.values()):
        raise DeliveryError(f"{record.id} is not what was released: do not roll it out")
    click.echo(f"verified: {record.id}")


@click.command("list")
@of_environment
def list_releases(where: "Environment") -> None:
    """List the releases of an environment, oldest first; the current one is marked."""
    from delivery.release.releases import Releases

    store = Releases(where)
    current = store.current()
    for identity in store.identities():
        click.echo(f"{'*' if identity == current else ' '} {identity}")


@click.command()
@of_environment
@json_option
def rollouts(where: "Environment", as_json: bool) -> None:
    """List what rollouts did to an environment, oldest first, and why."""
    from delivery.release.rollouts import read_rollouts

    for each in read_rollouts(where):
        if as_json:
            click.echo(each.model_dump_json())
            continue
        click.echo(f"{each.begin}  {each.kind:<8}  {each.outcome:<14}  {each.release.id}  by {each.by}")
        if each.outcome != "deployed":
            click.echo(f"    {each.reason}")


@click.command("rollback-target")
@_identity
@of_environment
def show_rollback_target(where: "Environment", identity: str | None) -> None:
    """Print, as JSON, the release to go back to, by default the one before that which is served. All of it is verified."""
    from delivery.release.rollouts import rollback_target

    click.echo(rollback_target(where, identity).model_dump_json())


@click.command("images-in-use")
@of_environment
def show_images_in_use(where: "Environment") -> None:
    """Print, as JSON, the images of releases that are served, current, or needed to go back."""
    from delivery.release.rollouts import images_in_use

    click.echo(json.dumps(images_in_use(where)))


@click.command()
@of_environment
@click.option("--seconds", default=300.0, help="Patience until the first answer.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def smoke(where: "Environment", seconds: float, file: Path) -> None:
    """Ask the balancer about FILE, and see that the model answers that was rolled out last."""
    from delivery.release.smoke import ANSWERS, ask, expected_digest, find_balancer
    from delivery.release.smoke import smoke as until_right

    balancer, digest = find_balancer(where), expected_digest(where)
    answer = until_right(lambda: ask(balancer, file), digest, seconds)
    best = answer["predictions"][0]
    click.echo(
        f"{where.name}: {best['class']}, {best['confidence']:.0%}; {ANSWERS} answers of {answer['model']['name']} "
        f"{answer['model']['version']} ({digest[:19]}…)"
    )
