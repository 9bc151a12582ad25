"""One browser for the tests of a module, a server for all of them, and a visitor who accepts nothing unusual."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.bundles import tiny_bundle
from tests.inference.servers import Running
from tests.page.sites import site
from tests.page.visitors import Visitor, launch


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    """The tiny model, with the limits that a host has."""
    with site(tiny_bundle()) as running:
        yield running


# Not for the session: while Playwright's synchronous interface is open, no other test of this process can run asyncio.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, headless."""
    with sync_playwright() as playwright, launch(playwright) as chromium:
        yield chromium


@pytest.fixture
def visitor(browser: Browser, server: Running) -> Iterator[Visitor]:
    """Somebody who has opened the page on a desktop."""
    with Visitor(browser, server.url) as guest:
        yield guest
