"""Which version is newer."""

import itertools

import pytest

from bundle.manifest import VERSION
from bundle.registry import precedence

# The first line is the specification's own example (https://semver.org/spec/v2.0.0.html#spec-item-11).
ASCENDING = [
    *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1"),
    *("1.0.0", "1.0.1-0", "1.0.1-0.1", "1.0.1-1", "1.0.1-A", "1.0.1-a", "1.0.1-a-1", "1.0.1", "1.0.2", "1.0.10"),
    *("1.2.0", "1.10.0", "2.0.0-1", "2.0.0", "10.0.0"),
]


@pytest.mark.parametrize(("older", "newer"), list(itertools.pairwise(ASCENDING)))
def test_the_newer_version_is_the_higher(older: str, newer: str) -> None:
    assert precedence(older) < precedence(newer)


@pytest.mark.parametrize("version", ASCENDING)
def test_each_is_a_version(version: str) -> None:
    assert VERSION.match(version)


def test_any_order_is_sorted() -> None:
    assert sorted(set(ASCENDING), key=precedence) == ASCENDING
