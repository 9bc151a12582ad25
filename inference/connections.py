"""The HTTP server, with a bound on its open connections."""

import resource
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

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


class BoundedServer(HTTPServer):
    """Closes connections that come on top of the limit, so that those that are open go on being served."""

    def initialize(  # type: ignore[override]
        self, request_callback: Any, metrics: Metrics, body_seconds: float, limit: int | None = None
    ) -> None:
        """Take the application.

        Args:
            body_seconds: time after which the handlers themselves refuse a body that has not come.
            limit: connections at the same time; by default as many as the process may have, and no more than 4096.
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
        self._limit = limit or min(_MAX_CONNECTIONS, max(1, files - _OTHER_FILES))
        self._open = 0
        metrics.connections.set_function(lambda: self._open)
        self._refused = metrics.rejections.labels("too_many_connections")

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if self._open >= self._limit:
            self._refused.inc()
            stream.close()
            return
        self._open += 1
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        self._open -= 1
        super().on_close(server_conn)
