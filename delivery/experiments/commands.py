"""Commands about experiments: the release to compare, and the report."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from delivery.command_line import json_option, of_environment

if TYPE_CHECKING:
    from delivery.environment import Environment


@click.command("experiment-target")
@click.argument("identity", metavar="RELEASE")
@of_environment
def show_experiment_target(where: "Environment", identity: str) -> None:
    """Print, as JSON, a release that is to be compared with the one that is served. All of it is verified."""
    from delivery.release.rollouts import candidate_of_experiment

    click.echo(candidate_of_experiment(where, identity).model_dump_json())


@click.command("experiment-report")
@of_environment
@click.option("--final", is_flag=True, help="The experiment ends with this report.")
@json_option
def experiment_report(where: "Environment", final: bool, as_json: bool) -> None:
    """Show what the experiment that is under way has found so far, and keep it beside the reports of rollouts."""
    from delivery.experiments.page import markdown, text
    from delivery.experiments.report import keep, measure, running

    report = measure(running(where), datetime.now(UTC), final=final)
    address = keep(where, report, markdown(report))
    click.echo(json.dumps(report.document(), ensure_ascii=False) if as_json else f"{text(report)}\n\n{address}")
