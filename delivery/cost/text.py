"""What a plan changes in cost, for people and for programs: a table, the part of a comment, and JSON. Pure functions only."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.kinds.charges import Gap, Range
from ansible_collections.pettracker.aws.plugins.module_utils.plan.markdown import cell, code

from delivery.cost.bill import Bill, Estimate

SCHEMA_VERSION = 1
# Rows of the comment's table; the whole is in the JSON. A comment has to have room for the plan.
ROWS = 30
UNKNOWN = "not known"
NAMES = {
    "hours": "hours",
    "data_in_gb": "GB into each balancer",
    "data_out_gb": "GB out of it",
    "nat_gb": "GB through NAT",
    "log_gb": "GB into each log group",
    "bucket_gb": "GB in each bucket",
    "image_gb": "GB in each image's snapshot",
    "metrics_per_host": "metrics of each host",
    "metrics_per_fleet": "metrics of each group",
    "spot_discount": "Spot discount",
}


@dataclass(frozen=True)
class Row:
    """One resource; None: there is none, or, where it is in `gaps`, nobody knows."""

    resource: str
    before: Range | None
    after: Range | None
    unknown: bool

    @property
    def difference(self) -> Range:
        return (self.after or Range()) - (self.before or Range())

    @property
    def differs(self) -> bool:
        return self.unknown or self.difference != Range()


def rows(found: Estimate) -> list[Row]:
    """Return the resources that cost something, those that cost most first."""
    before, after = found.before.by_resource(), found.after.by_resource()
    gaps = {gap.resource for gap in set(found.before.gaps) ^ set(found.after.gaps)} - {""}
    names = dict.fromkeys((*after, *before, *sorted(gaps)))
    made = [Row(name, before.get(name), after.get(name), name in gaps) for name in names]
    return sorted(made, key=lambda row: -max((row.before or Range()).most, (row.after or Range()).most))


def dollars(amount: Decimal, sign: bool = False) -> str:
    """Return an amount as people write it: $1,234.50, with `sign` +$1.00 or -$1.00."""
    before = "-" if amount < 0 else "+" if sign else ""
    return f"{before}${abs(amount):,.2f}"


def between(cost: Range | None, sign: bool = False) -> str:
    """Return a range as one amount where it is one; a dash for none."""
    if cost is None:
        return "-"
    least, most = dollars(cost.least, sign), dollars(cost.most, sign)
    return least if least == most else f"{least} to {most}"


def sentence(found: Estimate) -> str:
    """Return what changes, in one line."""
    nothing = _unpriced(found)
    if nothing:
        return f"Cost per month: not known; {nothing}."
    before, after = found.before.total, found.after.total
    scaling = f"with all hosts that scaling may start {_change(before.most, after.most)}"
    if found.difference is None:
        known = _change(before.least, after.least)
        return f"Cost per month: the difference is not known; what has a price costs {known} ({scaling})."
    more = found.difference
    if more == Range():
        return f"Cost per month: {dollars(after.least)}, unchanged ({scaling})."
    return (
        f"Cost per month: {_change(before.least, after.least)} "
        f"({dollars(more.least, sign=True)}; {scaling}, {dollars(more.most, sign=True)})."
    )


def _unpriced(found: Estimate) -> str:
    """Return why there is no bill at all; empty where there is one."""
    return next((gap.reason for gap in found.gaps if not gap.resource), "")


def _change(before: Decimal, after: Decimal) -> str:
    return dollars(after) if before == after else f"{dollars(before)} → {dollars(after)}"


def assumptions(found: Estimate) -> str:
    """Return whose prices these are, and what is assumed."""
    assumed = ", ".join(f"{value.normalize():f} {NAMES[name]}" for name, value in found.usage)
    return f"List prices of {found.region or 'no region'}, {found.as_of or 'none known'}. Assumed: {assumed}."


def _gap(gap: Gap) -> str:
    return f"{gap.resource}: {gap.reason}" if gap.resource else gap.reason


def _cells(row: Row) -> tuple[str, str, str, str]:
    more = UNKNOWN if row.unknown else between(row.difference, sign=True) if row.differs else ""
    return row.resource, between(row.before), between(row.after), more


def table(found: Estimate) -> Iterator[str]:
    """Yields the lines of a terminal: every resource that costs something, the totals, what has no price, what is assumed."""
    cells = [("a month in dollars", "before", "after", "difference"), *(_cells(row) for row in rows(found))]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    for first, *others in cells:
        columns = (f"{text:>{width}}" for text, width in zip(others, widths[1:], strict=True))
        yield "  ".join((f"{first:<{widths[0]}}", *columns)).rstrip()
    yield ""
    yield f"{found.environment}: {sentence(found)}"
    for gap in found.gaps:
        yield f"  not in it: {_gap(gap)}"
    if not found.complete:
        yield "  The plan is incomplete, and so is this."
    yield assumptions(found)


def comment_part(found: Estimate) -> str:
    """Return the part of the comment: one line, what it leaves out, and the resources that differ, folded."""
    head, _, rest = sentence(found).partition(": ")
    why = _unpriced(found)
    lines = [f"**{head}:** " + (f"not known; {code(why)}." if why else rest)]
    lines += [f"- Not in it: {code(gap.resource)}: {code(gap.reason)}." for gap in found.gaps if gap.resource][:ROWS]
    if not found.complete:
        lines.append("- The plan is incomplete, and so is this.")
    differing = [row for row in rows(found) if row.differs]
    if differing:
        lines += ["", "<details><summary>Which resources, and what is assumed</summary>", ""]
        lines += ["| resource | before | after | difference |", "|---|--:|--:|--:|"]
        lines += [f"| {' | '.join((cell(name), *amounts))} |" for name, *amounts in map(_cells, differing[:ROWS])]
        left = len(differing) - ROWS
        lines += ["", *([f"{left} more are in the JSON of `make cost`.", ""] if left > 0 else [])]
        lines += [code(assumptions(found)), "</details>"]
    return "\n".join(lines)


def as_json(found: Estimate) -> dict[str, Any]:
    """Return the estimate for programs; amounts are texts of dollars, `least` and `most` by the number of hosts."""
    return {
        "schema_version": SCHEMA_VERSION,
        "environment": found.environment,
        "complete": found.complete,
        "region": found.region,
        "as_of": found.as_of,
        "usage": {name: str(value) for name, value in found.usage},
        "difference": None if found.difference is None else _range(found.difference),
        "before": _bill(found.before),
        "after": _bill(found.after),
    }


def _range(cost: Range) -> dict[str, str]:
    return {"least": str(cost.least), "most": str(cost.most)}


def _bill(bill: Bill) -> dict[str, Any]:
    return {
        "total": _range(bill.total),
        "by_service": {name: _range(cost) for name, cost in bill.by_service().items()},
        "lines": [
            {"resource": line.resource, "service": line.service, "part": line.part} | _range(line.cost) for line in bill.lines
        ],
        "not_priced": [{"resource": gap.resource, "reason": gap.reason} for gap in bill.gaps],
    }
