"""What an environment costs a month, as it is and as a plan would make it.

A bill is made of resources as modules describe them (`resources` of docs/plan.schema.json), of prices and of what is assumed
about use. It is a range, because a fleet has between its smallest and its largest number of hosts. What has no price is a gap
with a reason, never a zero.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.kinds.charges import Gap, Line, Place, Range, Resources, region_of
from ansible_collections.pettracker.aws.plugins.module_utils.plan.costs import items

from delivery.cost.prices import Prices, Usage, read_prices, read_usage


@dataclass(frozen=True)
class Bill:
    """What some resources cost."""

    lines: tuple[Line, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def total(self) -> Range:
        return sum((line.cost for line in self.lines), Range())

    def by_resource(self) -> dict[str, Range]:
        return self._sums(lambda line: line.resource)

    def by_service(self) -> dict[str, Range]:
        return self._sums(lambda line: line.service)

    def _sums(self, key: Callable[[Line], str]) -> dict[str, Range]:
        sums: dict[str, Range] = {}
        for line in self.lines:
            sums[key(line)] = sums.get(key(line), Range()) + line.cost
        return sums


@dataclass(frozen=True)
class Estimate:
    """The bills before and after a plan.

    Attributes:
        as_of: day of the prices; empty where there are none of the region.
        complete: whether the plan saw all resources.
    """

    environment: str
    region: str
    as_of: str
    usage: Usage
    before: Bill
    after: Bill
    complete: bool

    @property
    def difference(self) -> Range | None:
        """Dollars more a month; None where one side leaves something out that the other one counts."""
        return None if set(self.before.gaps) != set(self.after.gaps) else self.after.total - self.before.total

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return tuple(dict.fromkeys((*self.before.gaps, *self.after.gaps)))


def estimate(plan: Mapping[str, Any], prices: Prices, usage: Usage) -> Estimate:
    """Return what the environment of a plan costs before and after it."""
    before, after = (_side(plan, name) for name in ("before", "after"))
    region = region_of(after) or region_of(before)
    known = prices.regions.get(region)
    return Estimate(
        environment=plan["environment"],
        region=region,
        as_of=str(known.as_of) if known else "",
        usage=usage,
        before=bill(before, region, prices, usage),
        after=bill(after, region, prices, usage),
        complete=plan["complete"],
    )


def estimate_of(plan: Mapping[str, Any], root: Path = Path()) -> Estimate:
    """Return the same by today's prices, with what the inventory in the tree `root` assumes about use."""
    return estimate(plan, read_prices(), read_usage(plan["environment"], root))


def _side(plan: Mapping[str, Any], name: str) -> Resources:
    return {(item["kind"], item["name"]): item[name] for item in plan["resources"] if item[name] is not None}


def bill(resources: Resources, region: str, prices: Prices, usage: Usage) -> Bill:
    """Return what resources cost in a region."""
    if not resources:
        return Bill()
    if not region:
        return Bill(gaps=(Gap("", "the region is not known, for the plan names no subnet"),))
    if region not in prices.regions:
        return Bill(gaps=(Gap("", f"no prices known for the region {region}, only for {', '.join(prices.regions)}"),))
    place = Place(region, resources, prices.regions[region].model_dump(), usage.model_dump())
    found = [item for (kind, name), fields in resources.items() for item in items(kind, name, fields, place)]
    return Bill(tuple(item for item in found if isinstance(item, Line)), tuple(item for item in found if isinstance(item, Gap)))
