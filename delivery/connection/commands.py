"""Commands about what GitHub and AWS know of each other."""

import json
from pathlib import Path

import click

from delivery.command_line import environment_option, reports_errors
from delivery.errors import DeliveryError


@click.command()
@click.argument("repository")
@reports_errors
def subject(repository: str) -> None:
    """Say what the subjects of tokens begin with that GitHub gives to workflows of REPOSITORY (owner/name), and its number."""
    from delivery.connection.subject import number
    from delivery.connection.subject import subject as subject_of

    click.echo(subject_of(repository))
    click.echo(number(repository))


@click.command()
@click.argument("repository")
@environment_option
@reports_errors
def disconnect(repository: str, environment: str) -> None:
    """Let REPOSITORY (owner/name) on GitHub forget an environment, through `gh`; what others have put there stays."""
    from delivery.connection.connect import disconnect as forget

    for sentence in forget(repository, environment):
        click.echo(sentence)


@click.command()
@environment_option
@reports_errors
def connect(environment: str) -> None:
    """Tell the repository on GitHub the roles that `make bootstrap` made, through `gh`; what it knows is left alone."""
    from delivery.connection.connect import Roles
    from delivery.connection.connect import connect as tell

    written = Path(".cache/bootstrap") / f"{environment}.json"
    made = json.loads(written.read_text())
    roles = Roles(**made["roles"])
    try:
        for sentence in tell(made["repository"], environment, roles, made["stage"]):
            click.echo(sentence)
    except DeliveryError as error:
        raise DeliveryError(
            f"{error}\nAWS is ready, and GitHub does not know it yet: gh auth login, as somebody who administers "
            f"{made['repository']}, and run the same again; or set by hand what docs/start-on-aws.md lists. The roles are in "
            f"{written}"
        ) from None
