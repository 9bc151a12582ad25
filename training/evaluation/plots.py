"""The plots of the report, as SVG: sized for a phone's width, so that their text can be read there."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from training.evaluation.record import Bin, Evaluation
from training.evaluation.theme import ACCENT, GRID, INK, MUTED, ON, SECOND, WRONG, save, style

# More classes than these cannot be told apart in one picture: the ones with the most mistakes are drawn.
MATRIX_CLASSES = 40
BAR_CLASSES = 20
_NUMBERED_CLASSES = 16
_WIDTH = 5.0  # inches; shown at 360 pixels, text of 9 points is still 9 pixels high
_NAME = 22
_CENTRED: Any = {"ha": "center", "va": "center", "fontsize": 8}


def shorten(name: str) -> str:
    """Cut a long name in the middle: the ends tell names apart."""
    return name if len(name) <= _NAME else f"{name[:13]}…{name[-8:]}"


def draw_all(evaluation: Evaluation, history: list[dict[str, Any]], best_epoch: int, directory: Path) -> None:
    """Write every plot there is something to draw in, and remove those that are left of an earlier evaluation."""
    with style():
        figures = {
            "confusion": confusion(evaluation),
            "classes": classes(evaluation),
            "reliability": reliability(evaluation),
            "history": history_plot(history, best_epoch),
        }
    for name, figure in figures.items():
        path = directory / f"{name}.svg"
        path.unlink(missing_ok=True)
        if figure is not None:
            save(figure, path)


def shown_in_matrix(evaluation: Evaluation) -> list[int]:
    """Return the classes of the confusion matrix, in their order: where there are many, those confused with one another."""
    matrix = np.array(evaluation.confusion)
    if len(matrix) <= MATRIX_CLASSES:
        return list(range(len(matrix)))
    np.fill_diagonal(matrix, 0)
    shown: dict[int, None] = {}
    for pair in np.argsort(-matrix, axis=None, kind="stable"):
        shown.update(dict.fromkeys(divmod(int(pair), len(matrix))))
        if len(shown) >= MATRIX_CLASSES:
            break
    return sorted(list(shown)[:MATRIX_CLASSES])


def confusion(evaluation: Evaluation) -> Figure:
    """Draw the share of each true class (row) that was answered with each class (column)."""
    shown = shown_in_matrix(evaluation)
    matrix = np.array(evaluation.confusion)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    count = len(shown)
    names = [shorten(evaluation.classes[i]) for i in shown]
    cell = max(0.17, min(0.5, 3.6 / count))
    side = cell * count
    margin = 0.085 * max(map(len, names)) + 0.35
    figure = Figure(figsize=(side + margin, side + margin), layout="constrained")
    axes = figure.subplots()
    for right, colour in ((True, ACCENT), (False, WRONG)):
        cells, depths = [], []
        for row, truth in enumerate(shown):
            for column, answer in enumerate(shown):
                if matrix[truth, answer] and (truth == answer) == right:
                    cells.append(Rectangle((column, row), 1, 1))
                    # The root lifts the few mistakes out of the ground.
                    depths.append(0.1 + 0.9 * float(shares[truth, answer]) ** (1 if right else 0.5))
                    if count <= _NUMBERED_CLASSES:
                        colour_on = ON if depths[-1] > 0.55 else INK
                        axes.text(column + 0.5, row + 0.5, str(matrix[truth, answer]), color=colour_on, **_CENTRED)
        axes.add_collection(PatchCollection(cells, facecolor=colour, alpha=np.array(depths), linewidth=0))
    axes.set(xlim=(0, count), ylim=(count, 0), aspect="equal", xlabel="answer", ylabel="truth")
    size = 9 if count <= _NUMBERED_CLASSES else 7
    axes.set_xticks(np.arange(count) + 0.5, names, rotation=90, fontsize=size, color=INK)
    axes.set_yticks(np.arange(count) + 0.5, names, fontsize=size, color=INK)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    borders = np.arange(count + 1)
    axes.hlines(borders, 0, count, color=GRID, linewidth=0.5, zorder=0)
    axes.vlines(borders, 0, count, color=GRID, linewidth=0.5, zorder=0)
    return figure


def shown_in_bars(evaluation: Evaluation) -> list[int]:
    """Return the classes that occur, the one with the lowest F1 first."""
    occurring = [i for i, each in enumerate(evaluation.per_class) if each.support]
    return sorted(occurring, key=lambda i: evaluation.per_class[i].f1)[:BAR_CLASSES]


def classes(evaluation: Evaluation) -> Figure:
    """Draw precision and recall of each class, the worst on top."""
    shown = [evaluation.per_class[i] for i in shown_in_bars(evaluation)]
    figure = Figure(figsize=(_WIDTH, 0.27 * len(shown) + 0.95), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(shown))
    recall, precision = [each.recall for each in shown], [each.precision for each in shown]
    axes.barh(places, [each.f1 for each in shown], height=0.62, color=ACCENT, alpha=0.25, label="F1")
    axes.scatter(recall, places, color=ACCENT, s=26, zorder=3, label="recall")
    axes.scatter(precision, places, facecolor="none", edgecolor=WRONG, s=30, linewidth=1.4, zorder=3, label="precision")
    axes.set_yticks(places, [shorten(each.name) for each in shown], color=INK)
    axes.set(xlim=(0, 1.02), ylim=(len(shown) - 0.4, -0.6))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(axis="x", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    figure.legend(loc="outside lower right", ncols=3, labelcolor=INK)
    return figure


def reliability(evaluation: Evaluation) -> Figure:
    """Draw how often answers of each confidence are right: on the diagonal, confidence can be taken at its word."""
    error = evaluation.expected_calibration_error
    panels = [(f"as trained · error {_percent(error.before)}", evaluation.test.reliability_before)]
    if evaluation.temperature != 1:
        title = f"temperature {evaluation.temperature:.3g} · error {_percent(error.after)}"
        panels.append((title, evaluation.test.reliability_after))
    figure = Figure(figsize=(_WIDTH if len(panels) > 1 else 3.2, 3.5), layout="constrained")
    grid: Any = figure.subplots(2, len(panels), sharex=True, sharey="row", height_ratios=(4, 1), squeeze=False)
    for column, (title, bins) in enumerate(panels):
        _reliability(grid[0, column], bins)
        grid[0, column].set_title(title, fontsize=9)
        _histogram(grid[1, column], bins)
    grid[0, 0].set_ylabel("share that is right")
    grid[1, 0].set_ylabel("items")
    return figure


def _reliability(axes: Axes, bins: list[Bin]) -> None:
    filled = [each for each in bins if each.count]
    middles = [(each.lower + each.upper) / 2 for each in filled]
    width = bins[0].upper * 0.9
    axes.bar(middles, [min(each.accuracy, each.confidence) for each in filled], width, color=ACCENT, alpha=0.85)
    for each, middle in zip(filled, middles, strict=True):
        colour = WRONG if each.confidence > each.accuracy else SECOND
        low, high = sorted((each.confidence, each.accuracy))
        axes.bar(middle, high - low, width, low, color=colour, alpha=0.4, edgecolor=colour, linewidth=0.6)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))


def _histogram(axes: Axes, bins: list[Bin]) -> None:
    middles = [(each.lower + each.upper) / 2 for each in bins]
    axes.bar(middles, [each.count for each in bins], bins[0].upper * 0.9, color=MUTED, alpha=0.6)
    axes.set_xlabel("confidence")
    axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))


def history_plot(history: list[dict[str, Any]], best_epoch: int) -> Figure | None:
    """Draw loss and accuracy of each epoch; None where the history has neither."""
    panels = [
        (title, [key for key in keys if any(key in line for line in history)])
        for title, keys in (
            ("loss", ("train_loss", "validation_loss")),
            ("accuracy", ("train_accuracy", "validation_accuracy")),
        )
    ]
    panels = [(title, keys) for title, keys in panels if keys]
    if not panels:
        return None
    figure = Figure(figsize=(_WIDTH, 2.3 * len(panels) + 0.3), layout="constrained")
    grid: Any = figure.subplots(len(panels), 1, sharex=True, squeeze=False)
    for axes, (title, keys) in zip(grid[:, 0], panels, strict=True):
        for key in keys:
            epochs = [line["epoch"] for line in history if key in line]
            values = [line[key] for line in history if key in line]
            colour = SECOND if key.startswith("train") else ACCENT
            axes.plot(epochs, values, color=colour, linewidth=1.8, marker="o", markersize=3, label=key.split("_")[0])
        axes.axvline(best_epoch, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_title(title)
        axes.grid(axis="y", linewidth=0.5)
        axes.legend(labelcolor=INK, fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if title == "accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(1))
    grid[-1, 0].set_xlabel(f"epoch (dashed: {best_epoch}, the best)")
    return figure


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
