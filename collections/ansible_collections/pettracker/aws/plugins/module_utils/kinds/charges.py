"""What a bill is made of: prices, what is assumed about use, and what one resource adds. Pure functions only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Fields = Mapping[str, Any]
Resources = Mapping[tuple[str, str], Fields]  # by kind and name

CENT = Decimal("0.01")
# Operations and MiB a second that a gp3 volume has for its size's price.
GP3_IOPS, GP3_THROUGHPUT = 3000, 125


@dataclass(frozen=True)
class Range:
    """Dollars a month: with as few hosts as there may be, and with as many."""

    least: Decimal = Decimal(0)
    most: Decimal = Decimal(0)

    def __add__(self, other: Range) -> Range:
        return Range(self.least + other.least, self.most + other.most)

    def __sub__(self, other: Range) -> Range:
        return Range(self.least - other.least, self.most - other.most)


@dataclass(frozen=True)
class Line:
    """One line of a bill.

    Attributes:
        service: whose prices it is made of, as delivery/cost/prices.yml names them.
        part: what is paid for.
    """

    resource: str
    service: str
    part: str
    cost: Range


@dataclass(frozen=True)
class Gap:
    """What a bill leaves out; `resource` is empty where it is everything."""

    resource: str
    reason: str


Item = Line | Gap


@dataclass(frozen=True)
class Place:
    """What a resource's price depends on besides its own fields.

    Attributes:
        resources: all of the bill.
        prices: the region's, as delivery/cost/prices.yml has them.
        usage: what is assumed for a month, as delivery/cost/usage.yml has it.
    """

    region: str
    resources: Resources
    prices: Mapping[str, Any]
    usage: Mapping[str, Decimal]

    def template(self, group: str) -> Fields | None:
        """Returns the launch template of a group: that of its name, or of the longest name that its own begins with.

        A group names its template by an id that the plan may not know yet. The fleets of blue/green rollouts share one.
        """
        names = [name for kind, name in self.resources if kind == "launch template" and group.startswith(name)]
        return self.resources["launch template", max(names, key=len)] if names else None

    def number(self, kind: str) -> int:
        """Returns how many there are of a kind."""
        return sum(kind == other for other, _ in self.resources)


def region_of(resources: Resources) -> str:
    """Returns the region by the zones of the subnets; "" where there is no subnet."""
    zones = sorted(fields["zone"] for (kind, _), fields in resources.items() if kind == "subnet")
    return zones[0].rstrip("abcdefghijklmnopqrstuvwxyz") if zones else ""


def line(resource: str, service: str, part: str, least: Decimal, most: Decimal | None = None) -> Line:
    """Returns a line in whole cents, so that the lines of a table add up to its total."""
    amounts = (amount.quantize(CENT, ROUND_HALF_UP) for amount in (least, least if most is None else most))
    return Line(resource, service, part, Range(*amounts))


def plain(amount: Decimal) -> str:
    """Returns an amount as people write it, without zeros at its end."""
    return f"{amount.normalize():,f}"


def between(least: int, most: int) -> str:
    """Returns a number of hosts, or both of two that differ."""
    return str(least) if least == most else f"{least} to {most}"


def volume_charges(resource: str, device: str, volume: Fields, place: Place, sizes: tuple[int, int] = (1, 1)) -> Iterator[Item]:
    """Yields what one volume costs, on as few and as many hosts as `sizes`."""
    kind, size, prices = volume.get("volume_type"), volume.get("volume_size"), place.prices["volumes"]
    if kind not in prices["gb_month"] or size is None:
        what = f"{between(*sizes)} x {size or 'an unknown number of'} GB of {kind or 'an unknown type'}"
        yield Gap(resource, f"no price known for the volume {device} in {place.region}: {what}")
        return
    price = size * prices["gb_month"][kind]
    if kind == "gp3":
        price += max(0, (volume.get("iops") or 0) - GP3_IOPS) * prices["gp3_iops_month"]
        price += max(0, (volume.get("throughput") or 0) - GP3_THROUGHPUT) * prices["gp3_throughput_month"]
    yield line(resource, "volumes", f"{between(*sizes)} x {size} GB {kind}", *(price * number for number in sizes))


def snapshot_charge(resource: str, place: Place) -> Item:
    """Returns what is assumed to be written to a snapshot: its size is that of the volume, which is never full."""
    gb = place.usage["image_gb"]
    return line(resource, "volumes", f"snapshot, {plain(gb)} GB", gb * place.prices["volumes"]["snapshot_gb_month"])
