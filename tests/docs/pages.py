"""Code blocks of a Markdown page, and what they promise."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Block:
    """One fenced block: the words after its fence, and its text."""

    info: list[str]
    text: str


def blocks(page: Path, section: str = "") -> list[Block]:
    """Return the blocks of a page, or of one of its sections and what precedes the first one."""
    text = page.read_text()
    if section:
        parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
        text = parts[0] + next(part for part in parts if part.startswith(f"## {section}\n"))
    return [
        Block(found[1].split(), found[2])
        for found in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    ]


def commands(text: str) -> list[list[str]]:
    """Return the words of each line that is a command, without what a shell adds (pipes, redirections, substitutions)."""
    return [line.split() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def matches(shown: str, printed: str) -> bool:
    """Tell whether what was printed is what the page shows: `…` in a line is any text, a line of it any lines."""
    pattern = ""
    for line in shown.rstrip().splitlines():
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ \t]*\n"
    return re.fullmatch(pattern, printed.rstrip() + "\n") is not None
