"""Texts of others in Markdown, so that they are read and never obeyed. Pure functions only.

Names, values and errors come from whoever may push. Outside of code, GitHub makes images, links, mentions and references
of them, and a line end begins a heading; so all of them are code: a span, the cell of a table, or a block of JSON.
https://github.github.com/gfm/#code-spans
"""

import unicodedata
from typing import Any

# Control characters, those that nobody sees or that turn the direction of what follows, and line ends that are no white space.
HIDDEN_CATEGORIES = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")


def shown(text: str) -> str:
    """Returns a text in which every character is seen: what hides is written as its number."""
    if text.isprintable():
        return text
    return "".join(f"\\u{ord(letter):04x}" if unicodedata.category(letter) in HIDDEN_CATEGORIES else letter for letter in text)


def visible(text: Any) -> str:
    """Returns a text in one line, in which every character is seen."""
    return shown(" ".join(str(text).split()))


def code(text: Any) -> str:
    """Returns a text as a span of code, which nothing in it can end."""
    return "`" + (visible(text).replace("`", "'") or " ") + "`"


def cell(text: Any) -> str:
    """Returns a text as code in the cell of a table, in which a bar would begin the next one even inside code."""
    return code(text).replace("|", "\\|")


def html(text: Any) -> str:
    """Returns a text as it may stand in a line of HTML, where Markdown is none."""
    return visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
