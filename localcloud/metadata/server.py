"""The instance metadata service, version 2, as hosts find it at 169.254.169.254.

Follows "Use the Instance Metadata Service to access instance metadata" in the EC2 user guide. A host is known by the
address it asks from; a token is valid only for the host it was given to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from localcloud.metadata.instance_data import InstanceView, find, instance_tree
from localcloud.settings import Settings

TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path, not a secret
TOKEN_HEADER = "X-aws-ec2-metadata-token"  # noqa: S105 - a header's name
TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
MAXIMUM_TTL = 21600  # seconds
IP_FREEBIND = 15  # ip(7); the socket module has no name for it before Python 3.12
DEFAULT_HOPS = 64
# A connection that says nothing for this long (seconds) is closed.
IDLE_TIMEOUT = 30
logger = logging.getLogger(__name__)

Lookup = Callable[[str], InstanceView | None]
Credentials = Callable[[InstanceView], dict[str, Any]]


class Tokens:
    """Session tokens: an expiry time and a signature over it and the instance id, so that nothing need be stored."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """`now` is the clock, in seconds."""
        self._secret = secrets.token_bytes(32)
        self._now = now

    def issue(self, instance_id: str, ttl: int) -> str:
        """Return a token that is valid for `ttl` seconds on one instance."""
        expiry = struct.pack(">d", self._now() + ttl)
        return base64.urlsafe_b64encode(expiry + self._sign(instance_id, expiry)).decode()

    def valid(self, instance_id: str, token: str) -> bool:
        """Tell whether a token was issued to this instance and has not expired."""
        try:
            content = base64.urlsafe_b64decode(token.encode())
            expiry, signature = content[:8], content[8:]
            (until,) = struct.unpack(">d", expiry)
        except (ValueError, struct.error):
            return False
        return hmac.compare_digest(signature, self._sign(instance_id, expiry)) and self._now() < until

    def _sign(self, instance_id: str, expiry: bytes) -> bytes:
        return hmac.digest(self._secret, expiry + instance_id.encode(), hashlib.sha256)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], service: MetadataServer) -> None:
        self.service = service
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # A bridge has its address only while a host runs on it.
        self.socket.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        super().server_bind()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_TIMEOUT
    server_version = "EC2ws"
    sys_version = ""

    def do_PUT(self) -> None:
        service, view = self._service, self._view()
        if view is None:
            return
        if self.path.rstrip("/") != TOKEN_PATH:
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED)
        elif self.headers.get("X-Forwarded-For") is not None:
            # What came through a proxy may have been sent by somebody outside of the host.
            self._answer(HTTPStatus.FORBIDDEN)
        else:
            text = self.headers.get(TTL_HEADER, "")
            if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MAXIMUM_TTL):
                self._answer(HTTPStatus.BAD_REQUEST)
                return
            token = service.tokens.issue(view.instance_id, int(text))
            self._answer(HTTPStatus.OK, token.encode(), {TTL_HEADER: text}, hops=view.hop_limit)

    def do_GET(self) -> None:
        service, view = self._service, self._view()
        if view is None:
            return
        token = self.headers.get(TOKEN_HEADER)
        without_token = view.http_tokens == "optional"
        if not (without_token if token is None else service.tokens.valid(view.instance_id, token)):
            self._answer(HTTPStatus.UNAUTHORIZED)
        else:
            content = find(instance_tree(view, service.credentials), self.path)
            if content is None:
                self._answer(HTTPStatus.NOT_FOUND)
            else:
                self._answer(HTTPStatus.OK, content)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED)

    do_DELETE = do_PATCH = do_OPTIONS = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug("%s %s", self.client_address[0], format % args)

    @property
    def _service(self) -> MetadataServer:
        return cast(_Server, self.server).service

    def _view(self) -> InstanceView | None:
        """Return who asks; answer and return None for a stranger and where the service is switched off."""
        view = self._service.lookup(self.client_address[0])
        if view is None:
            self._answer(HTTPStatus.NOT_FOUND)
        elif not view.http_endpoint:
            self._answer(HTTPStatus.FORBIDDEN)
            return None
        return view

    def _answer(
        self, status: HTTPStatus, content: bytes = b"", headers: dict[str, str] | None = None, hops: int = DEFAULT_HOPS
    ) -> None:
        """Send one response. The hop limit is that of PUT responses alone (HttpPutResponseHopLimit)."""
        length = int(self.headers.get("Content-Length") or 0)
        if length or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
        self.connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)
        body = content if status is HTTPStatus.OK else status.phrase.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        # Headers and body leave in one segment; two would wait for each other's acknowledgement.
        self._headers_buffer.append(b"\r\n" + (b"" if self.command == "HEAD" else body))  # type: ignore[attr-defined]
        self.flush_headers()


class MetadataServer:
    """Answers hosts on the gateway address of each VPC; the firewall brings 169.254.169.254:80 there."""

    def __init__(self, settings: Settings, lookup: Lookup, credentials: Credentials) -> None:
        """`lookup` finds the instance with a private address; `credentials` returns its role's temporary credentials
        (AccessKeyId, SecretAccessKey, Token, Expiration)."""
        self.settings = settings
        self.lookup = lookup
        self.credentials = credentials
        self.tokens = Tokens()
        self._servers: dict[str, _Server] = {}
        self._lock = threading.Lock()

    def listen(self, gateway: str) -> None:
        """Answer on a gateway address too, which need not exist yet."""
        with self._lock:
            if gateway not in self._servers:
                server = _Server((gateway, self.settings.metadata_port), self)
                self._servers[gateway] = server
                threading.Thread(
                    target=server.serve_forever, kwargs={"poll_interval": 0.2}, name=f"metadata-{gateway}", daemon=True
                ).start()

    def close(self) -> None:
        """Answer nobody any more."""
        with self._lock:
            for server in self._servers.values():
                server.shutdown()
                server.server_close()
            self._servers.clear()
