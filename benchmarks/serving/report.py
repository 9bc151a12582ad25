"""What is printed and written: a table, the goals, JSON and a plot."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.serving.overload import Verdict
from benchmarks.serving.rounds import LOADS, Result
from benchmarks.serving.statistics import Goal, Load, lowest_p99_ratio, ratio_of_paired_rounds

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
PIPELINES = {
    "own": "own",
    "bare": "own decoding and engine, no HTTP",
    "eager": "Pillow, eager torch",
    "int8": "Pillow `draft`, the int8 engine",
    "reader": "own decoding and int8 engine",
}


def goals(results: Sequence[Result]) -> list[Goal]:
    """Return the project's promises with the figures reached, as ratios to this server."""
    by_name = {result.contender.name: result for result in results}
    ours, flask, bare = (by_name.get(name) for name in ("this server", "Flask eager", "no server"))
    same_engine = [result for result in results if result.contender.pipeline == "int8"]
    same_decoding = [result for result in results if result.contender.pipeline == "reader"]
    everyone = [result for result in results if result is not ours and result is not bare]

    def times(other: Result | None, kind: str) -> float | None:
        return ratio_of_paired_rounds(ours.rounds[kind], other.rounds[kind]) if ours and other else None

    def times_best(peers: Sequence[Result], kind: str) -> float | None:
        ratios = [value for peer in peers if (value := times(peer, kind)) is not None]
        return min(ratios, default=None)

    def p99(kind: str) -> float | None:
        return lowest_p99_ratio(ours.median(kind), [peer.median(kind) for peer in everyone]) if ours else None

    return [
        Goal("640x480: requests per second, times Flask", 8.0, times(flask, "small")),
        Goal("640x480: times the best peer around the same engine", 1.4, times_best(same_engine, "small")),
        Goal("640x480: times the best peer with the same engine and decoding", 1.0, times_best(same_decoding, "small")),
        Goal("640x480: share of what engine and decoding reach without HTTP", 0.9, times(bare, "small")),
        Goal("640x480: lowest p99 of any peer, times ours", 1.0, p99("small")),
        Goal("open loop: lowest p99 of any peer, times ours", 1.0, p99("open")),
        Goal("12 MP: requests per second, times Flask", 4.0, times(flask, "large")),
        Goal("12 MP: times the best peer around the same engine", 1.0, times_best(same_engine, "large")),
    ]


def table(results: Sequence[Result]) -> str:
    """Return the Markdown table of medians."""
    ours = next((result.median("small") for result in results if result.contender.pipeline == "own"), None)
    lines = [
        "| server | decoding and engine | configuration | 640x480, 8 clients: req/s | ratio | CPU ms each | p50 ms | p99 ms "
        "| 12 MP, 4 clients: req/s | p99 ms | open loop: rate | p50 ms | p99 ms | errors | memory MB | ready s |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for result in results:
        small, large, opened = (result.median(kind) for kind in LOADS)
        share = small.requests_per_second / ours.requests_per_second if small and ours else None
        errors = sum(load.errors for load in (small, large, opened) if load)
        cells = [
            result.contender.framework,
            PIPELINES[result.contender.pipeline],
            result.configuration.label if not result.problems else f"{result.configuration.label} (**failed**, see below)",
            *(_number(small, "requests_per_second"), f"{share:.2f}" if share else "-"),
            *(_milliseconds(small, "processor_seconds", 1), _milliseconds(small, "p50"), _milliseconds(small, "p99")),
            *(_number(large, "requests_per_second"), _milliseconds(large, "p99")),
            *(_number(opened, "rate"), _milliseconds(opened, "p50"), _milliseconds(opened, "p99")),
            str(errors) if small else "-",
            f"{max(result.memory_bytes) / 1e6:.0f}" if result.memory_bytes else "-",
            f"{min(result.start_seconds):.1f}" if result.start_seconds else "-",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(load: Load | None, name: str) -> str:
    value = getattr(load, name) if load else None
    return f"{value:.1f}" if value is not None else "-"


def _milliseconds(load: Load | None, name: str, digits: int = 0) -> str:
    value = getattr(load, name) if load else None
    return f"{value * 1000:.{digits}f}" if value is not None else "-"


def goal_table(reached: Sequence[Goal]) -> str:
    """Return the Markdown table of promises."""
    lines = ["| promise | at least | reached | |", "|---|--:|--:|---|"]
    for goal in reached:
        figure = "-" if goal.reached is None else f"{goal.reached:.2f}"
        lines.append(f"| {goal.text} | {goal.bound:g} | {figure} | {'met' if goal.met else '**missed**'} |")
    return "\n".join(lines)


def limit(results: Sequence[Result], cores: int) -> str:
    """Return what decoding and inference leave for any server to win; nothing where the engine alone was not measured."""
    bare = next((result.median("small") for result in results if result.contender.pipeline == "bare"), None)
    peers = [load for result in results if result.contender.pipeline == "int8" and (load := result.median("small"))]
    if bare is None or bare.processor_seconds is None or not peers:
        return ""
    most = cores / bare.processor_seconds
    best = max(load.requests_per_second for load in peers)
    return (
        f"Decoding and inference alone take {bare.processor_seconds * 1000:.1f} ms of processor time a photo (640x480), so no "
        f"server around this engine and decoding can answer more than {most:.0f} a second on {cores} cores, "
        f"{most / best:.2f} times the best peer around the same engine, if HTTP and the clients cost nothing."
    )


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """Return the Markdown table of the overload test."""
    lines = ["| at twice the sustainable load | | figures |", "|---|---|---|"]
    lines += [f"| {each.promise} | {'held' if each.held else '**broken**'} | {each.figure} |" for each in verdicts]
    return "\n".join(lines)


def tried_table(results: Sequence[Result]) -> str:
    """Return the configurations that were tried, best first."""
    lines = ["| tried | configuration | req/s |", "|---|---|--:|"]
    for result in results:
        for label, rate in sorted(result.tried.items(), key=lambda item: -item[1]):
            lines.append(f"| {result.contender.name} | {label} | {rate:.1f} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def markdown(results: Sequence[Result], machine: str, plot: str | None, cores: int) -> str:
    """Return the figures of a run as Markdown."""
    parts = [machine, table(results), goal_table(goals(results)), limit(results, cores), tried_table(results)]
    if plot:
        parts.insert(2, f"![Requests per second and p99 of each server]({plot})")
    problems = [(result.contender.name, problem) for result in results for problem in result.problems]
    parts += [f"**{name}** failed:\n\n```\n{problem}\n```" for name, problem in problems]
    return "\n\n".join(part for part in parts if part)


def machine(seconds: float, rounds: int, when: str) -> str:
    """Return a sentence about where and how long was measured."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    return f"{when}, two cores of {model}, {rounds} rounds of {seconds:g} s a load; medians over the rounds."


def replace_figures(page: str, name: str, figures: str) -> str:
    """Return a page with the text between the marks of `name` replaced.

    Raises:
        ValueError: the page lacks the marks.
    """
    begin, end = (mark.replace("figures", name) for mark in (BEGIN, END))
    if begin not in page or end not in page:
        raise ValueError(f"the page lacks {begin} or {end}")
    head, _, rest = page.partition(begin)
    return f"{head}{begin}\n{figures}\n{end}{rest.partition(end)[2]}"


def as_json(results: Sequence[Result], machine_line: str) -> str:
    """Return everything that was measured, each round."""
    document: dict[str, Any] = {
        "measured": machine_line,
        "goals": [{**asdict(goal), "met": goal.met} for goal in goals(results)],
        "contenders": [
            {
                "name": result.contender.name,
                "configuration": result.configuration.label,
                "tried": result.tried,
                "rounds": {kind: [asdict(load) for load in loads] for kind, loads in result.rounds.items()},
                "peak_memory_bytes": max(result.memory_bytes, default=None),
                "start_seconds": result.start_seconds,
                "problems": result.problems,
            }
            for result in results
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
