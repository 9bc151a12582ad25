"""What an Auto Scaling group costs: hosts, their volumes and their metrics. Pure functions only."""

from collections.abc import Iterator
from decimal import Decimal
from math import ceil

from .charges import Fields, Gap, Item, Place, between, line, plain, volume_charges

# EC2 sends so many metrics of an instance with detailed monitoring, each at the price of a custom one.
# https://aws.amazon.com/cloudwatch/pricing/, example of EC2 detailed monitoring
DETAILED_METRICS = 7


def group_charges(resource: str, name: str, fields: Fields, place: Place) -> Iterator[Item]:
    """Yields what a group costs with its smallest and with its largest number of hosts."""
    template = place.template(name)
    if template is None:
        yield Gap(resource, "its launch template is not in the plan")
        return
    sizes = _sizes(fields)
    yield from _hosts(resource, fields.get("mixed_instances"), template["instance_type"], sizes, place)
    for device, volume in template["volumes"].items():
        yield from volume_charges(resource, device, volume, place, sizes)
    least, most = (Decimal(size) for size in sizes)
    metric = place.prices["cloudwatch"]["metric_month"]
    if template["detailed_monitoring"]:
        part = f"{between(*sizes)} x {DETAILED_METRICS} metrics of detailed monitoring"
        yield line(resource, "cloudwatch", part, least * DETAILED_METRICS * metric, most * DETAILED_METRICS * metric)
    per_host, per_fleet = place.usage["metrics_per_host"], place.usage["metrics_per_fleet"]
    part = f"{between(*sizes)} x {plain(per_host)} metrics, {plain(per_fleet)} of the group"
    yield line(resource, "cloudwatch", part, *((size * per_host + per_fleet) * metric for size in (least, most)))


def _sizes(fields: Fields) -> tuple[int, int]:
    """Returns the smallest and the largest number of hosts, schedules included."""
    schedules = (fields.get("schedules") or {}).values()
    least = [fields["min_size"], *(one["min_size"] for one in schedules if "min_size" in one)]
    most = [fields["max_size"], *(one["max_size"] for one in schedules if "max_size" in one)]
    return min(least), max(most)


def _hosts(resource: str, policy: Fields | None, template_type: str, sizes: tuple[int, int], place: Place) -> Iterator[Item]:
    """Yields the hosts' hours.

    On-Demand hosts are of the first type, Spot hosts are counted as the dearest of all: which one it is, Auto Scaling
    chooses. A fraction of a host counts as On-Demand.
    """
    known = place.prices["instances"]
    types = list((policy or {}).get("instance_types") or [template_type])
    on_demand = [_on_demand(size, policy) for size in sizes]
    spot = [size - bought for size, bought in zip(sizes, on_demand, strict=True)]
    needed = types if any(spot) else types[:1]
    unknown = [str(one) for one in needed if one not in known]
    if unknown:
        # With the numbers, so that another number is another gap, and no difference is given that leaves it out.
        hosts = f"{between(*on_demand)} On-Demand and {between(*spot)} Spot hosts"
        yield Gap(resource, f"no price known for {', '.join(unknown)} in {place.region}: {hosts}")
        return
    hours = place.usage["hours"]
    if any(on_demand):
        price = known[types[0]] * hours
        part = f"{between(*on_demand)} x {types[0]} On-Demand"
        yield line(resource, "instances", part, *(price * number for number in on_demand))
    if any(spot):
        dearest = max(types, key=lambda one: known[one])
        price = known[dearest] * (1 - place.usage["spot_discount"]) * hours
        part = f"{between(*spot)} x {dearest} Spot"
        yield line(resource, "instances", part, *(price * number for number in spot))


def _on_demand(size: int, policy: Fields | None) -> int:
    if policy is None:
        return size
    base = min(size, policy.get("on_demand_base") or 0)
    share = policy.get("on_demand_percentage")
    return base + ceil(Decimal((size - base) * (100 if share is None else share)) / 100)
