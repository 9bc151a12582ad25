"""Seconds that Ansible needs to find nothing to do in the running rehearsal, with each executor, and to plan.

Every round converges `playbooks/site.yml` unchanged with the stock executor, then with modules in a fork of the worker
(docs/decisions/0020), then plans. A run that changes something is no measurement, and ends the benchmark.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
STOCK = {"ANSIBLE_ACTION_PLUGINS": "plugins/action"}
SITE = ("playbooks/site.yml",)
CONTENDERS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "converge, stock executor": (SITE, STOCK),
    "converge, forked modules": (SITE, {}),
    "plan, forked modules": (("--check", *SITE), {}),
}
PROMISED = {"converge, forked modules": 0.3, "plan, forked modules": 0.2}
CHANGED = re.compile(r"\bchanged=(\d+)")


def seconds(arguments: tuple[str, ...], environment: dict[str, str]) -> float:
    """Run a playbook on the rehearsal and return what it took.

    Raises:
        click.ClickException: it failed, or changed something.
    """
    command = [Path(sys.executable).with_name("ansible-playbook"), "-i", "inventories/local", *arguments]
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    if done.returncode:
        raise click.ClickException(f"{' '.join(arguments)} failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    if any(int(changes) for changes in CHANGED.findall(done.stdout)):
        raise click.ClickException(f"{' '.join(arguments)} changed something; converge first (make apply ENV=local).")
    return took


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 20))
def main(rounds: int) -> None:
    """Print each run, the medians and their ratios to the stock executor's."""
    taken: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for number in range(1, rounds + 1):
        for name, (arguments, environment) in CONTENDERS.items():
            taken[name].append(seconds(arguments, environment))
            click.echo(f"round {number}: {name}: {taken[name][-1]:.1f} s")
    medians = {name: statistics.median(runs) for name, runs in taken.items()}
    stock, *others = medians
    click.echo(f"{stock}: median {medians[stock]:.1f} s")
    for name in others:
        ratio = medians[name] / medians[stock]
        click.echo(f"{name}: median {medians[name]:.1f} s, ratio {ratio:.2f} (promised: {PROMISED[name]})")


if __name__ == "__main__":
    main()
