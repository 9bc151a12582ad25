"""What the commands share: the environment that they are about, and what becomes of an error."""

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import IO, Any

import click

from delivery.errors import DeliveryError

EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_DRIFT = 2
EXIT_NOTHING = 3
EXIT_VIOLATED = 4

environment_option = click.option("--env", "environment", required=True, help="Environment: a folder of inventories/.")
repository_option = click.option("--repository", envvar="GITHUB_REPOSITORY", default="", help="On GitHub: owner/name.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that tells people in a line what was refused, and ends with EXIT_REFUSED."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except Exception as error:
            message = _message(error)
            if message is None:
                raise
            click.echo(f"Error: {message}", err=True)
            sys.exit(EXIT_REFUSED)

    return run


def _message(error: Exception) -> str | None:
    """Return what a person is told of an error; None where it is a fault of the code."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - most commands end without an error

    from bundle import RegistryError  # noqa: PLC0415 - the same

    if isinstance(error, DeliveryError | RegistryError):
        return str(error)
    return f"AWS refused: {error}" if isinstance(error, BotoCoreError | ClientError) else None


def of_environment(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the options --env and --facts that gets the environment, read, as its first argument."""

    @environment_option
    @click.option(
        "--facts",
        type=click.File(),
        help="delivery_facts of the inventory, as JSON; a play that calls this gives them. Without them, Ansible is asked.",
    )
    @reports_errors
    @wraps(command)
    def run(environment: str, facts: IO[str] | None, **others: Any) -> None:
        from delivery.environment import environment_of, read_environment  # noqa: PLC0415 - --help answers at once

        command(environment_of(environment, json.load(facts)) if facts else read_environment(environment), **others)

    return run
