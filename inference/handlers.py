"""What all HTTP handlers share: request ids, JSON, errors, the access log."""

import ipaddress
import json
import re
import uuid
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError, RequestHandler, stream_request_body

from inference import logs
from inference.errors import (
    BadRequestError,
    ForbiddenError,
    InternalError,
    MethodNotAllowedError,
    NotFoundError,
    ServingError,
    quoted,
)
from inference.metrics import Metrics
from inference.tracing import trace_fields

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# Of a body that nobody asked for; a longer one ends in a closed connection.
_DROPPED_BYTES = 1024 * 1024
# Of what a client sends, into a line of the log.
_PATH_CHARACTERS, _METHOD_CHARACTERS = 256, 16
# Asked again and again.
_PROBES = {"/health", "/ready", "/metrics", "/shadow"}


@stream_request_body
class JsonHandler(RequestHandler):
    """A handler whose every answer, errors included, is JSON and carries the request's id.

    It streams the body, so that bodies which nobody asked for are neither kept nor parsed.
    """

    request_id = ""
    error_code: str | None = None

    def set_default_headers(self) -> None:
        # Called again before an error is written: the id has to stay.
        self.request_id = self.request_id or request_id(self.request)
        self.clear_header("Server")
        self.set_header("X-Request-Id", self.request_id)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    def prepare(self) -> None:
        """Let a body come that is not asked for: a connection closed in the middle of it would hide the answer."""
        self.heed_expectation()
        self.request.connection.set_max_body_size(_DROPPED_BYTES)  # type: ignore[union-attr]

    def data_received(self, chunk: bytes) -> None:
        """Drop it."""

    def heed_expectation(self) -> bool:
        """Return whether the client waits to be told to send its body; Tornado tells it once `prepare` has returned.

        RFC 9110, section 10.1.1: the value is case-insensitive (Java's HttpClient sends "100-Continue"), and to be ignored in
        HTTP/1.0. Tornado knows it in lower case only.
        """
        if "Expect" not in self.request.headers:
            return False
        members = [member.strip().lower() for member in self.request.headers.get("Expect", "").split(",")]
        if "100-continue" not in members or self.request.version == "HTTP/1.0":
            del self.request.headers["Expect"]
            return False
        self.request.headers["Expect"] = "100-continue"
        return True

    def compute_etag(self) -> None:
        """Send no ETag: answers are small, and a 304 is not what a health check expects."""

    def write_json(self, document: dict[str, Any]) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(document, ensure_ascii=False))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = self._error(status_code, kwargs.get("exc_info"))
        self.error_code = error.code
        self.set_status(error.status, None if error.status != 499 else "Client Closed Request")
        if isinstance(error, MethodNotAllowedError):
            self.set_header("Allow", ", ".join(self._allowed()))
        if error.retry_after is not None:
            self.set_header("Retry-After", str(error.retry_after))
        self.write_json({"error": {"code": error.code, "message": error.message}})

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        if not isinstance(value, ServingError | HTTPError):
            logs.error(
                "request failed",
                request_id=self.request_id,
                path=self.request.path[:_PATH_CHARACTERS],
                **trace_fields(self.request.headers),
                exc_info=value,
            )

    def fail(self, error: ServingError) -> None:
        """Answer with an error, from outside of the handler's own methods."""
        self.send_error(error.status, exc_info=(type(error), error, None))

    def _error(self, status_code: int, exc_info: Any) -> ServingError:
        raised = exc_info[1] if exc_info else None
        if isinstance(raised, ServingError):
            return raised
        if status_code == 405:
            return MethodNotAllowedError(f"{quoted(self.request.path)} does not answer {quoted(self.request.method or '')}.")
        if status_code < 500:
            return BadRequestError("The request cannot be understood.")
        return InternalError("The service failed; its log says why.")

    def _allowed(self) -> list[str]:
        return [
            method
            for method in self.SUPPORTED_METHODS
            if getattr(type(self), method.lower()) is not getattr(RequestHandler, method.lower())
        ]


class NotFoundHandler(JsonHandler):
    """Any path that is not served."""

    def get(self) -> None:
        raise self._nothing()

    head = post = put = patch = delete = options = get

    def _error(self, status_code: int, exc_info: Any) -> ServingError:
        # Tornado refuses a method that it does not know before it asks the handler.
        return self._nothing() if status_code == 405 else super()._error(status_code, exc_info)

    def _nothing(self) -> NotFoundError:
        return NotFoundError(f"There is nothing at {quoted(self.request.path)}.")


def request_id(request: HTTPServerRequest) -> str:
    """Return the client's X-Request-Id if it is harmless to log and echo, else a new one."""
    offered = request.headers.get("X-Request-Id", "")
    return offered if _REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex


def require_loopback(request: HTTPServerRequest) -> None:
    """Raise ForbiddenError unless the host itself asks."""
    if not is_local(request):
        raise ForbiddenError("Only the host itself may ask for this, at http://127.0.0.1.")


def is_local(request: HTTPServerRequest) -> bool:
    """Return whether the host itself asks: the peer of the connection is this host and no proxy on it, and it names it so.

    X-Forwarded-For and the like make nobody local. A page of another site that lets its name point to 127.0.0.1 (DNS
    rebinding) sends that name as Host.
    """
    peer = request.remote_ip or ""
    return _is_loopback(peer) and is_loopback_name(request.host_name) and not is_forwarded(request)


def is_loopback_name(name: str) -> bool:
    """Return whether a name, without a port, can be none but that of the host that uses it."""
    return name == "localhost" or _is_loopback(name.strip("[]"))


def is_forwarded(request: HTTPServerRequest) -> bool:
    """Return whether a proxy such as the load balancer has handed the request on."""
    return "X-Forwarded-For" in request.headers


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    # An IPv4 address that came to a socket for both.
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


def client_address(request: HTTPServerRequest) -> str | None:
    """Return whom the balancer has served, by its own word: what a client says of others stands before that.

    Elastic Load Balancing, "HTTP headers and Application Load Balancers": it appends the client's address to X-Forwarded-For.
    """
    last = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(last))
    except ValueError:
        return None


def observe(handler: RequestHandler, metrics: Metrics, route: str, log: logs.Limited) -> None:
    """Count one request that has ended, and log it unless it is a probe that found all well.

    Answered predictions are bounded by what they cost; of all else, so many are logged as `log` lets through.
    """
    request, status = handler.request, handler.get_status()
    seconds = request.request_time()
    method = request.method if request.method in RequestHandler.SUPPORTED_METHODS else "other"
    metrics.counter("requests").labels(route, method, str(status)).inc()
    metrics.histogram("request_seconds").labels(route).observe(seconds)
    if route in _PROBES and status == 200:
        return
    fields: dict[str, object] = {
        "request_id": getattr(handler, "request_id", None),
        "method": (request.method or "")[:_METHOD_CHARACTERS],
        "path": request.path[:_PATH_CHARACTERS],
        "status": status,
        "duration_seconds": round(seconds, 6),
        "remote": request.remote_ip,
        **trace_fields(request.headers),
    }
    if error_code := getattr(handler, "error_code", None):
        fields["error"] = error_code
    if client := client_address(request):
        fields["client"] = client
    if route == "/predict" and status == 200:
        logs.info("request", **fields)
    else:
        log.info("request", **fields)
