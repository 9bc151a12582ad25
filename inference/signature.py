"""AWS Signature Version 4 of a form that is posted to `/`, with temporary credentials. Standard library only.

Source: IAM user guide, "Create a signed AWS API request"
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html). A test holds it against botocore,
which would be 31 MB more on every host, for the sake of one call.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime

_ALGORITHM = "AWS4-HMAC-SHA256"
_CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"


@dataclass(frozen=True, repr=False)  # a secret must not get into a log
class Credentials:
    """Temporary credentials of a role."""

    key: str
    secret: str
    token: str


def signed_headers(
    credentials: Credentials, region: str, service: str, host: str, form: str, *, now: datetime
) -> dict[str, str]:
    """Return the headers of the request; `now` has a time zone."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    day = stamp[:8]
    headers = {"content-type": _CONTENT_TYPE, "host": host, "x-amz-date": stamp, "x-amz-security-token": credentials.token}
    names = ";".join(headers)  # in the order of the alphabet
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n/\n\n{lines}\n{names}\n{_digest(form)}"
    scope = f"{day}/{region}/{service}/aws4_request"
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{_digest(canonical)}"
    signature = hmac.digest(key, text.encode(), hashlib.sha256).hex()
    proof = f"{_ALGORITHM} Credential={credentials.key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return headers | {"authorization": proof}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
