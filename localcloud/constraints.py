"""What a service's own model says about the values that it takes: lengths, patterns, ranges, choices. Pure functions only.

botocore checks little of it before it sends a request, and moto nothing; AWS refuses what breaks a constraint. The messages
are AWS's.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import regex
from botocore.model import ListShape, MapShape, Shape, StructureShape

# Java's spelling of what lies beyond the basic plane, two halves each, which is no range elsewhere.
_SURROGATES = r"\uD800\uDC00-\uDBFF\uDFFF"
_BEYOND = r"\U00010000-\U0010FFFF"


@dataclass(frozen=True)
class Leaf:
    """One value of a request: where it is (`Tags.1.Key`), and what the model says of it."""

    path: str
    value: Any
    shape: Shape

    @property
    def member(self) -> str:
        """Its own name, without where it is."""
        return self.path.rpartition(".")[2]


@functools.cache
def compiled(pattern: str) -> regex.Pattern[str]:
    """Returns a pattern of a service model. The models are written for Java: names of Unicode's classes, UTF-16."""
    return regex.compile(pattern.replace(_SURROGATES, _BEYOND), regex.DOTALL)


def leaves(shape: Shape, value: Any, path: str = "") -> Iterator[Leaf]:
    """Yields every value of a request as its model sees it, lists and maps as well as what is in them."""
    if value is None:
        return
    yield Leaf(path, value, shape)
    inner: list[tuple[str, Any, Shape]] = []
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        inner = [(name, value.get(name), member) for name, member in shape.members.items()]
    elif isinstance(shape, ListShape) and isinstance(value, list):
        inner = [(str(number), item, shape.member) for number, item in enumerate(value, 1)]
    elif isinstance(shape, MapShape) and isinstance(value, Mapping):
        inner = [(str(key), item, shape.value) for key, item in value.items()]
    for name, item, member in inner:
        yield from leaves(member, item, f"{path}.{name}" if path else name)


def violations(leaf: Leaf) -> Iterator[str]:
    """Yields each constraint of the model that a value breaks, as AWS says it."""
    rules, value, shape = leaf.shape.metadata, leaf.value, leaf.shape
    if shape.type_name in ("string", "list", "map") and hasattr(value, "__len__"):
        of = "length" if shape.type_name == "string" else "number of items"
        yield from _outside(len(value), rules, of)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _outside(float(value), rules, "value")
    if shape.type_name == "string" and isinstance(value, str):
        pattern, choices = rules.get("pattern"), rules.get("enum")
        if pattern and not compiled(pattern).fullmatch(value, timeout=1):
            yield f"Member must satisfy regular expression pattern: {pattern}"
        if choices and value not in choices:
            yield f"Member must satisfy enum value set: [{', '.join(choices)}]"


def _outside(size: float, rules: Mapping[str, Any], of: str) -> Iterator[str]:
    if "min" in rules and size < rules["min"]:
        yield f"Member must have {of} greater than or equal to {rules['min']}"
    if "max" in rules and size > rules["max"]:
        yield f"Member must have {of} less than or equal to {rules['max']}"
