"""The plot beside the tables."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks.serving.report import PIPELINES
from benchmarks.serving.rounds import Result
from benchmarks.serving.statistics import Load, median_load


def write_plot(results: Sequence[Result], path: Path) -> None:
    """Draw requests per second for both photos, and p99 for the small one, as horizontal bars."""
    shown = [result for result in results if result.rounds["small"]][::-1]
    colours = {"own": "#d1495b", "bare": "#888888", "eager": "#9db4c0", "int8": "#5c8ea6", "reader": "#2e5266"}
    figure = Figure(figsize=(13, 0.36 * len(shown) + 1.6), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    panels = (("small", "requests_per_second", 1, "640x480: requests/s"), ("small", "p99", 1000, "640x480: p99, ms"))
    panels += (("large", "requests_per_second", 1, "12 MP: requests/s"),)
    names = [f"{result.contender.framework}: {PIPELINES[result.contender.pipeline].replace('`', '')}" for result in shown]
    for axis, (kind, figure_name, factor, title) in zip(axes, panels, strict=True):
        values = [getattr(median_load(result.rounds[kind]) or Load(0), figure_name) or 0 for result in shown]
        bars = axis.barh(
            names, [value * factor for value in values], color=[colours[result.contender.pipeline] for result in shown]
        )
        axis.bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
        axis.set_title(title, fontsize=10)
        axis.margins(x=0.14)
        axis.spines[["top", "right"]].set_visible(False)
    # The same figures give the same file.
    with rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, metadata={"Date": None})
