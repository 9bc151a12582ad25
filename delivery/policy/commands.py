"""The command that judges a plan by the guard rails."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from delivery.command_line import EXIT_VIOLATED, environment_option, reports_errors
from delivery.plan.reports import read_report

if TYPE_CHECKING:
    from delivery.policy.judgement import Judgement


@click.command()
@environment_option
@reports_errors
def policy(environment: str) -> None:
    """Judge the plan that `make plan` wrote by the guard rails; exit status 4 when an error stands."""
    from delivery.policy.files import judge_of

    plan, _ = read_report(environment, "plan")
    conclude(judge_of(environment)(plan))


def conclude(judgement: "Judgement") -> None:
    """Say what the guard rails say of a plan, and leave with status 4 when an error stands."""
    from delivery.policy.text import terminal

    show(terminal(judgement))
    if judgement.of("error"):
        sys.exit(EXIT_VIOLATED)


def show(lines: Iterable[tuple[str, str | None]]) -> None:
    """Print lines, each with a colour of click's, or "bold"."""
    for line, colour in lines:
        style: dict[str, Any] = {"bold": True} if colour == "bold" else {"fg": colour}
        click.echo(click.style(line, **style))
