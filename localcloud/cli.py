"""Command line of the local cloud."""

from __future__ import annotations

import threading

import click

from localcloud.errors import LocalCloudError
from localcloud.settings import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run one AWS account on this machine, with real hosts, for rehearsals and tests."""


@main.command()
@click.option("--api-only", is_flag=True, help="Serve only the API, in the foreground: no hosts, no root, no files.")
def up(api_only: bool) -> None:
    """Start the local cloud."""
    if api_only:
        serve_api_only(Settings.from_environment())
        return
    raise LocalCloudError("not yet")


def serve_api_only(settings: Settings) -> None:
    """Serve the corrected API until interrupted; instances exist in the API only."""
    from localcloud.account import Account
    from localcloud.environment import exports
    from localcloud.reconciler import NoHosts

    account = Account(settings, NoHosts())
    account.open()
    account.register_base_image("localhost/none")
    for name, value in exports(settings).items():
        click.echo(f"export {name}={value}")
    click.echo(f"Serving the API at {settings.endpoint}; stop it with Ctrl-C.", err=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        account.close()
