"""How a correction replaces a piece of moto, and how moto gets it back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

_ABSENT = object()
# What a class itself had under a name, before it was replaced.
_pristine: dict[tuple[Any, str], Any] = {}


def correction(owner: Any, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace method `name` of `owner`; the decorated function gets moto's own method as its first argument."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        _restore(owner, name)
        original = getattr(owner, name)

        @functools.wraps(function)
        def corrected(*args: Any, **kwargs: Any) -> Any:
            return function(original, *args, **kwargs)

        _replace(owner, name, corrected)
        return function

    return decorate


def addition(owner: Any, name: str) -> Callable[[Any], Any]:
    """Give `owner` a method or property `name` of its own, in place of whatever moto has there."""

    def decorate(function: Any) -> Any:
        _replace(owner, name, function)
        return function

    return decorate


def restore() -> None:
    """Give moto back all that was replaced, for what else runs in this process."""
    for owner, name in list(_pristine):
        _restore(owner, name)


def _replace(owner: Any, name: str, value: Any) -> None:
    _pristine.setdefault((owner, name), vars(owner).get(name, _ABSENT))
    setattr(owner, name, value)


def _restore(owner: Any, name: str) -> None:
    if (owner, name) not in _pristine:
        return
    original = _pristine.pop((owner, name))
    if original is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, original)
