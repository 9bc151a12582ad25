"""The account of the plans' tests, and the environment that they make of it."""

from tests.plan.conftest import account, client, served, world

__all__ = ["account", "client", "served", "world"]
