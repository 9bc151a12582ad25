"""The HTTP server, with a bound on its open connections."""

import copy
import json
import resource
import uuid
from collections.abc import Awaitable
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream

from inference.errors import OverloadedError
from inference.metrics import Metrics

# Longer than the idle timeout of an Application Load Balancer (60 s by default), so that the balancer is who closes. It is
# also the time that a client has for all of its headers.
_IDLE_SECONDS = 75
_BODY_GRACE_SECONDS = 5
_MAX_HEADER_BYTES = 16 * 1024
# What a connection may hold unread: all of it is parsed before another connection gets its turn, and a body in chunks of
# one byte takes long. Bodies are streamed, and bounded by the handlers.
_MAX_BUFFER_BYTES = 64 * 1024
_MAX_CONNECTIONS = 4096
# Files, libraries, and sockets of our own.
_OTHER_FILES = 100
# On top of the limit, for load balancers that ask whether the host is well: it is, and to be replaced would not help it. A
# balancer connects once it has all of a request's headers, so that these connections last for one answer.
RESERVE = 32
_RESERVE_SECONDS = 2
_RESERVE_PATHS = ("/ready", "/health")


class BoundedServer(HTTPServer):
    """Refuses connections that come on top of the limit, so that those that are open go on being served.

    The first of them, the reserve, may still ask for /ready and /health.
    """

    def initialize(  # type: ignore[override]
        self, request_callback: Any, metrics: Metrics, body_seconds: float, limit: int | None = None
    ) -> None:
        """Take the application.

        Args:
            body_seconds: time after which the handlers themselves refuse a body that has not come.
            limit: connections at the same time; by default as many as the process may have, and no more than 4096. The
                reserve comes on top.
        """
        super().initialize(
            request_callback,
            idle_connection_timeout=_IDLE_SECONDS,
            # Most paths take no body and have no clock for one.
            body_timeout=body_seconds + _BODY_GRACE_SECONDS,
            max_header_size=_MAX_HEADER_BYTES,
            max_buffer_size=_MAX_BUFFER_BYTES,
        )
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._limit = limit or min(_MAX_CONNECTIONS, max(1, files - _OTHER_FILES - RESERVE))
        self._open = 0
        metrics.gauge("connections").set_function(lambda: self._open)
        self._refused = metrics.counter("rejections").labels("too_many_connections")

        self._reserve_params = copy.copy(self.conn_params)
        self._reserve_params.no_keep_alive = True
        self._reserve_params.header_timeout = self._reserve_params.body_timeout = _RESERVE_SECONDS

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if self._open >= self._limit + RESERVE:
            self._refused.inc()
            stream.close()
            return
        usual = self.conn_params
        if self._open >= self._limit:
            self.conn_params = self._reserve_params
        self._open += 1
        try:
            super().handle_stream(stream, address)
        finally:
            self.conn_params = usual

    def start_request(self, server_conn: Any, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        delegate = super().start_request(server_conn, request_conn)
        if server_conn.params is self._reserve_params:
            return _Reserved(delegate, request_conn, self._refused)
        return delegate

    def on_close(self, server_conn: object) -> None:
        self._open -= 1
        super().on_close(server_conn)


class _Reserved(HTTPMessageDelegate):
    """Hands on questions for the paths of the reserve, and refuses all others."""

    def __init__(self, delegate: HTTPMessageDelegate, connection: HTTPConnection, refused: Any) -> None:
        self._delegate, self._connection, self._refused = delegate, connection, refused
        self._answered = False

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        if isinstance(start_line, RequestStartLine) and start_line.path.partition("?")[0] in _RESERVE_PATHS:
            return self._delegate.headers_received(start_line, headers)
        self._answered = True
        self._refused.inc()
        error = OverloadedError("This host has as many connections as it can hold.")
        body = json.dumps({"error": {"code": error.code, "message": error.message}}).encode()
        fields = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Retry-After": str(error.retry_after),
            "X-Request-Id": uuid.uuid4().hex,
        }
        line = ResponseStartLine("HTTP/1.1", error.status, "Service Unavailable")
        self._connection.write_headers(line, HTTPHeaders(fields), body)
        self._connection.finish()
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return None if self._answered else self._delegate.data_received(chunk)

    def finish(self) -> None:
        if not self._answered:
            self._delegate.finish()

    def on_connection_close(self) -> None:
        if not self._answered:
            self._delegate.on_connection_close()
