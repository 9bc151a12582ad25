"""POST /predict: an image in, the most probable classes out."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tornado.httputil import HTTPFile, HTTPInputError, parse_multipart_form_data
from tornado.web import stream_request_body

from bundle import Manifest
from bundle.golden import TOP_K
from inference.decode import Decoder
from inference.engine import Engine
from inference.errors import (
    BadRequestError,
    DeadlineError,
    OverloadedError,
    RequestTimeoutError,
    ServingError,
    TooLargeError,
    UnsupportedMediaError,
)
from inference.handlers import JsonHandler
from inference.metrics import Metrics
from inference.settings import Settings
from inference.state import Phase, State

IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")
FIELDS = ("file", "image")

# A body that is too large is still read, up to this many times the limit, so that its sender gets the 413 and not a
# broken connection.
_READ_FACTOR = 4


@dataclass
class Predictor:
    """Everything that an answer passes through. `engine` is set once the model is warm."""

    manifest: Manifest
    model: dict[str, str]
    decoder: Decoder
    settings: Settings
    state: State
    metrics: Metrics
    engine: Engine | None = None
    in_flight: int = 0

    def check_capacity(self) -> None:
        """Raise unless one more prediction can be taken: NotReadyError, DrainingError or OverloadedError."""
        self.state.check_serving()
        if self.in_flight >= self.settings.queue_size:
            raise OverloadedError("This host has as many requests as it can hold.")

    async def predict(self, image: bytes) -> list[dict[str, Any]]:
        """Return the most probable classes, best first.

        Raises:
            ServingError: any of its kinds.
        """
        self.check_capacity()
        self.in_flight += 1
        self.metrics.in_flight.set(self.in_flight)
        try:
            async with asyncio.timeout(self.settings.deadline_seconds):
                started = time.perf_counter()
                pixels = await self.decoder.decode(image)
                self.metrics.decode_seconds.observe(time.perf_counter() - started)
                assert self.engine is not None  # noqa: S101 - check_serving has let this request in
                return self._top(await self.engine.predict(pixels))
        except TimeoutError:
            raise DeadlineError(f"No answer within {self.settings.deadline_seconds:g} seconds.") from None
        finally:
            self.in_flight -= 1
            self.metrics.in_flight.set(self.in_flight)

    def _top(self, probabilities: NDArray[np.float32]) -> list[dict[str, Any]]:
        best = np.argsort(-probabilities, kind="stable")[:TOP_K]
        return [
            {
                "class": self.manifest.classes[index],
                "class_id": int(index),
                "confidence": round(float(probabilities[index]), 6),
            }
            for index in best
        ]


@stream_request_body
class PredictHandler(JsonHandler):
    """Reads the body itself, to refuse early and to answer 413 and 408 in the service's own form."""

    def initialize(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._body = bytearray()
        self._received = 0
        self._timer: object | None = None

    def prepare(self) -> None:
        self._predictor.check_capacity()
        content_type = self._content_type()
        if content_type not in ("", "multipart/form-data", *IMAGE_TYPES):
            accepted = ", ".join(("multipart/form-data", *IMAGE_TYPES))
            raise UnsupportedMediaError(f"Content-Type {content_type[:80]!r} is not accepted; send {accepted}.")
        settings = self._predictor.settings
        length = self._content_length()
        if length > settings.max_body_bytes * _READ_FACTOR:
            self._set_max_body_size(length)
            raise self._too_large()
        self._set_max_body_size(settings.max_body_bytes * _READ_FACTOR)
        self._timer = asyncio.get_running_loop().call_later(settings.body_seconds, self._body_timed_out)

    def data_received(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received <= self._predictor.settings.max_body_bytes:
            self._body += chunk
        else:
            self._body.clear()

    async def post(self) -> None:
        self._stop_timer()
        if self._received > self._predictor.settings.max_body_bytes:
            raise self._too_large()
        started = time.perf_counter()
        predictions = await self._predictor.predict(self._image())
        if self._predictor.state.phase is Phase.DRAINING:
            self.set_header("Connection", "close")
        self.write_json(
            {
                "predictions": predictions,
                "latency_seconds": round(time.perf_counter() - started, 6),
                "model": self._predictor.model,
                "request_id": self.request_id,
            }
        )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, ServingError):
            self._predictor.metrics.rejections.labels(error.code).inc()
        super().write_error(status_code, **kwargs)

    def on_finish(self) -> None:
        self._stop_timer()

    def on_connection_close(self) -> None:
        self._stop_timer()

    def _content_type(self) -> str:
        return self.request.headers.get("Content-Type", "").split(";")[0].strip().lower()

    def _content_length(self) -> int:
        """Return the announced size in bytes; 0 for a chunked body, which announces none."""
        text = self.request.headers.get("Content-Length", "0")
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise BadRequestError("The Content-Length is not a number.")
        return int(text)

    def _image(self) -> bytes:
        """Return the image's bytes: the body, or the multipart field that holds it."""
        body = bytes(self._body)
        if self._content_type() == "multipart/form-data":
            body = self._multipart_field(body)
        if not body:
            raise BadRequestError("The request holds no image.")
        return body

    def _multipart_field(self, body: bytes) -> bytes:
        boundary = self.request.headers["Content-Type"].partition("boundary=")[2].split(";")[0].strip().strip('"')
        files: dict[str, list[HTTPFile]] = {}
        try:
            parse_multipart_form_data(boundary.encode(), body, {}, files)
        except HTTPInputError:
            raise BadRequestError("The multipart body cannot be read.") from None
        for field in FIELDS:
            if files.get(field):
                return bytes(files[field][0]["body"])
        raise BadRequestError(f"The multipart body has no file in a field named {' or '.join(FIELDS)}.")

    def _too_large(self) -> TooLargeError:
        limit = self._predictor.settings.max_body_bytes
        return TooLargeError(f"The body has more than {limit:,} bytes, the most that is accepted.")

    def _body_timed_out(self) -> None:
        if not self._finished:
            self.set_header("Connection", "close")
            error = RequestTimeoutError(f"The body did not arrive within {self._predictor.settings.body_seconds:g} s.")
            self.send_error(error.status, exc_info=(type(error), error, None))

    def _set_max_body_size(self, size: int) -> None:
        self.request.connection.set_max_body_size(size)  # type: ignore[union-attr]

    def _stop_timer(self) -> None:
        if isinstance(self._timer, asyncio.TimerHandle):
            self._timer.cancel()
