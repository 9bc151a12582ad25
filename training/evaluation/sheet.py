"""The worst mistakes on one sheet, as a picture that can be passed on."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from training.evaluation.mistakes import picture
from training.evaluation.plots import shorten
from training.evaluation.record import Evaluation
from training.evaluation.theme import ACCENT, WRONG, style

_COLUMNS = 5


def draw_sheet(evaluation: Evaluation, directory: Path) -> None:
    """Write `mistakes.png` from the kept pictures, or remove it where there are none."""
    path = directory / "mistakes.png"
    path.unlink(missing_ok=True)
    shown = [
        (mistake, picture(directory, rank))
        for rank, mistake in enumerate(evaluation.mistakes)
        if picture(directory, rank).is_file()
    ]
    if not shown:
        return
    rows = -(-len(shown) // _COLUMNS)
    with style():
        figure = Figure(figsize=(10, 2.55 * rows), layout="constrained", facecolor="white")
        grid: Any = figure.subplots(rows, _COLUMNS, squeeze=False)
        for axes in grid.flat:
            axes.axis("off")
        for axes, (mistake, file) in zip(grid.flat, shown, strict=False):
            axes.imshow(Image.open(file))
            axes.set_title(f"{shorten(mistake.answer)} {mistake.confidence:.1%}", color=WRONG, fontsize=9, pad=16)
            axes.text(0, 1.02, f"is {shorten(mistake.truth)}", transform=axes.transAxes, color=ACCENT, fontsize=9)
        figure.savefig(path, dpi=100, facecolor="white", metadata={"Software": None})
