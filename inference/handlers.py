"""What all HTTP handlers share: request ids, JSON, errors."""

import json
import re
import uuid
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError, RequestHandler

from inference import logs
from inference.errors import ForbiddenError, NotFoundError, ServingError
from inference.metrics import Metrics

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_PROBES = {"/health", "/ready", "/metrics"}
_CODES = {400: "bad_request", 405: "method_not_allowed"}


class JsonHandler(RequestHandler):
    """A handler whose every answer, errors included, is JSON and carries the request's id."""

    request_id: str

    def set_default_headers(self) -> None:
        self.request_id = request_id(self.request)
        self.clear_header("Server")
        self.set_header("X-Request-Id", self.request_id)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    def compute_etag(self) -> None:
        """Send no ETag: answers are small, and a 304 is not what a health check expects."""

    def write_json(self, document: dict[str, Any]) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(document, ensure_ascii=False))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, ServingError):
            code, message = error.code, error.message
            self.set_status(error.status)
            if error.retry_after is not None:
                self.set_header("Retry-After", str(error.retry_after))
        elif status_code == 405:
            code, message = "method_not_allowed", f"{self.request.path} does not answer {self.request.method}."
            self.set_header("Allow", ", ".join(self._allowed()))
        else:
            code = _CODES.get(status_code, "internal_error")
            message = "The request cannot be understood." if status_code < 500 else "The service failed; see its log."
        self.write_json({"error": {"code": code, "message": message}})

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        if not isinstance(value, ServingError | HTTPError):
            logs.error("request failed", request_id=self.request_id, path=self.request.path, exc_info=value)

    def _allowed(self) -> list[str]:
        return [
            method
            for method in self.SUPPORTED_METHODS
            if getattr(type(self), method.lower()) is not getattr(RequestHandler, method.lower())
        ]


class NotFoundHandler(JsonHandler):
    """Any path that is not served."""

    def prepare(self) -> None:
        raise NotFoundError(f"There is nothing at {self.request.path}.")


def request_id(request: HTTPServerRequest) -> str:
    """Return the client's X-Request-Id if it is harmless to log and echo, else a new one."""
    offered = request.headers.get("X-Request-Id", "")
    return offered if _REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex


def require_loopback(request: HTTPServerRequest) -> None:
    """Raise ForbiddenError unless the peer of the connection is this host; X-Forwarded-For and the like do not count."""
    peer = request.remote_ip or ""
    if not (peer.startswith("127.") or peer == "::1" or peer.startswith("::ffff:127.")):
        raise ForbiddenError("Only the host itself may ask for this.")


def observe(handler: RequestHandler, metrics: Metrics, route: str) -> None:
    """Count one answered request, and log it unless it is a probe that found all well."""
    request, status = handler.request, handler.get_status()
    seconds = request.request_time()
    method = request.method if request.method in RequestHandler.SUPPORTED_METHODS else "other"
    metrics.requests.labels(route, method, str(status)).inc()
    metrics.request_seconds.labels(route).observe(seconds)
    if route in _PROBES and status == 200:
        return
    logs.info(
        "request",
        request_id=getattr(handler, "request_id", None),
        method=request.method,
        path=request.path,
        status=status,
        duration_seconds=round(seconds, 6),
        remote=request.remote_ip,
    )
