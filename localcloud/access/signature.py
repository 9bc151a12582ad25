"""Signature Version 4 of a request that has arrived, in its Authorization header or in its URL.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and, for URLs,
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

import hashlib
import hmac
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any
from urllib.parse import quote, unquote

from localcloud.access.access_key import AccessKey

ALGORITHM = "AWS4-HMAC-SHA256"
HEADER = re.compile(rf"{ALGORITHM} +Credential=(\S+?), *SignedHeaders=(\S+?), *Signature=(\S+)")
# How far the clocks of client and service may be apart, and for how long a URL can be good.
SKEW = timedelta(minutes=15)
LONGEST = timedelta(days=7)
# Bytes of a body whose digest is signed, except S3's: AWS's own limits are far lower.
LARGEST_BODY = 16 * 1024**2
# Not signed by anybody, and named by these only.
UNSIGNED = "UNSIGNED-PAYLOAD"

Environ = dict[str, Any]


class Flaw(Enum):
    """What can be wrong with a signature."""

    MISSING = auto()
    MALFORMED = auto()
    OLD_VERSION = auto()
    UNKNOWN_KEY = auto()
    WRONG_TOKEN = auto()
    EXPIRED_TOKEN = auto()
    EXPIRED_URL = auto()
    SKEWED = auto()
    MISMATCH = auto()


@dataclass(frozen=True)
class Signature:
    """What a client says about its signature."""

    access_key_id: str
    day: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    value: str
    stamp: str
    token: str | None
    # How long a URL is good; None for a signature in a header.
    lifetime: timedelta | None = None

    @property
    def scope(self) -> str:
        """What the key is derived for."""
        return f"{self.day}/{self.region}/{self.service}/aws4_request"

    @property
    def header(self) -> str:
        """The Authorization header that says the same."""
        names = ";".join(self.signed_headers)
        return f"{ALGORITHM} Credential={self.access_key_id}/{self.scope}, SignedHeaders={names}, Signature={self.value}"

    @property
    def time(self) -> datetime:
        """When it was made. Raises ValueError."""
        return datetime.strptime(self.stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def signature_of(environ: Environ) -> Signature | Flaw:
    """Return the signature of a request, or what is wrong with its form."""
    query = dict(_query(environ))
    if "X-Amz-Algorithm" in query:
        match = re.fullmatch(
            rf"{ALGORITHM} Credential=(\S+), SignedHeaders=(\S+), Signature=(\S+)",
            f"{query['X-Amz-Algorithm']} Credential={query.get('X-Amz-Credential')}, "
            f"SignedHeaders={query.get('X-Amz-SignedHeaders')}, Signature={query.get('X-Amz-Signature')}",
        )
        stamp, token, seconds = (query.get(f"X-Amz-{name}") for name in ("Date", "Security-Token", "Expires"))
    elif environ.get("HTTP_AUTHORIZATION", "").startswith("AWS ") or "AWSAccessKeyId" in query:
        return Flaw.OLD_VERSION
    elif "HTTP_AUTHORIZATION" in environ:
        match = HEADER.fullmatch(environ["HTTP_AUTHORIZATION"].strip())
        stamp, token, seconds = environ.get("HTTP_X_AMZ_DATE"), environ.get("HTTP_X_AMZ_SECURITY_TOKEN"), None
    else:
        return Flaw.MISSING
    scope = match[1].split("/") if match else []
    if match is None or len(scope) != 5 or scope[4] != "aws4_request" or not stamp:
        return Flaw.MALFORMED
    if "X-Amz-Algorithm" in query and not (seconds or "").isdecimal():
        return Flaw.MALFORMED
    names = tuple(match[2].split(";"))
    lifetime = timedelta(seconds=int(seconds)) if seconds else None
    return Signature(scope[0], scope[1], scope[2], scope[3], names, match[3], stamp, token, lifetime)


def flaw(environ: Environ, signature: Signature, key: AccessKey | None, now: datetime) -> Flaw | None:
    """Return what is wrong with a signature that claims to be made with a key, None for a good one.

    Reads the body of a request to any service but S3, and puts it back.
    """
    if key is None:
        return Flaw.UNKNOWN_KEY
    if not hmac.compare_digest((signature.token or "").encode(), (key.session_token or "").encode()):
        return Flaw.WRONG_TOKEN
    untimely = _untimely(signature, key, now)
    if untimely is not None:
        return untimely
    good = _binds_the_request(environ, signature) and hmac.compare_digest(
        signature.value.encode(), _calculated(environ, signature, key)
    )
    return None if good else Flaw.MISMATCH


def _untimely(signature: Signature, key: AccessKey, now: datetime) -> Flaw | None:
    """Return which time has passed, or was not told as it should be."""
    if key.expires is not None and key.expires <= now:
        return Flaw.EXPIRED_TOKEN
    try:
        age = now - signature.time
    except ValueError:
        return Flaw.MALFORMED
    if signature.lifetime is None:
        return Flaw.SKEWED if abs(age) > SKEW else None
    if signature.lifetime > LONGEST:
        return Flaw.MALFORMED
    return None if -SKEW <= age <= signature.lifetime else Flaw.EXPIRED_URL


def _binds_the_request(environ: Environ, signature: Signature) -> bool:
    """Tell whether the host and all headers that AWS gives a meaning are signed, and the day is that of the time."""
    meaningful = {"HTTP_HOST"} | {name for name in environ if name.startswith("HTTP_X_AMZ_")}
    signed = {_variable(name) for name in signature.signed_headers}
    return meaningful <= signed and signature.stamp.startswith(signature.day)


def _variable(header: str) -> str:
    """Return where WSGI keeps a header."""
    name = header.upper().replace("-", "_")
    return name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}"


def _calculated(environ: Environ, signature: Signature, key: AccessKey) -> bytes:
    digest = hashlib.sha256(_canonical(environ, signature).encode()).hexdigest()
    text = f"{ALGORITHM}\n{signature.stamp}\n{signature.scope}\n{digest}"
    derived = f"AWS4{key.secret_access_key}".encode()
    for part in signature.scope.split("/"):
        derived = hmac.digest(derived, part.encode(), hashlib.sha256)
    return hmac.digest(derived, text.encode(), hashlib.sha256).hex().encode()


def _canonical(environ: Environ, signature: Signature) -> str:
    path = environ["RAW_URI"].partition("?")[0] or "/"
    # Every service but S3 encodes the encoded path once more.
    resource = path if signature.service == "s3" else quote(path, safe="/~")
    pairs = [pair for pair in _query(environ) if pair[0] != "X-Amz-Signature"]
    query = "&".join("=".join(pair) for pair in sorted((quote(name, safe=""), quote(value, safe="")) for name, value in pairs))
    values = {name: " ".join(str(environ.get(_variable(name), "")).split()) for name in signature.signed_headers}
    headers = "".join(f"{name}:{value}\n" for name, value in values.items())
    names = ";".join(signature.signed_headers)
    return f"{environ['REQUEST_METHOD']}\n{resource}\n{query}\n{headers}\n{names}\n{_payload(environ, signature)}"


def _query(environ: Environ) -> Iterator[tuple[str, str]]:
    """Yield names and values of a URL, in which a plus is a plus."""
    for pair in environ["QUERY_STRING"].split("&") if environ["QUERY_STRING"] else []:
        name, _, value = pair.partition("=")
        yield unquote(name), unquote(value)


def _payload(environ: Environ, signature: Signature) -> str:
    """Return what stands for the body. S3 takes the client's word, which is signed: its bodies may be large."""
    if signature.service == "s3":
        said = environ.get("HTTP_X_AMZ_CONTENT_SHA256")
        return str(said or UNSIGNED) if signature.lifetime is not None else str(said)
    body = read_body(environ, LARGEST_BODY)
    environ["wsgi.input"] = io.BytesIO(body)
    return hashlib.sha256(body).hexdigest()


def read_body(environ: Environ, most: int) -> bytes:
    """Return the body of a request, or the first `most` bytes of it."""
    length = str(environ.get("CONTENT_LENGTH") or "0")
    size = most if environ.get("wsgi.input_terminated") else int(length) if length.isdecimal() else 0
    body: bytes = environ["wsgi.input"].read(min(size, most))
    return body
