"""The filter with which roles/identity completes policies by what the kinds of resources need."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..module_utils.kinds.registry import KINDS
from ..module_utils.kinds.statements import statements


def with_kinds(
    document: Mapping[str, Any],
    purpose: str,
    values: Mapping[str, Any],
    *,
    services: Sequence[str] = (),
    besides: Sequence[str] = (),
    conditions: Sequence[str] = (),
) -> dict[str, Any]:
    """Returns a policy with the statements that the kinds need and that it does not have."""
    written = document["Statement"]
    added = statements(KINDS, purpose, values, written=written, services=services, besides=besides, conditions=conditions)
    return {**document, "Statement": [*written, *added]}


class FilterModule:
    """The filter, by its name in variables."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"with_kinds": with_kinds}
