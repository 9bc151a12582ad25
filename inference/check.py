"""The golden check: does a running server answer what the reference answered?"""

import json
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bundle import Bundle
from bundle.golden import Answer, disagreements
from inference.ask import AskError, ask


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
    try:
        served = _served_digest(url, timeout_seconds, ca_file)
    except (OSError, ValueError, KeyError) as error:
        yield "model digest", [f"{url} gave no usable answer: {error}"]
        return
    differs = [] if served == bundle.digest else [f"the server serves {served}, the bundle is {bundle.digest}"]
    yield "model digest", differs
    golden = bundle.golden()
    for case in golden.cases:
        try:
            answer = ask(url, bundle.path(f"golden/{case.input}"), timeout_seconds, ca_file)
            answered = [
                Answer(class_id=item["class_id"], confidence=item["confidence"]) for item in answer["predictions"]
            ]
        except (AskError, ValueError, KeyError) as error:
            yield case.input, [str(error)]
        else:
            yield case.input, disagreements(case.top, answered, golden.tolerance)


def _served_digest(url: str, timeout_seconds: float, ca_file: Path | None) -> str:
    context = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None
    address = f"{url.rstrip('/')}/version"
    with urllib.request.urlopen(address, timeout=timeout_seconds, context=context) as response:  # noqa: S310 - see cli
        return str(json.load(response)["model"]["digest"])
