"""One issue for each environment that says what is not as Git wants it. Pure functions only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Step:
    """What to do with the issue: `open` a new one, `update` or `close` that of `number`, or nothing."""

    action: Literal["open", "update", "close", "none"]
    number: int | None = None


def marker(environment: str) -> str:
    """Return the line by which the issue of an environment is found again."""
    return f"<!-- drift of {environment} -->"


def title(environment: str) -> str:
    return f"Drift in {environment}"


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


def step(report: Mapping[str, Any], issues: list[Mapping[str, Any]], text: str) -> Step:
    """Decide what to do, given the open issues as GitHub lists them (`number`, `body`), pull requests among them.

    An incomplete report without a finding closes nothing.
    """
    begin = marker(report["environment"])
    mine = [issue for issue in issues if (issue.get("body") or "").startswith(begin) and "pull_request" not in issue]
    number = min((issue["number"] for issue in mine), default=None)
    if not drifted(report):
        return Step("none") if number is None else Step("close", number)
    if number is None:
        return Step("open")
    present = next(issue["body"] for issue in mine if issue["number"] == number)
    return Step("none", number) if present == text else Step("update", number)
