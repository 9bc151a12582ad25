"""A model that takes named numbers gets a form instead of a photo."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from bundle import load
from tests.bundles import CAT, iris_bundle
from tests.inference.servers import Running
from tests.page.sites import site
from tests.page.visitors import Visitor, as_shown

SETOSA = [5.1, 3.5, 1.4, 0.2]


@pytest.fixture(scope="module")
def iris() -> Iterator[Running]:
    with site(iris_bundle()) as running:
        yield running


@pytest.fixture
def botanist(browser: Browser, iris: Running) -> Iterator[Visitor]:
    with Visitor(browser, iris.url) as visitor:
        expect(visitor.page.get_by_role("button", name="Ask the model")).to_be_visible()
        yield visitor


def api(iris: Running, features: list[float]) -> list[tuple[str, str]]:
    body = json.dumps({"features": features}).encode()
    return as_shown(iris.ask("/predict", body, Content_Type="application/json").document)


def test_the_form_asks_for_each_feature_by_name(botanist: Visitor, iris: Running) -> None:
    names = load(iris_bundle()).manifest.input.names  # type: ignore[union-attr]
    assert botanist.page.locator("label").all_inner_texts() == [name.replace("_", " ") for name in names]
    assert not botanist.page.get_by_role("button", name="Choose a photo").is_visible()
    for name, value in zip(names, SETOSA, strict=True):
        botanist.page.get_by_label(name.replace("_", " ")).fill(str(value))
    botanist.page.keyboard.press("Enter")
    assert botanist.rows() == api(iris, SETOSA)


def test_missing_numbers_are_pointed_at(botanist: Visitor) -> None:
    botanist.page.locator("input[type=number]").first.fill("5.1")
    botanist.page.get_by_role("button", name="Ask the model").click()
    fields = botanist.page.get_by_role("spinbutton")
    expect(fields.nth(1)).to_be_focused()
    expect(fields.nth(1)).to_have_accessible_description("A number is needed here.")
    assert [each.get_attribute("aria-invalid") for each in fields.all()] == ["false", "true", "true", "true"]
    assert not botanist.page.locator("#result").is_visible()


def test_a_pasted_row_fills_the_form(botanist: Visitor, iris: Running) -> None:
    botanist.page.get_by_role("spinbutton").first.focus()
    botanist.paste(",".join(map(str, SETOSA)))
    botanist.page.keyboard.press("Enter")
    assert botanist.rows() == api(iris, SETOSA)


def test_numbers_that_the_model_cannot_take_are_explained(botanist: Visitor) -> None:
    for field in botanist.page.get_by_role("spinbutton").all():
        field.fill("1e30")
    with botanist.page.expect_response("**/predict") as answer:
        botanist.page.keyboard.press("Enter")
    said = botanist.problem()
    assert answer.value.status == 422
    assert "These measurements do not fit" in said
    assert answer.value.json()["error"]["message"] in said


def test_a_photo_is_not_taken(botanist: Visitor) -> None:
    botanist.drop(CAT)
    assert not botanist.page.locator("#result").is_visible()
