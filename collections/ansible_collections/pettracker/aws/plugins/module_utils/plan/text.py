"""A plan for people: for a terminal, and as the comment of a merge request. Pure functions only."""

import difflib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .changes import Change, Field, Plan, Stray, as_json
from .markdown import cell, code, html, shown, visible

SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "unknown": "?"}
COLOURS = {"create": "green", "update": "yellow", "replace": "purple", "delete": "red", "unknown": "cyan"}
TO_DO = {
    "create": "to be created",
    "update": "to be updated in place",
    "replace": "to be replaced",
    "delete": "to be deleted",
    "unknown": "whose module does not say what it changes",
}
HEADINGS = {action: sentence.capitalize() for action, sentence in TO_DO.items()} | {
    "unknown": "Tasks whose module does not say what it changes"
}
# What cannot be undone, or is noticed, comes first: of what is new, there is most.
FIRST = ("delete", "replace", "update", "unknown", "create")
UNKNOWN_TEXT = "(unknown until apply)"
# Characters of a value in a line; what is longer is below the line's table as well, all of it.
WIDTH = 72
# GitHub refuses an issue of more than 65,536 characters.
COMMENT_LIMIT = 60_000
# Of these, for the headings and the sentence about what has no room.
_ROOM_FOR_THE_REST = 1_000


def value_text(value: Any) -> str:
    """Returns a value in one line of at most WIDTH characters."""
    text = _in_one_line(value)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def _in_one_line(value: Any) -> str:
    """Returns a value as text; a text that white space or hidden characters tell from another one, as JSON."""
    if isinstance(value, str) and value and visible(value) == value:
        return value
    return visible(json.dumps(value, ensure_ascii=False, default=str))


def field_text(item: Field) -> str:
    """Returns `before → after`, with what is not known yet marked so."""
    after = UNKNOWN_TEXT if item.unknown else value_text(item.after)
    if item.before is None:
        return f"+ {after}"
    if item.after is None:
        return f"- {value_text(item.before)}"
    return f"{value_text(item.before)} → {after}"


def stray_text(stray: Stray) -> str:
    """Returns what is known of something that nothing manages: `i-0abc (notebook), since 2026-11-02, 383.98 USD a month`."""
    name = f" ({stray.name})" if stray.name else ""
    since = f", since {stray.since[:10]}" if stray.since else ""
    cost = f", {stray.monthly_usd} USD a month" if stray.monthly_usd else ""
    return f"{stray.identity}{name}{since}{cost}"


def summary(plan: Plan) -> str:
    """Returns how much changes, as one sentence."""
    if not plan.changes:
        sentence = "Nothing to change."
    else:
        parts = [f"{count} {TO_DO[action]}" for action, count in plan.counts().items() if count]
        sentence = ", ".join(parts) + "."
    left = sum(len(found) for found in plan.unmanaged.values())
    return sentence + (f" {left} that nothing manages." if left else "")


def terminal(plan: Plan) -> Iterator[tuple[str, str | None]]:
    """Yields lines and their colours. What is made is one line each; of what is changed, every field."""
    for change in plan.changes:
        yield f"  {SIGNS[change.action]} {visible(change.resource)}", COLOURS[change.action]
        if change.action in ("update", "replace"):
            for item in change.fields:
                yield f"      {visible(item.path)}: {field_text(item)}", None
        for sentence in change.interrupts:
            yield f"      ! {visible(sentence)}", "bright red"
    for kind, found in plan.unmanaged.items():
        for one in found:
            yield f"  * {kind} {visible(stray_text(one))}: nothing manages it", "cyan"
    for problem in plan.problems:
        yield f"  ✗ {problem}", "red"
    yield f"{plan.environment}: {summary(plan)}" + (" The plan is incomplete." if plan.problems else ""), "bold"


def reports(plan: Plan, name: str) -> dict[str, str]:
    """Returns the reports on a plan, by the names of their files."""
    return {
        f"{name}.json": json.dumps(as_json(plan), indent=2, default=str) + "\n",
        f"{name}.md": markdown(plan, name.capitalize()),
    }


@dataclass(frozen=True)
class _Block:
    """A resource in Markdown: all of it, and its name only."""

    whole: str
    short: str


def markdown(plan: Plan, title: str, limit: int = COMMENT_LIMIT, whole_at: str = "the JSON report has all of it") -> str:
    """Returns the comment of a merge request. Nothing in it is Markdown that a resource or an error brings along.

    Args:
        limit: Characters. What has no room is named by its resource, and what has no room for that is counted; never half.
        whole_at: Where all of it can be read, for that case.
    """
    head = [f"## {title}: {plan.environment}", "", summary(plan), ""]
    if plan.problems:
        head += ["> [!CAUTION]", "> This is incomplete:", *(f"> - {code(text)}" for text in plan.problems), ""]
    noticed = [(change, sentence) for change in plan.changes for sentence in change.interrupts]
    if noticed:
        head += ["> [!WARNING]", *(f"> - {code(change.resource)}: {code(text)}" for change, text in noticed), ""]
    sections = dict(_sections(plan))
    lines, shortened, left_out = _fitted(sections, limit - len("\n".join(head)) - _ROOM_FOR_THE_REST)
    if shortened or left_out:
        cut = f"Not all of it has room here: {shortened} are named only, and {left_out} are not named; {whole_at}."
        head += ["> [!WARNING]", f"> {cut}", ""]
    return _cut([*head, *lines], limit, whole_at)


def _sections(plan: Plan) -> Iterator[tuple[str, list[_Block]]]:
    """Yields headings and what is below them, what matters most first."""
    for action in FIRST:
        if chosen := [_block(change) for change in plan.changes if change.action == action]:
            yield f"### {SIGNS[action]} {HEADINGS[action]}\n", chosen
    if plan.unmanaged:
        lines = [f"- {code(f'{kind} {stray_text(one)}')}" for kind, found in plan.unmanaged.items() for one in found]
        heading = (
            "### * Not managed\n\nThese carry the project's tags, live in its network or belong to its resources, and no role "
            "mentions them.\n"
        )
        yield heading, [_Block(line, line) for line in lines]


def _fitted(sections: dict[str, list[_Block]], room: int) -> tuple[list[str], int, int]:
    """Returns the lines that have room, and how many resources are named only, and how many not even that.

    What comes first may have all of the room but what the names of the rest take, and of that half at most.
    """
    lines: list[str] = []
    shortened = left_out = 0
    half = room // 2
    names = sum(len(block.short) + 1 for blocks in sections.values() for block in blocks)
    for heading, blocks in sections.items():
        lines += [heading]
        for block in blocks:
            names -= len(block.short) + 1
            if len(block.whole) + 1 + min(names, half) <= room:
                chosen = block.whole
            elif len(block.short) + 1 <= room:
                chosen = block.short
                shortened += 1
            else:
                left_out += 1
                continue
            lines.append(chosen)
            room -= len(chosen) + 1
        lines.append("")
    return lines, shortened, left_out


def _block(change: Change) -> _Block:
    """Returns a change; what is made and what is removed is folded, for it is all fields."""
    short = f"- {code(change.resource)}"
    if not change.fields:
        return _Block(short, short)
    inside = "\n".join([*_table(change.fields), *_long_values(change.fields)])
    if change.action in ("create", "delete"):
        head = f"<details><summary><code>{html(change.resource)}</code></summary>"
        return _Block(f"{head}\n\n{inside}\n</details>\n", short)
    return _Block(f"{code(change.resource)}\n\n{inside}", short)


def _table(fields: tuple[Field, ...]) -> Iterator[str]:
    yield from ("| field | from | to |", "|---|---|---|")
    for item in fields:
        before = "" if item.before is None else cell(value_text(item.before))
        after = "" if item.after is None else cell(value_text(item.after))
        yield f"| {cell(item.path)} | {before} | {f'{UNKNOWN_TEXT} {after}' if item.unknown else after} |"
    yield ""


def _long_values(fields: tuple[Field, ...]) -> Iterator[str]:
    """Yields what a cell cuts off, as JSON, whose lines never begin as the end of a block does: of two values, what differs."""
    for item in fields:
        if all(len(_in_one_line(value)) <= WIDTH for value in (item.before, item.after)):
            continue
        before, after = ([] if value is None else _json_lines(value) for value in (item.before, item.after))
        # Of two values, three lines around each difference; of one, all.
        around = 3 if before and after else sys.maxsize
        differing = list(difflib.unified_diff(before, after, lineterm="", n=around))[2:]
        yield f"<details><summary><code>{html(item.path)}</code>, all of it</summary>\n"
        yield "\n".join(["```diff", *differing, "```", "", "</details>", ""])


def _json_lines(value: Any) -> list[str]:
    # Not by splitlines(), which also takes what is inside a text for an end.
    return [shown(line) for line in json.dumps(value, indent=2, ensure_ascii=False, default=str).split("\n")]


def _cut(lines: list[str], limit: int, whole_at: str) -> str:
    """Returns the lines, up to the one that has no room: where even what is noticed and what failed is too much."""
    text = "\n".join(lines)
    if len(text) <= limit:
        return text
    foot = f"\n\n… cut here; {whole_at}.\n"
    return text[: limit - len(foot)].rpartition("\n")[0] + foot
