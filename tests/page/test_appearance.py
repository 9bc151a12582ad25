"""The page can be used by everyone: on a narrow screen, in the dark, without a mouse, by ear."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from inference.errors import OverloadedError
from tests.bundles import CAT, REPOSITORY
from tests.inference.servers import Running
from tests.page.visitors import Answers, Visitor

AXE = REPOSITORY / "node_modules/axe-core/axe.min.js"
# WCAG 2.2 AA includes the size that a finger needs.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def untouched(_visitor: Visitor) -> None:
    """The page as it opens."""


def answered(visitor: Visitor) -> None:
    visitor.choose(CAT)
    visitor.rows()
    visitor.choose("cat.gif", "image/gif", CAT.read_bytes())
    visitor.page.wait_for_selector("#history:not([hidden])")
    visitor.rows()


def refused(visitor: Visitor) -> None:
    visitor.choose("letter.pdf", "", b"%PDF-1.7 Dear")
    visitor.problem()


def waiting(visitor: Visitor) -> None:
    visitor.page.route("**/predict", Answers(OverloadedError("This host is full.")))
    visitor.page.clock.install()
    visitor.choose(CAT)
    expect(visitor.page.get_by_role("timer")).to_be_visible()


def uploading(visitor: Visitor) -> None:
    visitor.slow_down(20_000)
    visitor.choose("noise.bin", "", bytes(300_000))
    expect(visitor.page.get_by_role("progressbar")).to_be_visible()


PHONE: dict[str, Any] = {"viewport": {"width": 320, "height": 568}, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize("reach", [untouched, answered, refused, waiting, uploading])
def test_no_barrier_is_found(browser: Browser, server: Running, reach: Callable[[Visitor], None]) -> None:
    assert AXE.exists(), f"{AXE.name} is missing. Run scripts/setup test."
    with Visitor(browser, server.url, reduced_motion="reduce", **PHONE) as phone:
        reach(phone)
        assert phone.page.evaluate("document.documentElement.scrollWidth") == 320
        phone.page.evaluate(AXE.read_text())
        for colours in ("light", "dark"):
            phone.page.emulate_media(color_scheme=colours)
            found = phone.page.evaluate("rules => axe.run({ runOnly: rules })", RULES)
            unsure_or_wrong = [*found["violations"], *found["incomplete"]]
            assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in unsure_or_wrong] == [], colours
            assert "color-contrast" in {rule["id"] for rule in found["passes"]}


def test_the_answer_scrolls_into_view_on_a_phone(browser: Browser, server: Running) -> None:
    with Visitor(browser, server.url, reduced_motion="reduce", **PHONE) as phone:
        phone.choose(CAT)
        phone.rows()
        expect(phone.page.locator("#best")).to_be_in_viewport()


def test_what_happens_is_read_aloud(visitor: Visitor) -> None:
    """As a screen reader gets it from Chromium's accessibility tree."""
    visitor.choose(CAT)
    (best, part), *_ = visitor.rows()
    tree = visitor.page.locator("body").aria_snapshot()
    assert f"- status: Not sure; perhaps {best}, {part}." in tree
    assert '- img "cat.jpg"' in tree
    assert f"- listitem: {best} {part}" in tree
    refused(visitor)
    alert = visitor.page.get_by_role("alert")
    assert alert.aria_snapshot().startswith("- alert:")


def test_nothing_moves_for_those_who_do_not_want_it(visitor: Visitor) -> None:
    visitor.choose(CAT)
    visitor.rows()
    moving = "getComputedStyle(document.querySelector('.bar span')).animationName"
    assert visitor.page.evaluate(moving) == "grow"
    visitor.page.emulate_media(reduced_motion="reduce")
    assert visitor.page.evaluate(moving) == "none"


def test_without_scripts_the_page_says_so(browser: Browser, server: Running) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.url)
    assert "This page needs JavaScript." in page.locator("noscript").inner_text()
    context.close()
