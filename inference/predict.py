"""POST /predict: an image or a row of numbers in, the most probable classes out."""

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bundle import Manifest
from bundle.golden import TOP_K
from inference.bodies import BodyHandler
from inference.budget import Budget
from inference.decode import Later
from inference.engine import Engine
from inference.errors import BadRequestError, ClientGoneError, DeadlineError, OverloadedError, UnsupportedMediaError, quoted
from inference.forms import FORM, boundary_of, form_field
from inference.handlers import is_forwarded
from inference.metrics import Metrics
from inference.mirror import HEADER, Copy, Mirror
from inference.settings import Settings
from inference.state import Phase, State
from inference.telemetry import Telemetry

# What the interface's document names. Any other type is taken as well: systems disagree about it (image/jpg, image/pjpeg,
# binary/octet-stream, what curl says of itself), and the bytes tell what an image is.
IMAGE_TYPES: tuple[str, ...] = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")
FEATURE_TYPES: tuple[str, ...] = ("application/json",)
FORM_FIELDS = ("file", "image")

# No row of numbers needs more, and JSON is parsed on the event loop, which answers /health.
_BYTES_PER_FEATURE, _FEATURES_BASE_BYTES = 64, 4096


class InputReader(Protocol):
    """Turns the bytes of a request into one item of the model's input, whose shape the manifest tells."""

    def read(self, data: bytes) -> NDArray[Any]:
        """Return the item; called in a worker's thread.

        Raises:
            ServingError: the bytes are none that the model takes.
            Later: this takes long, and has a lane of its own.
        """
        ...

    def close(self) -> None: ...


@dataclass
class Predictor:
    """Everything that an answer passes through. `engine` is set once the model is warm."""

    manifest: Manifest
    model: dict[str, str]
    reader: InputReader
    settings: Settings
    state: State
    metrics: Metrics
    telemetry: Telemetry = field(default_factory=lambda: Telemetry(""))
    engine: Engine | None = None
    in_flight: int = 0

    def __post_init__(self) -> None:
        self.bodies = Budget(self.settings.max_held_bytes)
        self.metrics.gauge("held_bytes").set_function(lambda: self.bodies.held)
        self.mirror = Mirror(self.metrics, self.telemetry)

    @property
    def has_work(self) -> bool:
        """Whether answers are under way, or bodies are coming that will be answered."""
        coming = self.bodies.coming if self.state.phase is not Phase.STOPPING else 0
        return bool(self.in_flight or coming)

    def check_capacity(self) -> None:
        """Raise unless one more prediction can be taken: NotReadyError, DrainingError or OverloadedError."""
        self.state.check_serving()
        if self.in_flight >= self.settings.queue_size:
            raise OverloadedError("This host has as many requests as it can hold.")

    async def predict(self, data: bytes) -> list[dict[str, Any]]:
        """Return the most probable classes, best first. Cancelling it drops what has not begun.

        Raises:
            ServingError: any of its kinds.
        """
        self.check_capacity()
        self.in_flight += 1
        self.metrics.gauge("in_flight").set(self.in_flight)
        try:
            async with asyncio.timeout(self.settings.deadline_seconds):
                assert self.engine is not None  # noqa: S101 - check_serving has let this request in
                try:
                    probabilities = await self.engine.predict(partial(self.reader.read, data))
                except Later as later:
                    item = await later.item()
                    probabilities = await self.engine.predict(lambda: item)
                return self._top(probabilities)
        except TimeoutError:
            raise DeadlineError(f"No answer within {self.settings.deadline_seconds:g} seconds.") from None
        finally:
            self.in_flight -= 1
            self.metrics.gauge("in_flight").set(self.in_flight)

    def _top(self, probabilities: NDArray[np.float32]) -> list[dict[str, Any]]:
        # Sorting a thousand classes for five of them would cost as much as reading the request.
        count = min(TOP_K, len(probabilities))
        best = np.argpartition(-probabilities, count - 1)[:count]
        return [
            {"class": self.manifest.classes[index], "class_id": int(index), "confidence": round(float(probabilities[index]), 6)}
            for index in best[np.argsort(-probabilities[best], kind="stable")]
        ]


class PredictHandler(BodyHandler):
    """Takes what the served model takes: a photo, raw or in a form, or a JSON object."""

    _answered: Copy | None = None

    def initialize(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._takes_images = predictor.manifest.input.kind == "image"

    def prepare(self) -> None:
        if self.request.method == "POST":
            limit = max_body_bytes(self._predictor.manifest, self._predictor.settings)
            self.expect_body(self._predictor.settings, self._predictor.bodies, limit, self._check_headers)
        else:
            super().prepare()

    async def post(self) -> None:
        started = time.perf_counter()
        try:
            content = self._content(self.body())
            predictions = await self._predictor.predict(content)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self.gone or task is None:
                raise
            task.uncancel()
            raise ClientGoneError("The client closed the connection before its answer.") from None
        seconds = time.perf_counter() - started
        self._predictor.telemetry.latency(seconds)
        if self._predictor.state.phase is Phase.DRAINING:
            self.set_header("Connection", "close")
        # A copy comes straight from another host. What comes by the balancer is a client's, whatever it says of itself.
        if HEADER not in self.request.headers or is_forwarded(self.request):
            kind = "application/octet-stream" if self._takes_images else "application/json"
            self._answered = Copy(content, kind, self.request_id, predictions, seconds)
        self.write_json(
            {
                "predictions": predictions,
                "latency_seconds": round(seconds, 6),
                "model": self._predictor.model,
                "request_id": self.request_id,
            }
        )

    def on_finish(self) -> None:
        super().on_finish()
        # The answer is on its way, and whatever comes of the copy cannot touch it.
        if self._answered is not None:
            self._predictor.mirror.offer(self._answered)
            self._answered = None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        super().write_error(status_code, **kwargs)
        code = self.error_code or ""
        if self.get_status() != 500:
            self._predictor.metrics.counter("rejections").labels(code).inc()
        if self.get_status() >= 500:
            self._predictor.telemetry.error(code)

    def _check_headers(self) -> None:
        self._predictor.check_capacity()
        self.check_encoding()
        if not self._takes_images and self.content_type not in FEATURE_TYPES:
            came = self.content_type
            problem = f"Content-Type {quoted(came)} is not accepted" if came else "The Content-Type is missing"
            raise UnsupportedMediaError(f"{problem}; this model takes {', '.join(FEATURE_TYPES)}.")

    def _content(self, body: bytes) -> bytes:
        if self.content_type == FORM:
            body = form_field(body, boundary_of(self.request.headers["Content-Type"]), FORM_FIELDS)
        if not body:
            raise BadRequestError(f"The request holds no {'image' if self._takes_images else 'JSON'}.")
        return body


def max_body_bytes(manifest: Manifest, settings: Settings) -> int:
    """Return the size above which a body is 413."""
    if manifest.input.kind == "image":
        return settings.max_body_bytes
    return min(settings.max_body_bytes, _FEATURES_BASE_BYTES + _BYTES_PER_FEATURE * len(manifest.input.names))
