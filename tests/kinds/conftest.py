"""The corrected API without hosts, for tests that change things by hand."""

from __future__ import annotations

from tests.plan.conftest import account, client, served

__all__ = ["account", "client", "served"]
