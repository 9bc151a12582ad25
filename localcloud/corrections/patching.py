"""How a correction replaces a piece of moto."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

_pristine: dict[tuple[Any, str], Any] = {}


def correction(owner: Any, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace method `name` of `owner`; the decorated function gets moto's own method as its first argument."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        original = _pristine.setdefault((owner, name), getattr(owner, name))

        @functools.wraps(function)
        def corrected(*args: Any, **kwargs: Any) -> Any:
            return function(original, *args, **kwargs)

        setattr(owner, name, corrected)
        return function

    return decorate


def addition(owner: Any, name: str) -> Callable[[Any], Any]:
    """Give `owner` a method or property `name` of its own, in place of whatever moto has there."""

    def decorate(function: Any) -> Any:
        setattr(owner, name, function)
        return function

    return decorate
