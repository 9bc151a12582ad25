"""Command line of the bundle package.

Exit status: 0 done, 1 the registry or the key cannot do it, 2 wrong usage, 3 the bundle is not what it should be.
"""

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bundle.errors import BundleError, RegistryError, SigningError
from bundle.loading import Bundle, load

if TYPE_CHECKING:
    from bundle.registry import Registry

EXIT_REFUSED = 1
EXIT_BAD_BUNDLE = 3

_bucket = click.option("--bucket", required=True, help="Bucket of published models.")
_digest = click.option("--digest", help="Pinned digest, sha256:…; without it only consistency is checked.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_directory = click.argument("directory", type=click.Path(path_type=Path))


_public_key = click.option(
    "--public-key", type=click.Path(path_type=Path), help="Key that must have signed it, PEM, or a list of keys (JSON)."
)


def _pinned(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a published version."""
    for option in reversed(
        (
            _bucket,
            click.option("--name", required=True, help="Name of the model."),
            click.option("--version", required=True, help="Version of the model."),
            click.option("--digest", required=True, help="Pinned digest, sha256:…."),
            _public_key,
        )
    ):
        command = option(command)
    return command


@click.group(epilog="Exit status: 0 done, 1 the registry or the key cannot do it, 2 wrong usage, 3 not a valid bundle.")
def main() -> None:
    """Verify, sign, publish and fetch model bundles."""


def _reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except BundleError as error:
            click.echo(f"Error: bad bundle: {error}", err=True)
            sys.exit(EXIT_BAD_BUNDLE)
        except (RegistryError, SigningError) as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(EXIT_REFUSED)
        except OSError as error:
            click.echo(f"Error: {error.filename}: {error.strerror}", err=True)
            sys.exit(EXIT_REFUSED)

    return run


@main.command()
@_directory
@_digest
@_public_key
@_json
@_reports_errors
def verify(directory: Path, digest: str | None, public_key: Path | None, as_json: bool) -> None:
    """Check every file of the bundle in DIRECTORY, and its signature if a key is given."""
    _describe(load(directory, digest, public_key), "verified", as_json)


@main.command()
@_directory
@click.option("--private-key", type=click.Path(path_type=Path), required=True, help="Key on P-256, PEM, not encrypted.")
@_json
@_reports_errors
def sign(directory: Path, private_key: Path, as_json: bool) -> None:
    """Write the signature of the bundle in DIRECTORY to its model.sig.

    \b
    A key pair:
      openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out model.pem
      openssl pkey -in model.pem -pubout -out model.pub
    """
    from bundle.signing import sign as write_signature

    bundle = load(directory)
    write_signature(directory, private_key)
    _describe(bundle, "signed", as_json)


@main.command()
@_directory
@_json
@_reports_errors
def show(directory: Path, as_json: bool) -> None:
    """Describe the bundle in DIRECTORY, with its metrics and files."""
    bundle = load(directory)
    manifest = bundle.manifest
    if as_json:
        click.echo(json.dumps({"digest": bundle.digest, **manifest.model_dump(mode="json")}, ensure_ascii=False))
        return
    click.echo(f"{manifest.name} {manifest.version}  {bundle.digest}")
    click.echo(f"licence   {manifest.licence}")
    click.echo(f"source    {manifest.source.description}")
    click.echo(f"data      {manifest.training_data.digest or '-'} {manifest.training_data.description}")
    click.echo(f"code      {manifest.code_revision}")
    if manifest.lineage:
        click.echo(f"run       {manifest.lineage.run_id}, git {manifest.lineage.git_revision or '-'}")
    click.echo(f"classes   {len(manifest.classes)}: {', '.join(manifest.classes[:4])}, …")
    click.echo(f"input     {manifest.input.kind}, {' x '.join(map(str, manifest.input.shape))} {manifest.input.dtype}")
    for name, program in sorted(manifest.programs.items()):
        mark = "*" if name == manifest.program else " "
        agreement = f"agrees with the reference on {program.agreement.top1:.1%} of {program.agreement.samples} samples"
        click.echo(f"program  {mark}{name}  {agreement}")
    for name, value in sorted(manifest.metrics.items()):
        click.echo(f"metric    {name} = {value:g}")
    for name, entry in sorted(manifest.files.items()):
        click.echo(f"file      {entry.bytes:>12,} {entry.sha256[:12]} {name}")


@main.command()
@_directory
@_bucket
@_public_key
@_json
@_reports_errors
def publish(directory: Path, bucket: str, public_key: Path | None, as_json: bool) -> None:
    """Upload the bundle in DIRECTORY as an immutable version; the same bytes again change nothing."""
    result = _registry(bucket).publish(directory, public_key)
    if as_json:
        click.echo(json.dumps(vars(result)))
    else:
        click.echo(f"{result.outcome}: {result.location} {result.digest}")


@main.command()
@_pinned
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Directory to create.")
@_json
@_reports_errors
def fetch(*, bucket: str, name: str, version: str, digest: str, public_key: Path | None, output: Path, as_json: bool) -> None:
    """Download the pinned version and verify it."""
    _describe(_registry(bucket).fetch(name, version, digest, output, public_key), "fetched", as_json)


@main.command()
@_pinned
@_reports_errors
def files(*, bucket: str, name: str, version: str, digest: str, public_key: Path | None) -> None:
    """Print, as JSON, the files of the pinned version and their sha256, once manifest and signature are verified."""
    manifest = _registry(bucket).look_at(name, version, digest, public_key)
    click.echo(json.dumps({file: entry.sha256 for file, entry in manifest.files.items()}))


@main.command("list")
@_bucket
@click.option("--name", required=True, help="Name of the model.")
@_json
@_reports_errors
def list_versions(bucket: str, name: str, as_json: bool) -> None:
    """List the published versions of a model, the oldest first."""
    versions = _registry(bucket).versions(name)
    click.echo(json.dumps({"name": name, "versions": versions}) if as_json else "\n".join(versions))


def _registry(bucket: str) -> "Registry":
    try:
        from bundle.registry import Registry
    except ModuleNotFoundError as error:
        raise RegistryError(f"{error.name} is not installed; install pettracker-ml[registry]") from None
    return Registry(bucket)


def _describe(bundle: Bundle, done: str, as_json: bool) -> None:
    manifest = bundle.manifest
    if as_json:
        click.echo(json.dumps({"name": manifest.name, "version": manifest.version, "digest": bundle.digest}))
    else:
        click.echo(f"{done}: {manifest.name} {manifest.version} {bundle.digest}, {len(manifest.files)} files")
