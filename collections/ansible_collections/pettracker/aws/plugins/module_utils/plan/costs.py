"""What resources cost, each by what its kind says. Pure functions only."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..kinds.charges import Fields, Gap, Item, Line, Place, Range, Resources, region_of
from ..kinds.kind import Owned
from ..kinds.registry import BY_NAME
from .changes import ANNOUNCED

# What goes through them is paid for, too, and not before somebody uses them.
UNUSED = dict.fromkeys(("data_in_gb", "data_out_gb", "nat_gb"), Decimal(0))
# A resource of such a kind ("weights of …", "rule 10 of …") is something about another one.
ABOUT_ANOTHER = " of"


def items(kind: str, name: str, fields: Fields, place: Place) -> Iterable[Item]:
    """Returns what one resource adds to a bill."""
    if known := BY_NAME.get(kind):
        return known.charges(name, fields, place)
    # A model and a wheelhouse are the bucket's.
    if kind in ANNOUNCED or kind.endswith(ABOUT_ANOTHER):
        return ()
    return (Gap(f"{kind} {name}", "no price known for what this is"),)


@dataclass(frozen=True)
class Assumptions:
    """Prices by region and what is assumed about use, as `python -m delivery plan` writes them."""

    regions: Mapping[str, Mapping[str, Any]]
    usage: Mapping[str, Decimal]


def assumptions(text: str) -> Assumptions:
    """Returns what `python -m delivery plan` has written."""
    document = _decimals(json.loads(text))
    return Assumptions(document["regions"], document["usage"])


def _decimals(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _decimals(item) for key, item in value.items()}
    return Decimal(value)


def monthly_usd(found: Mapping[str, Iterable[Owned]], known: Resources, assumed: Assumptions) -> dict[tuple[str, str], str]:
    """Returns what each resource that was found costs a month, by kind and identity; "" for nothing, or where it is not known.

    No requests and no data are assumed to go through it: it costs what it costs by being there.

    Args:
        known: the resources of the plan, by which the region and the launch templates of groups are known.
    """
    region = region_of(known)
    others = {(kind, one.identity): one.fields for kind, ones in found.items() for one in ones}
    if region not in assumed.regions:
        return dict.fromkeys(others, "")
    place = Place(region, {**others, **known}, assumed.regions[region], {**assumed.usage, **UNUSED})
    return {(kind, name): _sum(items(kind, name, fields, place)) for (kind, name), fields in others.items()}


def _sum(charged: Iterable[Item]) -> str:
    """Returns the sum of lines, of what has a range from least to most; "" where something is left out."""
    lines = list(charged)
    costs = [one.cost for one in lines if isinstance(one, Line)]
    if not costs or len(costs) < len(lines):
        return ""
    cost = sum(costs, Range())
    return f"{cost.least}" if cost.least == cost.most else f"{cost.least} to {cost.most}"
