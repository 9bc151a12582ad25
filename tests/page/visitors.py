"""What a person does with the page, in a real browser."""

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, Route

from inference.errors import ServingError

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# What Chromium itself writes about every answer that is an error, and about a server that is gone.
_EXPECTED = "Failed to load resource"


def launch(playwright: Playwright) -> Browser:
    """Start the machine's own Chromium."""
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    assert path, "The page is tested in Chromium, and there is none on PATH. Run scripts/setup test."
    # Chromium has no sandbox for root.
    options = [*_OPTIONS, "--no-sandbox"] if os.geteuid() == 0 else list(_OPTIONS)
    return playwright.chromium.launch(executable_path=path, args=options)


class Visitor:
    """Has the page open. Leaving it fails when the page did what it never may: wrote an error to the console, broke its
    content security policy, asked another host, or kept something.

    Args:
        options: of the browser's context, such as viewport or color_scheme.
    """

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self._context = browser.new_context(**options)
        self._context.set_default_timeout(20_000)
        self._host = urlsplit(url).netloc
        self._complaints: list[str] = []
        self.page: Page = self._context.new_page()
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self._complaints.append(str(error)))
        self.page.on("request", self._watch)
        # From now on no dialog opens; a listener that came with the key press would come too late.
        self.page.on("filechooser", lambda _dialog: None)
        self.devtools = self._context.new_cdp_session(self.page)
        self.url = url

    def __enter__(self) -> Self:
        self.page.goto(self.url)
        self.page.wait_for_selector("#model:not(:empty)")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._check_manners()
        finally:
            self._context.close()

    def choose(self, *file: Any, button: str = "Choose a photo") -> None:
        """Choose a file in the dialog that a button opens: a path, or name, type and content."""
        with self.page.expect_file_chooser() as dialog:
            self.page.get_by_role("button", name=button).click()
        dialog.value.set_files(payload(*file) if len(file) > 1 else file[0])

    def drop(self, *files: Path, text: str = "") -> None:
        """Drag files, or a piece of text, from elsewhere onto the page and let them go there."""
        items = [{"mimeType": "text/plain", "data": text}] if text else []
        data = {"items": items, "files": [str(file.resolve()) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 50, "y": 400, "data": data})

    def paste(self, text: str) -> None:
        """Paste a text that was copied elsewhere."""
        self.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.page.keyboard.press("Control+V")

    def rows(self) -> list[tuple[str, str]]:
        """Wait for an answer; return its classes and percentages."""
        self.page.wait_for_selector("#answer:not([hidden])")
        return [tuple(row.split("\n")) for row in self.page.locator("#predictions li").all_inner_texts()]  # type: ignore[misc]

    def problem(self) -> str:
        """Wait for a problem; return what is said about it."""
        self.page.wait_for_selector("#problem:not([hidden])")
        return self.page.get_by_role("alert").inner_text()

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def slow_down(self, bytes_per_second: int) -> None:
        """Limit the line's upload."""
        self.devtools.send("Network.enable")
        conditions = {"latency": 20, "downloadThroughput": -1, "uploadThroughput": bytes_per_second, "offline": False}
        self.devtools.send("Network.emulateNetworkConditions", conditions)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_EXPECTED):
            self._complaints.append(message.text)

    def _watch(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "blob" and parts.netloc != self._host:
            self._complaints.append(f"a request to {request.url}")

    def _check_manners(self) -> None:
        assert self._complaints == []
        assert self._context.cookies() == []
        assert self.page.evaluate("localStorage.length + sessionStorage.length") == 0


class Answers:
    """Stands before /predict: gives these answers, one a request, then lets requests pass.

    A ServingError is answered as the service does; a number is a balancer's own answer with that status.
    """

    def __init__(self, *answers: ServingError | int) -> None:
        self._answers = list(answers)
        self.requests = 0

    def __call__(self, route: Route) -> None:
        self.requests += 1
        if not self._answers:
            route.continue_()
            return
        answer = self._answers.pop(0)
        if isinstance(answer, int):
            route.fulfill(status=answer, content_type="text/html", body="<h1>Bad Gateway</h1>")
            return
        error = {"code": answer.code, "message": answer.message}
        headers = {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}
        route.fulfill(status=answer.status, headers=headers, json={"error": error})


def payload(name: str, kind: str, content: bytes) -> dict[str, Any]:
    """A file as Playwright takes it."""
    return {"name": name, "mimeType": kind, "buffer": content}


def as_shown(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what the page should show of an answer of the API."""
    return [(each["class"], _percent(each["confidence"])) for each in answer["predictions"]]


def _percent(confidence: float) -> str:
    return "<0.1%" if 0 < confidence < 0.0005 else f"{100 * confidence:.1f}%"
