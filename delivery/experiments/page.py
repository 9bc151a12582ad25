"""An experiment's report as people see it: one table, for a terminal and for a page."""

from dataclasses import dataclass
from datetime import timedelta

from delivery.experiments.comparison import Finding, Side
from delivery.experiments.report import Report

_COLUMNS = 24
_MARKS = {"better": "+", "worse": "!", "alike": "=", "unknown": "?"}
_KINDS = {"ab": "of the clients", "shadow": "of the answered predictions copied"}


@dataclass(frozen=True)
class Row:
    """One line of the table. `parts`: what the bars of both sides are as long as, where it has any."""

    title: str
    live: str
    candidate: str
    parts: tuple[float, float] | None = None


def rows(report: Report) -> list[Row]:
    """Return the figures of both sides."""
    live, candidate, copies = report.live, report.candidate, report.copies
    total = live.requests + candidate.requests
    found = [Row("requests", f"{live.requests:,}", f"{candidate.requests:,}", (live.requests, candidate.requests))]
    if copies is None:
        found.append(Row("share", _share(live.requests, total), _share(candidate.requests, total)))
    found += [
        Row("failed", _errors(live), _errors(candidate)),
        Row("latency p50", _seconds(live.p50), _seconds(candidate.p50), (live.p50 or 0, candidate.p50 or 0)),
        Row("latency p99", _seconds(live.p99), _seconds(candidate.p99), (live.p99 or 0, candidate.p99 or 0)),
    ]
    if copies is not None:
        difference = copies.confidence_difference
        found += [
            Row("copies compared", "", f"{copies.compared:,}"),
            Row("without an answer", "", f"{copies.failed:,}"),
            Row("not made", f"{copies.dropped:,}", ""),
            Row("same likeliest class", "", _share(copies.agreed, copies.compared), (copies.compared, copies.agreed)),
            Row("classes in common", "", _share(copies.common, copies.classes)),
            Row("confidence differs by", "", "-" if difference is None else f"{difference:.3f}"),
        ]
    return found


def text(report: Report) -> str:
    """Return the table with bars, and below it what it means."""
    table = rows(report)
    width = max(len(row.title) for row in table)
    side = max(len("candidate"), *(len(value) for row in table for value in (row.live, row.candidate)))
    lines = [_headline(report), "", f"{'':<{width}}  {'live':>{side}}  {'candidate':>{side}}"]
    for row in table:
        lines.append(f"{row.title:<{width}}  {row.live:>{side}}  {row.candidate:>{side}}  {_bars(row)}".rstrip())
    return "\n".join([*lines, "", *[f"{_MARKS[one.verdict]} {one.sentence}" for one in report.findings]])


def markdown(report: Report) -> str:
    """Return the same as a page."""
    lines = [f"# {_headline(report)}", "", "| | live | candidate |", "|---|---:|---:|"]
    lines += [f"| {row.title} | {row.live} | {row.candidate} |" for row in rows(report)]
    return "\n".join([*lines, "", *[f"- **{one.verdict}**: {one.sentence}" for one in report.findings], ""])


def worst(findings: list[Finding]) -> str:
    """Return the verdict that a person should see first."""
    return min((one.verdict for one in findings), key=("worse", "unknown", "better", "alike").index)


def _headline(report: Report) -> str:
    experiment = report.experiment
    name = "A/B" if experiment.kind == "ab" else "Shadow"
    lasted = timedelta(seconds=round((report.window.end - report.window.begin).total_seconds()))
    return (
        f"{name} of {experiment.release.id} in {experiment.environment}: {experiment.share:.0%} {_KINDS[experiment.kind]}, "
        f"{lasted}, {worst(report.findings)}"
    )


def _bars(row: Row) -> str:
    if row.parts is None or not max(row.parts):
        return ""
    live, candidate = (round(_COLUMNS * part / max(row.parts)) for part in row.parts)
    return f"{'▒' * live:<{_COLUMNS}} {'█' * candidate}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _errors(side: Side) -> str:
    return f"{side.errors:,} ({side.errors / side.requests:.2%})" if side.requests else "-"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value * 1000:,.1f} ms"
