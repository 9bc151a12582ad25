"""Reading the body of a request, within bounds of size and time."""

import asyncio
from collections.abc import Callable

from inference.budget import Budget, Upload
from inference.errors import (
    BadRequestError,
    ClientGoneError,
    OverloadedError,
    RequestTimeoutError,
    ServingError,
    TooLargeError,
    UnsupportedMediaError,
    quoted,
)
from inference.handlers import JsonHandler
from inference.settings import Settings

# A body that is too large is still read, up to this many times the limit, so that its sender gets the 413 and not a
# broken connection.
_READ_FACTOR = 4


class BodyHandler(JsonHandler):
    """Reads a body itself, to bound its size and time and to answer in the service's own form.

    A refused body is read all the same, and dropped: closing a connection that has unread data resets it, and the client
    would see that instead of its answer.
    """

    gone = False
    """The client has left, and the handler's task was cancelled for it."""

    _settings: Settings
    _budget: Budget
    _max_bytes: int
    _chunks: list[bytes]
    _upload: Upload | None = None
    _timer: asyncio.TimerHandle | None = None
    _working: "asyncio.Task[object] | None" = None
    _refusal: ServingError | None = None
    _reading = False
    _received = 0

    def expect_body(self, settings: Settings, budget: Budget, max_bytes: int, check: Callable[[], None]) -> None:
        """Begin to read the body. Call it in `prepare`.

        Args:
            max_bytes: size above which it is 413.
            check: raises a ServingError when the headers tell already that the body will be refused.

        Raises:
            ServingError: it is refused and far too large to be read, or the client waits to be told whether to send it.
        """
        self._settings, self._budget, self._max_bytes, self._chunks = settings, budget, max_bytes, []
        waits = self.heed_expectation()
        length, most = self._content_length(), settings.max_body_bytes * _READ_FACTOR
        self._set_max_body_size(max(length, most))
        if length > max_bytes:
            self._refusal = self._too_large()
        try:
            check()
        except ServingError as error:
            self._refusal = error
        if self._refusal and (length > most or waits):
            raise self._refusal
        self._reading = True
        self._upload = Upload(self._gone_for_others)
        if not self._refusal:
            budget.expect(self._upload)
        self._timer = asyncio.get_running_loop().call_later(settings.body_seconds, self._timed_out)

    def data_received(self, chunk: bytes) -> None:
        if not self._reading or self._refusal:
            return
        self._received += len(chunk)
        if self._received > self._max_bytes:
            self._refuse(self._too_large())
        elif self._upload and self._budget.take(self._upload, len(chunk)):
            self._chunks.append(chunk)
        else:
            self._refuse(OverloadedError("This host has as many bytes of requests as it can hold."))

    def body(self) -> bytes:
        """Return the body, once it has come. From here on, a client that leaves cancels the handler's task.

        Raises:
            ServingError: it was refused while it came.
        """
        self._stop_timer()
        self._working = asyncio.current_task()
        if self._refusal:
            raise self._refusal
        if self._upload:
            self._budget.complete(self._upload)
        chunks, self._chunks = self._chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def check_encoding(self) -> None:
        """Raise UnsupportedMediaError if the body is compressed."""
        encoding = self.request.headers.get("Content-Encoding", "")
        if encoding.lower() not in ("", "identity"):
            raise UnsupportedMediaError(f"Content-Encoding {quoted(encoding)} is not accepted; send the body as it is.")

    @property
    def content_type(self) -> str:
        return self.request.headers.get("Content-Type", "").split(";")[0].strip().lower()

    def on_finish(self) -> None:
        self._stop_timer()
        self._release()

    def on_connection_close(self) -> None:
        """End the work for a client that has left: what waits for a thread or for the model is dropped."""
        super().on_connection_close()
        self._stop_timer()
        if self._finished:
            return
        if self._working is not None:
            self.gone = True
            self._working.cancel()
        elif self._reading:
            self.fail(ClientGoneError("The client closed the connection before its request was complete."))

    def _content_length(self) -> int:
        """Return the announced size in bytes; 0 for a chunked body, which announces none."""
        text = self.request.headers.get("Content-Length", "0")
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise BadRequestError("The Content-Length is not a number.")
        return int(text)

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"The body has more than {self._max_bytes:,} bytes, the most that is accepted.")

    def _timed_out(self) -> None:
        if not self._finished:
            self.fail(RequestTimeoutError(f"The body did not arrive within {self._settings.body_seconds:g} s."))

    def _gone_for_others(self) -> None:
        self._refuse(OverloadedError("This host has as many bytes of requests as it can hold, and this request came slowest."))
        if not self._finished and self._refusal:
            self.fail(self._refusal)

    def _refuse(self, error: ServingError) -> None:
        self._refusal = error
        self._release()

    def _release(self) -> None:
        if self._upload:
            self._chunks.clear()
            self._budget.give_back(self._upload)

    def _set_max_body_size(self, size: int) -> None:
        self.request.connection.set_max_body_size(size)  # type: ignore[union-attr]

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
