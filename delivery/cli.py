"""Command line of the delivery of what is in Git; `make`, the workflows, playbooks and people call it.

Exit status: 0 done, or waiting for a merge; 1 refused, with the reason; 2 wrong usage, or drift was found; 3 (`decide`) nothing
is to be applied; 4 (`policy`, `plan`) an error of the guard rails stands.
"""

import click

from delivery import operations
from delivery.connection import commands as connection
from delivery.cost import commands as cost
from delivery.experiments import commands as experiments
from delivery.plan import commands as plan
from delivery.policy import commands as policy
from delivery.release import commands as release
from delivery.release import key_commands as keys


@click.group(
    epilog="Exit status: 0 done, or waiting for a merge; 1 refused; 2 wrong usage, or drift; 3 nothing to apply; 4 guard rails."
)
def main() -> None:
    """Show plans to reviewers, and apply what they have seen; release models to environments, and look at releases."""


@click.command()
def kinds() -> None:
    """Write docs/kinds.md: the kinds of AWS resources, and what is known of each."""
    from delivery.kinds import page

    click.echo(page(), nl=False)


for command in (
    kinds,
    *(plan.plan, plan.comment, plan.decide, plan.drift, policy.policy, cost.cost, cost.running),
    *(operations.operate, operations.session),
    *(connection.subject, connection.connect, connection.disconnect),
    *(release.run, release.show, release.verify, release.list_releases, release.rollouts, release.smoke),
    *(release.show_rollback_target, release.show_images_in_use),
    *(experiments.show_experiment_target, experiments.experiment_report, keys.keys),
):
    main.add_command(command)
