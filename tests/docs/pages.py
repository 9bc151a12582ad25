"""Code blocks of a Markdown page, who executes their commands, and what the pages promise that they print.

A block of commands begins with a fence that says who executes them:

- ```` ```sh ````: molecule/rehearsal/tests/test_documented_commands.py, on the running rehearsal, in the order of the pages;
- ```` ```sh run-by: FILE... ````: other tests, which name each command, or take from the page what is marked for them;
- ```` ```sh untested: REASON ````: nobody can here. Their options are still compared with what the commands take.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Decision records tell what was, and are no instructions.
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN_BY, UNTESTED = "run-by:", "untested:"


@dataclass(frozen=True)
class Block:
    """One fenced block: the words after its fence, its text, its page (below ROOT), and the line where its text begins."""

    info: list[str]
    text: str
    page: str = ""
    line: int = 0

    @property
    def is_shell(self) -> bool:
        """Whether it holds commands for a person to type."""
        return self.info[:1] == ["sh"]

    @property
    def run_by(self) -> list[str]:
        """The files below ROOT that execute its commands, where the mark names them."""
        return self.info[2:] if self.info[1:2] == [RUN_BY] else []

    @property
    def untested(self) -> str:
        """Why nobody executes its commands; "" if somebody does."""
        return " ".join(self.info[2:]) if self.info[1:2] == [UNTESTED] else ""

    @property
    def name(self) -> str:
        """The block for people: where it is and how it begins."""
        first = commands(self.text)
        return f"{self.page}:{self.line} {first[0] if first else ''}"


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page."""
    text = page.read_text()
    return [
        Block(found[1].split(), found[2], str(page.relative_to(ROOT)), text[: found.start()].count("\n") + 2)
        for found in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    ]


def shell_blocks() -> list[Block]:
    """Return the blocks of commands of all pages, in their order."""
    return [block for page in PAGES for block in blocks(page) if block.is_shell]


def commands(text: str) -> list[str]:
    """Return the commands of a block, a line each: continued lines as one, without comments and the text of here-documents."""
    text = re.sub(r"<<'(\w+)'\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE).replace("\\\n", " ")
    lines = [re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip() for line in text.splitlines()]
    return [" ".join(line.split()) for line in lines if line]


def needs_clone(block: Block) -> bool:
    """Whether its commands are typed in the clone: they call make, or name a file of it. All others write where they like."""
    words = [word for command in commands(block.text) for word in command.split()]
    relative = (word for word in words if "/" in word.strip("/.") and not word.startswith("/"))
    return "make" in words or any((ROOT / word).exists() for word in relative)


def script(block: Block, stand_ins: Mapping[str, str]) -> str:
    """Return a program for bash that types the commands, with each key of `stand_ins` replaced, and stops at a failure."""
    # In a shell on a host, a person types something and leaves.
    text = re.sub(r"^(?=(make|python -m localcloud) shell )", "<<<exit ", block.text, flags=re.MULTILINE)
    for placeholder, value in stand_ins.items():
        # A whole word, or the beginning of paths.
        after = "" if placeholder.endswith("/") else r"(?![\w-])"
        text = re.sub(rf"(?<![\w-]){re.escape(placeholder)}{after}", lambda _, value=value: value, text)
    return "\n".join(
        [
            "set -eo pipefail",
            """trap 'echo "it failed at: $BASH_COMMAND" >&2' ERR""",
            "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT",
            text,
        ]
    )


def what_is_named(command: str) -> str:
    """Return a command without its arguments: `make plan`, `python -m training import`, `scripts/operate`."""
    words = [word for word in command.split() if "=" not in word]
    if words[:2] == ["python", "-m"]:
        return " ".join(words[:4])
    return " ".join(words[: 2 if words[0] == "make" else 1])


def mentions(page: Path) -> list[str]:
    """Return what stands between single backticks outside of blocks and begins as a command of this repository does."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text))
    return [span for span in spans if re.match(r"(make|python -m|scripts/\S+) \S", span)]


def matches(shown: str, printed: str) -> bool:
    """Tell whether what was printed is what the page shows: `…` in a line is any text, a line of it any lines."""
    pattern = ""
    for line in shown.rstrip().splitlines():
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ \t]*\n"
    return re.fullmatch(pattern, printed.rstrip() + "\n") is not None
