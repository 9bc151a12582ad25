"""One set of colours for the page and its plots, light and dark, and plots that follow the reader's choice of these."""

import re
import warnings
from io import StringIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

# Name: (light, dark). Text on its ground has a contrast of 4.5 or more (WCAG 2.2, 1.4.3).
COLOURS = {
    "ground": ("#ffffff", "#12181d"),
    "panel": ("#f4f6f8", "#1b232a"),
    "ink": ("#1c262e", "#e7ebee"),
    "muted": ("#5a6771", "#a3aeb6"),
    "grid": ("#d9dfe4", "#35414a"),
    "accent": ("#22689c", "#74b6e6"),
    "second": ("#7a5ba6", "#bda3e6"),
    "wrong": ("#b8452c", "#f2937a"),
    "on": ("#fefefe", "#0f1418"),
}
INK, MUTED, GRID, ACCENT, SECOND, WRONG, ON = (
    COLOURS[name][0] for name in ("ink", "muted", "grid", "accent", "second", "wrong", "on")
)
# Of matplotlib's settings.
STYLE: Any = {
    # Text stays text: small, and in a font of the reader's that has every letter.
    "svg.fonttype": "none",
    # Class names are names, whatever dollars are in them.
    "text.parse_math": False,
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": GRID,
    "legend.frameon": False,
    "savefig.facecolor": "none",
}


def css_variables() -> str:
    """Return the colours as CSS custom properties."""
    light, dark = ("".join(f"--{name}:{pair[which]};" for name, pair in COLOURS.items()) for which in range(2))
    return f":root{{color-scheme:light dark;{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"


def save(figure: Figure, path: Path) -> None:
    """Write SVG that follows the reader's light or dark; the same figure gives the same bytes.

    Programs that know no custom properties of CSS show the light colours.
    """
    out = StringIO()
    with rc_context({**STYLE, "svg.hashsalt": path.stem}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    names = {light: name for name, (light, _) in COLOURS.items()}

    def themed(match: re.Match[str]) -> str:
        prop, colour = match[1], match[2]
        name = names.get(colour)
        return f"{prop}: {colour}; {prop}: var(--{name})" if name else match[0]

    drawn = re.sub(r"\b(fill|stroke): (#[0-9a-f]{6})", themed, out.getvalue())
    path.write_text(drawn.replace("<defs>", f"<style>{css_variables()}</style>\n <defs>", 1))


def style() -> Any:
    """Return the context in which figures are drawn."""
    # Text is measured with matplotlib's font, which lacks many letters; it is shown in the reader's, which does not.
    warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
    return rc_context(STYLE)
