"""What stands between the network and the emulated API: only the cloud's own clients get through."""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from localcloud.access.keys import Keys, principal_of
from localcloud.access.signature import Environ, Signature, flaw, read_body, signature_of
from localcloud.access.words import Answer, Error, answer, refused

logger = logging.getLogger(__name__)

WsgiApplication = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
# Only browsers send them, and no AWS client is a browser here. https://www.w3.org/TR/fetch-metadata/
OF_BROWSERS = ("HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE", "HTTP_SEC_FETCH_MODE", "HTTP_SEC_FETCH_DEST")
# What moto serves besides AWS's API: its own controls, and an instance metadata service of its own.
NOT_OF_AWS = ("/moto-api", "/favicon.ico", "/latest/meta-data/", "/latest/api/")
LOOPBACK = frozenset({"127.0.0.1", "localhost"})
# Where a request says which service its signature is for, and by which key it is.
SERVICE, ACCESS_KEY = "localcloud.service", "localcloud.access_key"
# Services whose calls are judged, and those that hosts can ask only to be refused.
JUDGED = frozenset(
    {"autoscaling", "ec2", "elasticloadbalancing", "iam", "kms", "logs", "monitoring", "s3", "sns", "ssm", "sts"}
)
# Bytes of a refused request that are read before the answer, for a client that only listens when it has sent all.
DRAINED = 8 * 1024**2


class Front:
    """Hands on to `application` what has a good signature by a key of `keys`, and nothing else.

    `addresses` returns the addresses at which the API is served, by which hosts may name it as well.
    """

    def __init__(self, application: WsgiApplication, keys: Keys, addresses: Callable[[], Iterable[str]]) -> None:
        self._application, self._keys, self._addresses = application, keys, addresses

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request, as WSGI wants it."""
        reason = self._strange(environ)
        if reason:
            text = f"The API of the local cloud is for AWS clients on this machine: {reason}.\n"
            return _send(environ, start_response, Answer(403, "text/plain; charset=utf-8", text.encode()), reason)
        signature = signature_of(environ)
        if isinstance(signature, Signature):
            key = self._keys.find(signature.access_key_id)
            found = flaw(environ, signature, key, datetime.now(UTC))
            service = signature.service
        else:
            found, service = signature, _service_of(environ)
        if found is not None:
            told = refused(service, environ.get("CONTENT_TYPE", ""), found)
            return _send(environ, start_response, told, f"{service}, {found.name.lower().replace('_', ' ')}")
        assert isinstance(signature, Signature)  # noqa: S101 - for the type checker
        if service not in JUDGED and principal_of(signature.access_key_id).instance_id is not None:
            error = Error("AccessDenied", f"The local cloud lets no host ask the service {service}.")
            return _send(environ, start_response, answer(service, "", 403, error), f"{service}, a host")
        environ[SERVICE], environ[ACCESS_KEY] = service, signature.access_key_id
        if signature.lifetime is not None:
            # To moto a URL with a signature is an anonymous request, whose service it guesses.
            environ["HTTP_AUTHORIZATION"] = signature.header
        return self._application(environ, start_response)

    def _strange(self, environ: Environ) -> str | None:
        """Return why a request is none of an AWS client on this machine; None for one that may be."""
        for name in OF_BROWSERS:
            if name in environ:
                return f"the header {name.removeprefix('HTTP_').replace('_', '-').title()} is a browser's"
        host = environ.get("HTTP_HOST", "").partition(":")[0].lower()
        if host not in LOOPBACK and host not in self._addresses():
            return f"it is not called {host!r}"
        if environ["PATH_INFO"].startswith(NOT_OF_AWS):
            return f"AWS has nothing at {environ['PATH_INFO']!r}"
        return None


def _service_of(environ: Environ) -> str:
    """Guess the service that a request without a readable signature is for."""
    if "HTTP_X_AMZ_TARGET" in environ:
        return "logs"  # or another one that speaks JSON
    return "sts" if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] == "/" else "s3"


def _send(environ: Environ, start_response: Callable[..., Any], told: Answer, reason: str) -> Iterable[bytes]:
    logger.warning("Refused %s from %s: %s", environ["REQUEST_METHOD"], environ["REMOTE_ADDR"], reason)
    read_body(environ, DRAINED)
    status = f"{told.status} {HTTPStatus(told.status).phrase}"
    start_response(status, [("Content-Type", told.content_type), ("Content-Length", str(len(told.body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [told.body]
