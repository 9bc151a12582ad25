"""A photo reaches the model however it is given, and the page shows what the service says."""

import base64
import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser

from tests.bundles import CAT
from tests.inference.servers import Running
from tests.page.visitors import Visitor, as_shown

# 6 megapixels as a phone writes them: lying on the side, with an EXIF orientation that turns them upright.
LYING, UPRIGHT = (3000, 2000), (2000, 3000)


@pytest.fixture(scope="module")
def large_photo() -> bytes:
    """A JPEG whose upright upper half is red and whose lower half is blue."""
    image = Image.new("RGB", LYING, "red")
    image.paste("blue", (LYING[0] // 2, 0, *LYING))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees clockwise
    content = io.BytesIO()
    image.save(content, "JPEG", exif=exif)
    return content.getvalue()


def test_a_chosen_photo_is_shown_and_named(visitor: Visitor, server: Running) -> None:
    visitor.choose(CAT)
    assert visitor.rows() == as_shown(server.predict(CAT.read_bytes()).document)
    model = server.ask("/version").document["model"]
    assert visitor.text("#model") == f"Model {model['name']} {model['version']}."
    latency = visitor.text("#latency")
    assert latency.startswith("Answered in ")
    assert " ms" in latency
    assert latency.endswith(f"by {model['name']} {model['version']}.")
    preview = visitor.page.get_by_role("img", name="cat.jpg")
    assert preview.is_visible()
    width = preview.evaluate("image => image.naturalWidth")
    assert width == Image.open(CAT).width
    assert visitor.text("#scaled") == ""


def test_bars_are_as_long_as_the_confidence(visitor: Visitor, server: Running) -> None:
    visitor.page.emulate_media(reduced_motion="reduce")
    visitor.choose(CAT)
    visitor.rows()
    shares = visitor.page.eval_on_selector_all(
        ".bar", "bars => bars.map(bar => bar.firstChild.getBoundingClientRect().width / bar.clientWidth)"
    )
    confidences = [each["confidence"] for each in server.predict(CAT.read_bytes()).document["predictions"]]
    assert shares == pytest.approx(confidences, abs=0.01)


def test_a_dropped_photo_is_answered(visitor: Visitor, server: Running) -> None:
    visitor.drop(CAT)
    assert visitor.rows() == as_shown(server.predict(CAT.read_bytes()).document)


def test_a_pasted_photo_is_answered(visitor: Visitor, server: Running) -> None:
    content = io.BytesIO()
    Image.open(CAT).convert("RGB").save(content, "PNG")
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.page.evaluate(
        """async (text) => {
          const png = new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], { type: "image/png" });
          await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
        }""",
        base64.b64encode(content.getvalue()).decode(),
    )
    visitor.page.keyboard.press("Control+V")
    assert visitor.rows() == as_shown(server.predict(content.getvalue()).document)


def test_pasting_and_dropping_text_changes_nothing(visitor: Visitor) -> None:
    visitor.drop(text="hello")
    visitor.paste("hello")
    assert not visitor.page.locator("#result").is_visible()


def test_the_keyboard_is_enough(visitor: Visitor) -> None:
    page = visitor.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "choose"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    with page.expect_file_chooser() as dialog:
        page.keyboard.press("Enter")
    dialog.value.set_files(CAT)
    visitor.rows()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Interface for programs"


def test_a_phone_offers_its_camera(browser: Browser, server: Running) -> None:
    with Visitor(browser, server.url, has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844}) as phone:
        assert phone.page.locator("#camera").get_attribute("capture") == "environment"
        phone.choose(CAT, button="Take a photo")
        assert phone.rows() == as_shown(server.predict(CAT.read_bytes()).document)


def test_a_desktop_offers_no_camera(visitor: Visitor) -> None:
    assert not visitor.page.get_by_role("button", name="Take a photo").is_visible()


def test_a_large_photo_is_scaled_down_and_says_so(visitor: Visitor, server: Running, large_photo: bytes) -> None:
    body = prepared(visitor, large_photo)
    small = Image.open(io.BytesIO(body))
    assert small.width * small.height == pytest.approx(4_000_000, rel=0.01)
    assert small.width / small.height == pytest.approx(UPRIGHT[0] / UPRIGHT[1], rel=0.01)
    assert small.getexif().get(0x0112, 1) == 1
    upper, lower = (small.convert("RGB").getpixel((small.width // 2, small.height * part // 4)) for part in (1, 3))
    assert upper == pytest.approx((254, 0, 0), abs=3)
    assert lower == pytest.approx((0, 0, 254), abs=3)

    visitor.choose("IMG_1.JPG", "image/jpeg", large_photo)
    assert visitor.rows() == as_shown(server.predict(body).document)
    note = visitor.text("#scaled").replace("\N{MULTIPLICATION SIGN}", "x")
    assert note.startswith(f"Scaled down from 2000 x 3000 to {small.width} x {small.height} pixels before sending: ")
    assert len(body) < 1e6


def prepared(visitor: Visitor, photo: bytes) -> bytes:
    """Return what the page would send of a photo."""
    text = visitor.page.evaluate(
        """async (text) => {
          const { prepare } = await import("/photo.js");
          const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          const { body } = await prepare(new File([bytes], "a.jpg", { type: "image/jpeg" }), new Image(), 1e7);
          return btoa(Array.from(new Uint8Array(await body.arrayBuffer()), (byte) => String.fromCharCode(byte)).join(""));
        }""",
        base64.b64encode(photo).decode(),
    )
    return base64.b64decode(text)


def test_a_small_photo_is_sent_as_it_is(visitor: Visitor) -> None:
    assert prepared(visitor, CAT.read_bytes()) == CAT.read_bytes()


def test_what_only_the_browser_can_read_is_converted(visitor: Visitor) -> None:
    content = io.BytesIO()
    Image.open(CAT).save(content, "GIF")
    visitor.choose("cat.gif", "image/gif", content.getvalue())
    assert len(visitor.rows()) == 5
    assert visitor.text("#scaled").startswith("Converted to JPEG before sending: ")


def test_a_second_photo_replaces_the_first_and_both_are_remembered(visitor: Visitor, server: Running, tmp_path: Path) -> None:
    other = tmp_path / "dark.png"
    Image.new("RGB", (64, 64), "black").save(other)
    visitor.choose(CAT)
    first = visitor.rows()
    assert not visitor.page.locator("#history").is_visible()
    visitor.choose(other)
    earlier = visitor.page.locator("#earlier button")
    visitor.page.wait_for_selector("#history:not([hidden])")
    assert visitor.rows() == as_shown(server.predict(other.read_bytes()).document) != first
    assert earlier.all_inner_texts() == [f"{rows[0][0]}, {rows[0][1]}" for rows in (visitor.rows(), first)]
    earlier.nth(1).click()
    visitor.page.wait_for_selector("img[alt='cat.jpg']")
    assert visitor.rows() == first
