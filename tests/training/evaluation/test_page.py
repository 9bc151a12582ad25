"""The report in a real browser: nothing is refused by its own policy, and it fits a phone, in light and dark."""

from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.page.visitors import launch
from tests.training.evaluation.runs import data, finished
from training.evaluation.measure import evaluate


@pytest.fixture(name="report", scope="module")
def _report(tmp_path_factory: pytest.TempPathFactory) -> str:
    measured = data(["cat", "dog", "a class of a rather long name, as folders have them"])
    run = finished(tmp_path_factory.mktemp("run"), measured)
    evaluate(run, measured)
    return (run.evaluation / "report.html").as_uri()


def test_the_report_in_chromium(report: str, tmp_path: Path) -> None:
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = launch(playwright)
        grounds = []
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)  # type: ignore[arg-type]
            page.on("console", lambda message: complaints.append(message.text))
            page.on("request", lambda request: complaints.append(request.url) if request.url[:5] == "http:" else None)
            page.goto(report)
            assert page.evaluate("document.documentElement.scrollWidth") == 360
            assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            page.close()
        browser.close()
    assert complaints == []
    assert grounds == ["rgb(255, 255, 255)", "rgb(18, 24, 29)"]
