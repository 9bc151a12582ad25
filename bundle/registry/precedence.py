"""Which of two versions is newer."""

from typing import Any


def precedence(version: str) -> tuple[Any, ...]:
    """Return a key that sorts versions as Semantic Versioning does: 1.0.0-rc.2 < 1.0.0-rc.10 < 1.0.0 < 1.0.1.

    Args:
        version: as `bundle.manifest.ModelVersion` admits it.

    Source: https://semver.org/spec/v2.0.0.html#spec-item-11
    """
    release, _, pre_release = version.partition("-")
    numbers = tuple(int(number) for number in release.split("."))
    if not pre_release:
        return *numbers, True, ()
    return *numbers, False, tuple(_identifier(part) for part in pre_release.split("."))


def _identifier(part: str) -> tuple[bool, int, str]:
    """Return a key by which numbers come before words, numbers by value and words by ASCII."""
    is_number = part.isascii() and part.isdigit()
    return not is_number, int(part) if is_number else 0, "" if is_number else part
