"""Commands about what an environment costs."""

import json

import click

from delivery.command_line import environment_option, reports_errors
from delivery.errors import DeliveryError
from delivery.plan.reports import read_report, report_directory


@click.command()
@environment_option
@reports_errors
def cost(environment: str) -> None:
    """Say what the environment costs a month, before and after what `make plan` found; the whole into cost.json."""
    from delivery.cost.bill import estimate_of
    from delivery.cost.text import as_json, table

    plan, _ = read_report(environment, "plan")
    found = estimate_of(plan)
    for line in table(found):
        click.echo(line)
    saved = report_directory(environment) / "cost.json"
    saved.write_text(json.dumps(as_json(found), indent=2, ensure_ascii=False) + "\n")
    click.echo(f"The report: {saved}", err=True)


@click.command()
@environment_option
def running(environment: str) -> None:
    """Say what ENV has that is paid for by the hour, and how it goes away; nothing where there is nothing, or nobody may look.

    For the end of a run that failed: what it failed of has been said, and is not said again.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from delivery.cost.prices import read_prices, read_usage
    from delivery.cost.running import found, text
    from delivery.environment import ask_inventory

    try:
        said = ask_inventory(environment)
        resources = found(said["region"], said["tags"])
        usage, known = read_usage(environment), read_prices()
    except (DeliveryError, BotoCoreError, ClientError):
        return
    for line in text(environment, resources, said["region"], known, usage):
        click.echo(line)
