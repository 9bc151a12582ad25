"""The golden check: does a running server answer what the reference answered?"""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bundle import Bundle
from bundle.golden import Answer, disagreements

_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


def check(
    url: str, bundle: Bundle, timeout_seconds: float, ca_file: Path | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Compare a server with a bundle: the digest of the model that it serves, then every golden input.

    Args:
        url: base of the service, such as http://127.0.0.1:8080.
        timeout_seconds: for each request.
        ca_file: certificates to trust instead of the system's.

    Yields:
        What was compared, and how it differs (nothing: it agrees).
    """
    context = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None
    base = url.rstrip("/")

    def ask(path: str, body: bytes | None = None, content_type: str | None = None) -> dict[str, Any]:
        headers = {"Content-Type": content_type} if content_type else {}
        request = urllib.request.Request(f"{base}{path}", data=body, headers=headers)  # noqa: S310 - http(s) only, see cli
        with urllib.request.urlopen(request, timeout=timeout_seconds, context=context) as response:  # noqa: S310
            document: dict[str, Any] = json.load(response)
        return document

    try:
        served = ask("/version")["model"]["digest"]
    except (OSError, ValueError, KeyError) as error:
        yield "/version", [_reason(error)]
        return
    yield (
        "model digest",
        [] if served == bundle.digest else [f"the server serves {served}, the bundle is {bundle.digest}"],
    )
    golden = bundle.golden()
    for case in golden.cases:
        path = bundle.path(f"golden/{case.input}")
        try:
            answer = ask("/predict", path.read_bytes(), _TYPES[path.suffix])
            answered = [
                Answer(class_id=item["class_id"], confidence=item["confidence"]) for item in answer["predictions"]
            ]
        except (OSError, ValueError, KeyError) as error:
            yield case.input, [_reason(error)]
        else:
            yield case.input, disagreements(case.top, answered, golden.tolerance)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}: {error.read(500).decode(errors='replace')}"
    return f"no usable answer: {error}"
