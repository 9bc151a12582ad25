"""A plan for people: for a terminal, and as the comment of a merge request. Pure functions only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.plan import ACTIONS, Change, Field, Plan, as_json

SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "unknown": "?"}
COLOURS = {"create": "green", "update": "yellow", "replace": "purple", "delete": "red", "unknown": "cyan"}
TO_DO = {
    "create": "to be created",
    "update": "to be updated in place",
    "replace": "to be replaced",
    "delete": "to be deleted",
    "unknown": "whose module does not say what it changes",
}
UNKNOWN_TEXT = "(unknown until apply)"
# Characters of a value; a policy is longer than anybody reads in a line, and the JSON has all of it.
WIDTH = 72
# GitHub refuses a comment of more than 65,536 characters.
COMMENT_LIMIT = 60_000


def value_text(value: Any) -> str:
    """Returns a value in one line of at most WIDTH characters."""
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def field_text(item: Field) -> str:
    """Returns `before → after`, with what is not known yet marked so."""
    after = UNKNOWN_TEXT if item.unknown else value_text(item.after)
    if item.before is None:
        return f"+ {after}"
    if item.after is None:
        return f"- {value_text(item.before)}"
    return f"{value_text(item.before)} → {after}"


def summary(plan: Plan) -> str:
    """Returns how much changes, as one sentence."""
    if not plan.changes:
        sentence = "Nothing to change."
    else:
        parts = [f"{count} {TO_DO[action]}" for action, count in plan.counts().items() if count]
        sentence = ", ".join(parts) + "."
    left = sum(len(identities) for identities in plan.unmanaged.values())
    return sentence + (f" {left} with the project's tags that nothing manages." if left else "")


def terminal(plan: Plan) -> Iterator[tuple[str, str | None]]:
    """Yields lines and their colours. What is made is one line each; of what is changed, every field."""
    for change in plan.changes:
        yield f"  {SIGNS[change.action]} {change.resource}", COLOURS[change.action]
        if change.action in ("update", "replace"):
            for item in change.fields:
                yield f"      {item.path}: {field_text(item)}", None
        for sentence in change.interrupts:
            yield f"      ! {sentence}", "bright red"
    for kind, identities in plan.unmanaged.items():
        for identity in identities:
            yield f"  * {kind} {identity} carries the project's tags, and nothing manages it", "cyan"
    for problem in plan.problems:
        yield f"  ✗ {problem}", "red"
    yield f"{plan.environment}: {summary(plan)}" + (" The plan is incomplete." if plan.problems else ""), "bold"


def reports(plan: Plan, name: str) -> dict[str, str]:
    """Returns the reports on a plan, by the names of their files."""
    return {
        f"{name}.json": json.dumps(as_json(plan), indent=2, default=str) + "\n",
        f"{name}.md": markdown(plan, name.capitalize()),
    }


def markdown(plan: Plan, title: str) -> str:
    """Returns the comment of a merge request, cut where GitHub would refuse it."""
    lines = [f"## {title}: {plan.environment}", "", summary(plan), ""]
    if plan.problems:
        lines += ["> [!CAUTION]", "> This is incomplete:", *(f"> - {_escaped(text)}" for text in plan.problems), ""]
    noticed = [(change, sentence) for change in plan.changes for sentence in change.interrupts]
    if noticed:
        lines += ["> [!WARNING]", *(f"> - {_code(change.resource)}: {_escaped(text)}" for change, text in noticed), ""]
    for action in ACTIONS:
        chosen = [change for change in plan.changes if change.action == action]
        if chosen:
            heading = (
                "Tasks whose module does not say what it changes" if action == "unknown" else TO_DO[action].capitalize()
            )
            lines += [f"### {SIGNS[action]} {heading}", "", *_tables(chosen), ""]
    if plan.unmanaged:
        lines += ["### * Not managed", "", "These carry the project's tags, and no role mentions them.", ""]
        lines += [f"- {kind} {_code(identity)}" for kind, found in plan.unmanaged.items() for identity in found] + [""]
    return _cut(lines)


def _tables(changes: list[Change]) -> Iterator[str]:
    """Yields a table of the fields; what is made new is folded away, for it is all fields."""
    folded = changes[0].action in ("create", "delete")
    for change in changes:
        if not change.fields:
            yield f"- {_escaped(change.resource)}"
            continue
        if folded:
            yield f"<details><summary><code>{_html(change.resource)}</code></summary>"
        else:
            yield f"{_code(change.resource)}"
        yield ""
        yield "| field | from | to |"
        yield "|---|---|---|"
        for item in change.fields:
            before = "" if item.before is None else _code(value_text(item.before))
            after = "" if item.after is None else _code(value_text(item.after))
            yield f"| {_code(item.path)} | {before} | {UNKNOWN_TEXT if item.unknown else after} |"
        yield ""
        if folded:
            yield "</details>"
            yield ""


def _cut(lines: list[str]) -> str:
    length = 0
    for number, line in enumerate(lines):
        length += len(line) + 1
        if length > COMMENT_LIMIT:
            return "\n".join([*lines[:number], "", "… cut here; the whole is in the JSON report.", ""])
    return "\n".join(lines)


def _code(text: str) -> str:
    """Returns code that may stand in a table; a backtick inside would end it."""
    return "`" + text.replace("`", "'").replace("|", "\\|") + "`"


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escaped(text: str) -> str:
    return _html(" ".join(text.split())).replace("|", "\\|")
