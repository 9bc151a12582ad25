"""One issue for each environment that says what is not as Git wants it. Pure functions only."""

from collections.abc import Mapping
from typing import Any


def marker(environment: str) -> str:
    """Return the line by which the issue of an environment is found again."""
    return f"<!-- drift of {environment} -->"


def drifted(report: Mapping[str, Any]) -> bool:
    """Tell whether a report names anything, or could not look at everything."""
    return bool(report["changes"] or report["unmanaged"] or not report["complete"])


def body(report: Mapping[str, Any], markdown: str) -> str:
    """Return the text of the issue."""
    environment = report["environment"]
    advice = (
        f"`make apply ENV={environment}` makes this as Git wants it again. What is right as it is goes into Git by a pull "
        "request, whose plan then has nothing to say. This issue is closed when nothing is left."
    )
    return "\n\n".join([marker(environment), markdown.replace("<!--", "&lt;!--").strip(), advice])[:65_536]
