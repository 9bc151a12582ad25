"""The golden check: does a running server answer what the reference answered?"""

import json
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bundle import Bundle
from bundle.golden import Answer, disagreements
from inference.ask import AskError, ask


def check(url: str, bundle: Bundle, timeout_seconds: float, ca_file: Path | None = None) -> Iterator[tuple[str, list[str]]]:
    """Compare a server with a bundle: the digest of the model that it serves, then every golden input.

    Answers may differ by the tolerance of the program that the server runs.

    Args:
        url: base of the service, such as http://127.0.0.1:8080.
        timeout_seconds: for each request.
        ca_file: certificates to trust instead of the system's.

    Yields:
        What was compared, and how it differs (nothing: it agrees).
    """
    try:
        version = _version(url, timeout_seconds, ca_file)
        served, running = str(version["model"]["digest"]), str(version["program"]["name"])
    except (OSError, ValueError, KeyError) as error:
        yield "model digest", [f"{url} gave no usable answer: {error}"]
        return
    differs = [] if served == bundle.digest else [f"the server serves {served}, the bundle is {bundle.digest}"]
    yield "model digest", differs
    tolerance = bundle.manifest.programs.get(running, bundle.manifest.chosen).tolerance
    for case in bundle.golden().cases:
        try:
            answer = ask(url, bundle.path(f"golden/{case.input}"), timeout_seconds, ca_file)
            answered = [Answer(class_id=item["class_id"], confidence=item["confidence"]) for item in answer["predictions"]]
        except (AskError, ValueError, KeyError) as error:
            yield case.input, [str(error)]
        else:
            yield case.input, disagreements(case.top, answered, tolerance)


def _version(url: str, timeout_seconds: float, ca_file: Path | None) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None
    address = f"{url.rstrip('/')}/version"
    with urllib.request.urlopen(address, timeout=timeout_seconds, context=context) as response:  # noqa: S310 - see cli
        document: dict[str, Any] = json.load(response)
        return document
