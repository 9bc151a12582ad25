"""Ask a running service about a photo or a row of numbers and say the answer the way a person wants it."""

import json
import mimetypes
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_BAR_COLUMNS = 30


class AskError(Exception):
    """There is no answer; the message is the service's own, or says why it could not be asked."""


def ask(url: str, file: Path, timeout_seconds: float, ca_file: Path | None = None) -> dict[str, Any]:
    """Return the service's answer about a file, as `POST /predict` gives it.

    Args:
        file: an image, or for models of features a JSON file (`.json`) such as {"features": [5.1, 3.5, 1.4, 0.2]}.
        url: base of the service, http or https.
        ca_file: certificates to trust instead of the system's.

    Raises:
        AskError: the service cannot be reached, or refuses the file.
    """
    context = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    request = urllib.request.Request(  # noqa: S310 - http(s) only, see cli
        f"{url.rstrip('/')}/predict", data=file.read_bytes(), headers={"Content-Type": kind}
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds, context=context) as response:  # noqa: S310 - the same
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        raise AskError(f"the service refused {file}: HTTP {error.code} {error.read(500).decode(errors='replace')}") from None
    except (OSError, ValueError) as error:
        raise AskError(f"{url} gave no usable answer: {error}") from None
    return answer


def sentence(answer: dict[str, Any]) -> str:
    """Return the class and the confidence on one line, then the five best as bars, then what answered."""
    predictions = answer["predictions"]
    best = predictions[0]
    width = max(len(each["class"]) for each in predictions)
    bars = [
        f"  {each['class']:<{width}}  {each['confidence']:6.1%}  {'█' * round(each['confidence'] * _BAR_COLUMNS)}".rstrip()
        for each in predictions
    ]
    model = answer["model"]
    origin = f"  in {answer['latency_seconds'] * 1000:.0f} ms, by {model['name']} {model['version']} ({model['digest'][:19]}…)"
    return "\n".join([f"{best['class']}, {best['confidence']:.0%}", *bars, origin])
