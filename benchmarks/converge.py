"""Seconds that Ansible needs to find nothing to do in the running rehearsal, with each executor, and to plan.

Every round converges `playbooks/site.yml` unchanged with the stock executor, then with modules in a fork of the worker
(docs/decisions/0020), then plans as `make plan` does. A run that changes something is no measurement, and ends the benchmark.
"""

import os
import re
import statistics
import subprocess
import time
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
STOCK = {"ANSIBLE_ACTION_PLUGINS": "none"}
CONVERGE = ("ansible-playbook", "playbooks/site.yml")
CONTENDERS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "converge, stock executor": (CONVERGE, STOCK),
    "converge": (CONVERGE, {}),
    "plan": (("scripts/plan", "local", "plan"), {"DETAILED": "1"}),  # fails if anything would change
}
PROMISED = {"converge": 0.3, "plan": 0.2}
CHANGED = re.compile(r"\bchanged=(\d+)")


def seconds(command: tuple[str, ...], environment: dict[str, str]) -> float:
    """Run a command on the rehearsal and return what it took.

    Raises:
        click.ClickException: it failed, or changed something.
    """
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    if any(int(changes) for changes in CHANGED.findall(done.stdout)):
        raise click.ClickException(f"{' '.join(command)} changed something; converge first (make apply ENV=local).")
    return took


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 20))
def main(rounds: int) -> None:
    """Print each run, the medians and their ratios to the stock executor's."""
    taken: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for number in range(1, rounds + 1):
        for name, (command, environment) in CONTENDERS.items():
            taken[name].append(seconds(command, environment))
            click.echo(f"round {number}: {name}: {taken[name][-1]:.1f} s")
    medians = {name: statistics.median(runs) for name, runs in taken.items()}
    stock, *others = medians
    click.echo(f"{stock}: median {medians[stock]:.1f} s")
    for name in others:
        ratio = medians[name] / medians[stock]
        click.echo(f"{name}: median {medians[name]:.1f} s, ratio {ratio:.2f} (promised: {PROMISED[name]})")


if __name__ == "__main__":
    main()
