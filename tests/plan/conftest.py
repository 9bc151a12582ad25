"""The corrected API of the local cloud without hosts, in this process, as the account that plans are made of."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud import settings as constants
from localcloud.account import Account
from localcloud.balancer.targets import CheckResult
from localcloud.hosts.driver import NoHosts
from localcloud.settings import Settings
from tests.plan.world import World, make

Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    """The account itself, which is kind unless a test sets it otherwise."""
    # The quota is that of a new account.
    settings = Settings(root=Path("/nonexistent"), api_port=0, vcpu_quota=5, consistency_delay=0)
    account = Account(settings, NoHosts(), lambda _: CheckResult(True), lambda: 0.0)
    account.telemetry.close()
    account.schedules.close()
    yield account
    account.close()


@pytest.fixture(scope="module")
def served(account: Account) -> tuple[str, Client]:
    """The address of the API, and clients for it: making one takes longer than most calls."""
    endpoint = f"http://127.0.0.1:{account.open()}"

    @functools.cache
    def client(service: str) -> Any:
        return boto3.client(service, endpoint_url=endpoint, region_name=constants.REGION, **account.keys.root.arguments)

    return endpoint, client


@pytest.fixture
def client(account: Account, served: tuple[str, Client]) -> Client:
    """An empty account; called with a service's name, gives a client for it."""
    account.reset()
    return served[1]


@pytest.fixture
def world(client: Client) -> World:
    """What is wanted; nothing of it is there yet."""
    return make(client)
