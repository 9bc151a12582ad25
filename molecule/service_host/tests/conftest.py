"""The scenario's host, and its journal when a test on it fails."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

sys.path.insert(0, str(Path(__file__).parents[2] / "shared"))

from hosts import scenario_host, service_layout


@pytest.fixture(scope="session")
def host() -> Host:
    return scenario_host()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call" and report.failed and "host" in getattr(item, "funcargs", {}):
        host: Host = item.funcargs["host"]  # type: ignore[attr-defined]
        journal = host.run(f"journalctl --no-pager --lines=40; tail -n 20 {service_layout()['log']}").stdout
        report.sections.append(("host's journal and log", journal))
