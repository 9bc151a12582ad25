"""`python -m localcloud up --api-only`: the corrected API in the foreground; instances exist in the API only."""

import signal
import threading

import click

from localcloud.account import Account
from localcloud.environment import exports
from localcloud.hosts.driver import NoHosts
from localcloud.ports import check_free
from localcloud.settings import Settings


def main() -> None:
    """Serve until SIGTERM or SIGINT, after printing the variables that an AWS client needs."""
    settings = Settings.from_environment()
    check_free(settings)
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    account = Account(settings, NoHosts())
    account.open()
    account.register_base_image("none")
    for name, value in exports(settings, account.keys.root).items():
        if name.startswith("AWS_"):
            click.echo(f"export {name}={value}")
    click.echo(f"Serving the API at {settings.endpoint}; stop it with Ctrl-C.", err=True)
    ending.wait()
    account.close()


if __name__ == "__main__":
    main()
