"""On a slow line the page shows how far it is, lets go when it is told to, and says when it took too long."""

import os

from playwright.sync_api import Browser, expect

from tests.bundles import CAT, tiny_bundle
from tests.page.sites import site
from tests.page.visitors import Visitor

# Random bytes are no photo that could be made smaller: they are sent as they are.
NOISE = os.urandom(300_000)
SLOW = 100_000


def test_progress_is_shown(visitor: Visitor) -> None:
    visitor.page.evaluate(
        """() => {
          const bar = document.getElementById("progress");
          window.seen = [];
          new MutationObserver(() => bar.hidden || seen.push(bar.value)).observe(bar, { attributes: true });
        }"""
    )
    visitor.slow_down(SLOW)
    visitor.choose("noise.bin", "", NOISE)
    expect(visitor.page.get_by_role("status")).to_have_text("Sending noise.bin, 300 kB…")
    expect(visitor.page.get_by_role("progressbar", name="Sent so far")).to_be_visible()
    assert "not a JPEG" in visitor.problem()
    seen = visitor.page.evaluate("seen")
    assert len({share for share in seen if 0 < share < 1}) >= 3
    assert seen == sorted(seen)


def test_an_upload_can_be_cancelled(visitor: Visitor) -> None:
    visitor.slow_down(SLOW)
    with visitor.page.expect_event("requestfailed") as given_up:
        visitor.choose("noise.bin", "", NOISE)
        visitor.page.get_by_role("button", name="Cancel").click()
    assert given_up.value.failure == "net::ERR_ABORTED"
    expect(visitor.page.get_by_role("status")).to_have_text("Cancelled.")
    visitor.slow_down(-1)
    visitor.page.get_by_role("button", name="Try again").click()
    assert "not a JPEG" in visitor.problem()


def test_another_photo_takes_the_place_of_an_upload(visitor: Visitor) -> None:
    visitor.slow_down(SLOW)
    visitor.choose("noise.bin", "", NOISE)
    expect(visitor.page.get_by_role("progressbar")).to_be_visible()
    visitor.slow_down(-1)
    visitor.choose(CAT)
    assert len(visitor.rows()) == 5
    assert visitor.page.locator("#earlier li").count() == 1


def test_an_upload_that_takes_too_long_is_explained(browser: Browser) -> None:
    with site(tiny_bundle(), "--body-seconds", "0.3") as running, Visitor(browser, running.url) as visitor:
        visitor.slow_down(5 * SLOW)
        visitor.choose("noise.bin", "", NOISE * 2)
        said = visitor.problem()
        assert "Sending took too long" in said
        assert "The body did not arrive within 0.3 s." in said
        assert visitor.page.get_by_role("button", name="Try again").is_visible()
