"""Whatever goes wrong, the page says what, and what to do; what may pass is tried again."""

import struct
import zlib
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from inference.errors import DeadlineError, NotReadyError, OverloadedError, ServingError
from tests.bundles import CAT, tiny_bundle
from tests.inference.servers import Running
from tests.page.sites import site
from tests.page.visitors import Answers, Visitor, as_shown


def png_that_promises(width: int, height: int) -> bytes:
    """Return a PNG of some bytes whose header promises an RGB image of this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


@pytest.mark.parametrize(
    ("name", "content", "status", "title"),
    [
        ("letter.pdf", b"%PDF-1.7 Dear", 415, "This is not a photo that the model can read"),
        ("cut.jpg", CAT.read_bytes()[:900], 400, "This photo cannot be read"),
        ("empty.jpg", b"", 400, "This photo cannot be read"),
        ("bomb.png", png_that_promises(60_000, 60_000), 413, "This photo is too large"),
    ],
    ids=["type", "damaged", "empty", "pixels"],
)
def test_a_refused_file_is_explained(visitor: Visitor, name: str, content: bytes, status: int, title: str) -> None:
    with visitor.page.expect_response("**/predict") as answer:
        visitor.choose(name, "", content)
    said = visitor.problem()
    assert answer.value.status == status
    assert title in said
    assert answer.value.json()["error"]["message"] in said
    assert answer.value.headers["x-request-id"] in visitor.text("#reference")
    assert not visitor.page.get_by_role("button", name="Try again").is_visible()

    visitor.choose(CAT)
    assert len(visitor.rows()) == 5
    assert not visitor.page.get_by_role("alert").is_visible()


def test_a_file_beyond_the_limit_is_not_even_sent(visitor: Visitor, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(bytes(11_000_000))
    answers = Answers()
    visitor.page.route("**/predict", answers)
    visitor.choose(film)
    said = visitor.problem()
    assert "This photo is too large" in said
    assert "It has 11 MB; the service takes at most 10 MB." in said
    assert answers.requests == 0


def test_a_busy_service_is_asked_again_by_itself(visitor: Visitor, server: Running) -> None:
    answers = Answers(NotReadyError("The model is being loaded."), OverloadedError("This host is full."))
    visitor.page.route("**/predict", answers)
    visitor.page.clock.install()
    visitor.choose(CAT)
    status, countdown = visitor.page.get_by_role("status"), visitor.page.get_by_role("timer")
    expect(status).to_contain_text("The model is being loaded.")
    expect(countdown).to_have_text("Next attempt in 1 s")
    visitor.page.clock.run_for(1000)
    expect(status).to_contain_text("This host is full.")
    expect(countdown).to_have_text("Next attempt in 2 s")
    visitor.page.clock.run_for(1000)
    expect(countdown).to_have_text("Next attempt in 1 s")
    assert answers.requests == 2
    visitor.page.clock.run_for(1000)
    assert visitor.rows() == as_shown(server.predict(CAT.read_bytes()).document)
    assert answers.requests == 3


def test_waiting_for_a_busy_service_can_be_cancelled(visitor: Visitor) -> None:
    answers = Answers(OverloadedError("This host is full."))
    visitor.page.route("**/predict", answers)
    visitor.page.clock.install()
    visitor.choose(CAT)
    expect(visitor.page.get_by_role("timer")).to_be_visible()
    cancel = visitor.page.get_by_role("button", name="Cancel")
    cancel.focus()
    cancel.press("Enter")
    expect(visitor.page.get_by_role("status")).to_have_text("Cancelled.")
    visitor.page.clock.run_for(60_000)
    assert answers.requests == 1
    again = visitor.page.get_by_role("button", name="Try again")
    expect(again).to_be_focused()
    again.press("Enter")
    assert len(visitor.rows()) == 5
    expect(visitor.page.locator("#best")).to_be_focused()


def test_a_service_that_stays_busy_is_left_alone(visitor: Visitor) -> None:
    answers = Answers(*[OverloadedError("This host is full.")] * 7)
    visitor.page.route("**/predict", answers)
    visitor.page.clock.install()
    visitor.choose(CAT)
    for seconds in (1, 2, 4, 8, 16):
        expect(visitor.page.get_by_role("timer")).to_have_text(f"Next attempt in {seconds} s")
        visitor.page.clock.run_for(1000 * seconds)
    assert "The service is busy" in visitor.problem()
    assert answers.requests == 6
    assert visitor.page.get_by_role("button", name="Try again").is_visible()


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        (DeadlineError("No answer within 10 seconds."), "The answer took too long"),
        (ServingError("The service failed; see its log."), "The service failed"),
        (502, "The service failed"),
        (503, "The service is busy"),
    ],
)
def test_what_may_pass_can_be_tried_again(visitor: Visitor, answer: ServingError | int, title: str) -> None:
    visitor.page.route("**/predict", Answers(answer))
    visitor.choose(CAT)
    said = visitor.problem()
    assert title in said
    assert (answer.message if isinstance(answer, ServingError) else f"The answer was HTTP status {answer}.") in said
    visitor.page.get_by_role("button", name="Try again").click()
    assert len(visitor.rows()) == 5


def test_a_server_that_is_gone_and_comes_back(browser: Browser) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(site(tiny_bundle()))
        visitor = stack.enter_context(Visitor(browser, first.url))
        first.process.terminate()
        first.process.wait()
        visitor.choose(CAT)
        assert "The service cannot be reached" in visitor.problem()
        stack.enter_context(site(tiny_bundle(), "--port", first.url.rpartition(":")[2]))
        visitor.page.get_by_role("button", name="Try again").click()
        assert len(visitor.rows()) == 5


def test_a_device_without_a_network_is_told_so(visitor: Visitor) -> None:
    visitor.page.context.set_offline(True)
    visitor.choose(CAT)
    assert "This device is offline." in visitor.problem()
    visitor.page.context.set_offline(False)
    visitor.page.get_by_role("button", name="Try again").click()
    assert len(visitor.rows()) == 5
