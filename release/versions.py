"""Precedence of versions, as Semantic Versioning 2.0.0 (§11) orders them."""

from bundle.manifest import VERSION


def precedence(version: str) -> tuple[tuple[int, int, int], bool, list[tuple[bool, int, str]]]:
    """Return a key that sorts versions: numbers as numbers, and a pre-release before its release."""
    found = VERSION.match(version)
    if found is None:
        raise ValueError(f"{version!r} is no version such as 1.2.3")
    major, minor, patch, pre = found.groups()
    identifiers = pre[1:].split(".") if pre else []
    # Numeric identifiers come before others, and among themselves by value.
    parts = [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in identifiers]
    return (int(major), int(minor), int(patch)), pre is None, parts
