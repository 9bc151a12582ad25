"""How a correction replaces a piece of moto, why it does, and how moto gets the piece back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NOT_REPORTED = "not reported"

_ABSENT = object()
# What a class itself had under a name, before it was replaced.
_pristine: dict[tuple[Any, str], Any] = {}
# Why each of these is replaced.
_reasons: dict[tuple[Any, str], tuple[Difference | Seam, ...]] = {}


@dataclass(frozen=True, eq=False)
class Difference:
    """What stock moto does otherwise than AWS.

    `aws` is the address of the document that the correction follows, or of where people met what no document says.
    `upstream` is moto's issue or pull request (`getmoto/moto#1234`), or NOT_REPORTED. A probe in tests/localcloud/probes/
    shows that stock moto still needs the correction; when it fails, the correction may go.
    """

    moto: str
    aws: str
    upstream: str


@dataclass(frozen=True, eq=False)
class Seam:
    """Where calls reach what stands behind this API and behind no moto: hosts, balancer, fleet, the rehearsal's own rules."""

    reason: str


def correction(
    owner: Any, name: str, reason: Difference | Seam, *more: Difference | Seam
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace method `name` of `owner`; the decorated function gets moto's own method as its first argument."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        _restore(owner, name)
        original = getattr(owner, name)

        @functools.wraps(function)
        def corrected(*args: Any, **kwargs: Any) -> Any:
            return function(original, *args, **kwargs)

        _replace(owner, name, corrected, (reason, *more))
        return function

    return decorate


def addition(owner: Any, name: str, reason: Difference | Seam, *more: Difference | Seam) -> Callable[[Any], Any]:
    """Give `owner` a method, property or constant `name` of its own, in place of whatever moto has there."""

    def decorate(value: Any) -> Any:
        _replace(owner, name, value, (reason, *more))
        return value

    return decorate


def restore() -> None:
    """Give moto back all that was replaced, for what else runs in this process."""
    for owner, name in list(_pristine):
        _restore(owner, name)


def reasons() -> set[Difference | Seam]:
    """Return why moto is now as it is."""
    return {one for all_of_one in _reasons.values() for one in all_of_one}


def _replace(owner: Any, name: str, value: Any, why: tuple[Difference | Seam, ...]) -> None:
    _pristine.setdefault((owner, name), vars(owner).get(name, _ABSENT))
    _reasons[owner, name] = why
    setattr(owner, name, value)


def _restore(owner: Any, name: str) -> None:
    if (owner, name) not in _pristine:
        return
    original = _pristine.pop((owner, name))
    del _reasons[owner, name]
    if original is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, original)
