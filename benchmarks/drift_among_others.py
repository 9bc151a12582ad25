"""How much longer drift takes where other people have many resources in the same account.

One environment as the tests of plans make it, in an account of this process: its modules look at all that they manage, and
`owned_resources` lists what carries its tags or lives in its VPC. Once alone and once among resources of others, of kinds of
which an account has many. It is held against the promise of at most a twentieth more.

Each call waits for as long as AWS's answers are on their way. What the account itself needs to answer is measured as well, so
that the ratio is above that on AWS, whose answers to a filter do not come later where there is more to filter.
"""

import functools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import click
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Scope
from ansible_collections.pettracker.aws.plugins.module_utils.owned_resources import listed

from localcloud import settings as constants
from localcloud.account import Account
from localcloud.balancer.targets import CheckResult
from localcloud.hosts.driver import NoHosts
from localcloud.settings import Settings
from tests.plan.others import Counted, make_others, name_as_inventories_do
from tests.plan.world import NAME, TAGS, make

PROMISED = 1.05


def clients(account: Account, endpoint: str, latency: float) -> Callable[[str], Any]:
    """Return what makes a service's client once, whose calls wait for `latency` seconds."""

    @functools.cache
    def client(service: str) -> Any:
        made = boto3.client(service, endpoint_url=endpoint, region_name=constants.REGION, **account.keys.root.arguments)
        made.meta.events.register("before-send", lambda **_: time.sleep(latency))
        return made

    return client


def measure(look: Callable[[], object], counted: Counted, runs: int) -> tuple[float, int]:
    """Return the median of the seconds of one look, and how many calls it makes."""
    look()  # once in vain: what is made at first is not measured
    counted.calls.clear()
    seconds = []
    for _ in range(runs):
        begun = time.perf_counter()
        look()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds), sum(counted.calls.values()) // runs


@click.command(help=__doc__)
@click.option("--others", default=1000, show_default=True, type=click.IntRange(1), help="Resources of other people.")
@click.option("--runs", default=5, show_default=True, type=click.IntRange(1, 100), help="Looks on each side.")
@click.option("--latency", default=0.1, show_default=True, type=click.FloatRange(0), help="Seconds for which each call waits.")
def main(others: int, runs: int, latency: float) -> None:
    """Print seconds and calls of each side, and the ratio."""
    settings = Settings(root=Path("/nonexistent"), api_port=0, consistency_delay=0)
    account = Account(settings, NoHosts(), lambda _: CheckResult(True))
    account.telemetry.close()
    account.schedules.close()
    endpoint = f"http://127.0.0.1:{account.open()}"
    counted = Counted(clients(account, endpoint, latency))
    world = make(counted)
    try:
        name_as_inventories_do(world)
        world.apply()
        scope = Scope(TAGS, world.results["vpc_network"]["vpc_id"], f"{NAME}-")

        def look() -> None:
            world.plan()
            listed(counted, scope)

        alone, calls_alone = measure(look, counted, runs)
        click.echo(f"alone: {alone:.2f} s, {calls_alone} calls")
        make_others(clients(account, endpoint, 0), others)
        among, calls_among = measure(look, counted, runs)
        click.echo(f"among {others} resources of others: {among:.2f} s, {calls_among} calls")
        click.echo(f"ratio: {among / alone:.3f}; promised {PROMISED} at most")
    finally:
        account.close()


if __name__ == "__main__":
    main()
