"""The packaged photographs that int8 is calibrated with and measured on, for a model that comes without its own data."""

from pathlib import Path

# Debian's tuxpaint-stamps-default (GPL-2): things cut out of photographs, as PNG files of 50 to 500 pixels.
PACKAGE = "tuxpaint-stamps-default"
_DIRECTORY = Path("/usr/share/tuxpaint/stamps")
_TOPICS = (
    *("animals", "clothes", "food", "hobbies", "household", "medical", "plants", "space", "sports", "vehicles"),
    "town/monuments",
)
_DRAWN = {"cartoon", "toys", "clipart"}


def photographs() -> list[Path]:
    """Return the files, sorted: some 330.

    Raises:
        ValueError: the package is not installed.
    """
    found = [
        path for topic in _TOPICS for path in sorted((_DIRECTORY / topic).rglob("*.png")) if not _DRAWN.intersection(path.parts)
    ]
    if not found:
        raise ValueError(
            f"int8 needs photographs: install the Debian package {PACKAGE} (scripts/setup does), "
            "or name a directory of your own with --images"
        )
    return found
