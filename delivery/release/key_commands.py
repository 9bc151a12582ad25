"""Commands about the keys that an environment trusts."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click

from delivery.command_line import environment_option, reports_errors
from delivery.errors import DeliveryError

if TYPE_CHECKING:
    from bundle.keys import Purpose, TrustedKey


@click.group()
def keys() -> None:
    """List, add, rotate and revoke the keys that an environment trusts, in inventories/ENV/group_vars/all/keys.yml."""


def _takes_a_key(command: "Callable[[str, TrustedKey], None]") -> Callable[..., None]:
    """Return a command with the argument PUBLIC_KEY, which gets the environment and the key."""

    @click.argument("public_key", type=click.Path(path_type=Path, exists=True, dir_okay=False))
    @environment_option
    @click.option("--signs", type=click.Choice(["models", "records"]), multiple=True, required=True, help="May be given twice.")
    @click.option("--not-after", type=click.DateTime(["%Y-%m-%d"]), help="Last day of new signatures.  [default: in a year]")
    @reports_errors
    @wraps(command)
    def run(public_key: Path, environment: str, signs: "Sequence[Purpose]", not_after: datetime | None) -> None:
        from delivery.release.keys import new_key

        command(environment, new_key(public_key, signs, not_after.date() if not_after else None))

    return run


@keys.command("list")
@environment_option
@reports_errors
def list_keys(environment: str) -> None:
    """List the keys: the first digits of each one's fingerprint, what it signs, and until when."""
    _change(environment, None)


@keys.command()
@_takes_a_key
def add(environment: str, key: "TrustedKey") -> None:
    """Trust another key, whose PUBLIC_KEY is in PEM, beside those that are there."""
    from delivery.release.keys import added

    _change(environment, lambda present: added(present, key))


@keys.command()
@_takes_a_key
def rotate(environment: str, key: "TrustedKey") -> None:
    """Trust a key in place of those that sign the same. They end today; what they signed can still be gone back to."""
    from delivery.release.keys import rotated, today

    _change(environment, lambda present: rotated(present, key, today()))


@keys.command()
@click.argument("name", metavar="KEY")
@environment_option
@click.option("--reason", required=True, help="Why; whoever meets one of its signatures is told.")
@reports_errors
def revoke(name: str, environment: str, reason: str) -> None:
    """Trust KEY, the first digits of its fingerprint, for nothing any more: not even for what it signed before."""
    from delivery.release.keys import revoked

    _change(environment, lambda present: revoked(present, name, reason))


def _change(environment: str, change: "Callable[[list[TrustedKey]], list[TrustedKey]] | None") -> None:
    """Show the keys of an environment, after a change of them, if there is one."""
    from delivery.environment import LOCAL, ROOT
    from delivery.release.keys import keys_file, read, state, write

    if environment == LOCAL:
        raise DeliveryError("the rehearsal makes a key of its own, .localcloud/model/signing-key.pem")
    path = keys_file(ROOT, environment)
    present = read(path)
    if change:
        present = change(present)
        write(path, present)
    for key in present:
        click.echo(f"{key.name}  {' and '.join(key.signs):<18}  {state(key)}")
    if change:
        click.echo(f"wrote {path}: a pull request brings it to {environment}, and the next image to its hosts")
