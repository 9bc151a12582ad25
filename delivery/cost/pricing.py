"""What single resources cost, by the fields that modules describe them with. Pure functions only."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from math import ceil
from typing import Any

from delivery.cost.prices import Region, Usage

Fields = Mapping[str, Any]
Resources = Mapping[tuple[str, str], Fields]  # by kind and name

CENT = Decimal("0.01")
DAYS_A_MONTH = Decimal(365) / 12
# EC2 sends so many metrics of an instance with detailed monitoring, each at the price of a custom one.
# https://aws.amazon.com/cloudwatch/pricing/, example of EC2 detailed monitoring
DETAILED_METRICS = 7
# A capacity unit is a GB an hour, where not connections or rules are what there is most of.
# https://aws.amazon.com/elasticloadbalancing/pricing/
CAPACITY_UNIT_GB = 1
GP3_IOPS, GP3_THROUGHPUT = 3000, 125
FAST_SECONDS = 60

# What AWS does not charge for, or charges for as a part of something else: a launch template's hosts are the group's, a flow
# log's lines the log group's, a model and a wheelhouse the bucket's. The only VPC endpoint is S3's, a gateway, and the budget
# has no actions.
FREE = {
    *("VPC", "subnet", "internet gateway", "route table", "VPC endpoint", "network ACL", "security group"),
    *("role", "policy", "instance profile", "identity provider", "certificate", "target group", "listener"),
    *("launch template", "flow log", "wheelhouse", "model", "budget"),
}
# A resource of such a kind ("weights of …", "hosts of …") is something about another one.
ABOUT_ANOTHER = " of"


@dataclass(frozen=True)
class Range:
    """Dollars a month: with as few hosts as there may be, and with as many."""

    least: Decimal = Decimal(0)
    most: Decimal = Decimal(0)

    def __add__(self, other: "Range") -> "Range":
        return Range(self.least + other.least, self.most + other.most)

    def __sub__(self, other: "Range") -> "Range":
        return Range(self.least - other.least, self.most - other.most)


@dataclass(frozen=True)
class Line:
    """One line of a bill.

    Attributes:
        service: whose prices it is made of, as prices.yml names them.
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


@dataclass(frozen=True)
class Place:
    """What a resource's price depends on besides its own fields."""

    region: str
    resources: Resources
    prices: Region
    usage: Usage

    def template(self, group: str) -> Fields | None:
        """Return the launch template of a group: that of its name, or of the longest name that its own begins with.

        A group names its template by an id that the plan may not know yet. The fleets of blue/green rollouts share one.
        """
        names = [name for kind, name in self.resources if kind == "launch template" and group.startswith(name)]
        return self.resources["launch template", max(names, key=len)] if names else None

    def number(self, kind: str) -> int:
        return sum(kind == other for other, _ in self.resources)


Item = Line | Gap


def items(kind: str, name: str, fields: Fields, place: Place) -> Iterable[Item]:
    """Return what one resource adds to a bill."""
    resource = f"{kind} {name}"
    if kind in PRICED:
        return PRICED[kind](resource, name, fields, place)
    if kind in FREE or kind.endswith(ABOUT_ANOTHER):
        return ()
    return (Gap(resource, "no price known for what this is"),)


def _line(resource: str, service: str, part: str, least: Decimal, most: Decimal | None = None) -> Line:
    """Return a line in whole cents, so that the lines of a table add up to its total."""
    amounts = (amount.quantize(CENT, ROUND_HALF_UP) for amount in (least, least if most is None else most))
    return Line(resource, service, part, Range(*amounts))


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():,f}"


def _between(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _group(resource: str, name: str, fields: Fields, place: Place) -> Iterator[Item]:
    """Yields hosts, their volumes and their metrics."""
    template = place.template(name)
    if template is None:
        yield Gap(resource, "its launch template is not in the plan")
        return
    sizes = _sizes(fields)
    yield from _hosts(resource, fields.get("mixed_instances"), template["instance_type"], sizes, place)
    for device, volume in template["volumes"].items():
        yield from _volume(resource, device, volume, sizes, place)
    least, most = (Decimal(size) for size in sizes)
    metric, usage = place.prices.cloudwatch.metric_month, place.usage
    if template["detailed_monitoring"]:
        part = f"{_between(*sizes)} x {DETAILED_METRICS} metrics of detailed monitoring"
        yield _line(resource, "cloudwatch", part, least * DETAILED_METRICS * metric, most * DETAILED_METRICS * metric)
    part = (
        f"{_between(*sizes)} x {_plain(usage.metrics_per_host)} metrics, {_plain(usage.metrics_per_fleet)} of the group"
    )
    sums = (size * usage.metrics_per_host + usage.metrics_per_fleet for size in (least, most))
    yield _line(resource, "cloudwatch", part, *(number * metric for number in sums))


def _sizes(fields: Fields) -> tuple[int, int]:
    """Return the smallest and the largest number of hosts, schedules included."""
    schedules = (fields.get("schedules") or {}).values()
    least = [fields["min_size"], *(one["min_size"] for one in schedules if "min_size" in one)]
    most = [fields["max_size"], *(one["max_size"] for one in schedules if "max_size" in one)]
    return min(least), max(most)


def _hosts(
    resource: str, policy: Fields | None, template_type: str, sizes: tuple[int, int], place: Place
) -> Iterator[Item]:
    """Yields the hosts' hours.

    On-Demand hosts are of the first type, Spot hosts are counted as the dearest of all: which one it is, Auto Scaling
    chooses. A fraction of a host counts as On-Demand.
    """
    types = list((policy or {}).get("instance_types") or [template_type])
    on_demand = [_on_demand(size, policy) for size in sizes]
    spot = [size - bought for size, bought in zip(sizes, on_demand, strict=True)]
    needed = types if any(spot) else types[:1]
    unknown = [str(one) for one in needed if one not in place.prices.instances]
    if unknown:
        # With the numbers, so that another number is another gap, and no difference is given that leaves it out.
        hosts = f"{_between(*on_demand)} On-Demand and {_between(*spot)} Spot hosts"
        yield Gap(resource, f"no price known for {', '.join(unknown)} in {place.region}: {hosts}")
        return
    hours = place.usage.hours
    if any(on_demand):
        price = place.prices.instances[types[0]] * hours
        part = f"{_between(*on_demand)} x {types[0]} On-Demand"
        yield _line(resource, "instances", part, *(price * number for number in on_demand))
    if any(spot):
        dearest = max(types, key=lambda one: place.prices.instances[one])
        price = place.prices.instances[dearest] * (1 - place.usage.spot_discount) * hours
        part = f"{_between(*spot)} x {dearest} Spot"
        yield _line(resource, "instances", part, *(price * number for number in spot))


def _on_demand(size: int, policy: Fields | None) -> int:
    if policy is None:
        return size
    base = min(size, policy.get("on_demand_base") or 0)
    share = policy.get("on_demand_percentage")
    return base + ceil(Decimal((size - base) * (100 if share is None else share)) / 100)


def _volume(resource: str, device: str, volume: Fields, sizes: tuple[int, int], place: Place) -> Iterator[Item]:
    kind, size, prices = volume.get("volume_type"), volume.get("volume_size"), place.prices.volumes
    if kind not in prices.gb_month or size is None:
        what = f"{_between(*sizes)} x {size or 'an unknown number of'} GB of {kind or 'an unknown type'}"
        yield Gap(resource, f"no price known for the volume {device} in {place.region}: {what}")
        return
    price = size * prices.gb_month[kind]
    if kind == "gp3":
        price += max(0, (volume.get("iops") or 0) - GP3_IOPS) * prices.gp3_iops_month
        price += max(0, (volume.get("throughput") or 0) - GP3_THROUGHPUT) * prices.gp3_throughput_month
    part = f"{_between(*sizes)} x {size} GB {kind}"
    yield _line(resource, "volumes", part, *(price * number for number in sizes))


def _load_balancer(resource: str, _: str, fields: Fields, place: Place) -> Iterator[Item]:
    usage, prices, network = place.usage, place.prices.balancer, place.prices.network
    yield _line(resource, "balancer", f"{_plain(usage.hours)} hours", usage.hours * prices.hour)
    through = usage.data_in_gb + usage.data_out_gb
    units = through / CAPACITY_UNIT_GB
    yield _line(resource, "balancer", f"{_plain(through)} GB through it", units * prices.capacity_unit_hour)
    if fields["scheme"] == "internet-facing":
        number = len(fields["subnets"])
        yield _line(resource, "network", f"{number} x public address", number * usage.hours * network.address_hour)
        part = f"{_plain(usage.data_out_gb)} GB to the internet"
        yield _line(resource, "network", part, usage.data_out_gb * network.out_gb)


def _nat_gateway(resource: str, _: str, __: Fields, place: Place) -> Iterator[Item]:
    usage, prices = place.usage, place.prices.network
    yield _line(resource, "network", f"{_plain(usage.hours)} hours", usage.hours * prices.nat_hour)
    share = usage.nat_gb / place.number("NAT gateway")
    yield _line(resource, "network", f"{_plain(share)} GB through it", share * prices.nat_gb)


def _address(resource: str, _: str, __: Fields, place: Place) -> Iterator[Item]:
    yield _line(resource, "network", "public address", place.usage.hours * place.prices.network.address_hour)


def _instance(resource: str, _: str, fields: Fields, place: Place) -> Iterator[Item]:
    kind, prices = fields["instance_type"], place.prices.instances
    if kind not in prices:
        yield Gap(resource, f"no price known for {kind} in {place.region}")
        return
    price = prices[kind] * place.usage.hours
    if fields["spot"]:
        yield _line(resource, "instances", f"{kind} Spot", price * (1 - place.usage.spot_discount))
    else:
        yield _line(resource, "instances", f"{kind} On-Demand", price)


def _single_volume(resource: str, name: str, fields: Fields, place: Place) -> Iterator[Item]:
    yield from _volume(resource, name, fields, (1, 1), place)


def _alarm(resource: str, _: str, fields: Fields, place: Place) -> Iterator[Item]:
    prices = place.prices.cloudwatch
    fast = fields["period"] < FAST_SECONDS
    yield _line(resource, "cloudwatch", "alarm", prices.fast_alarm_month if fast else prices.alarm_month)


def _log_group(resource: str, _: str, fields: Fields, place: Place) -> Iterator[Item]:
    gb, prices, days = place.usage.log_gb, place.prices.cloudwatch, fields["retention_days"]
    yield _line(resource, "cloudwatch", f"{_plain(gb)} GB taken in", gb * prices.log_gb)
    if days is None:
        yield Gap(resource, "it keeps its lines for ever, so that what they cost grows each month")
        return
    kept = gb * days / DAYS_A_MONTH
    yield _line(resource, "cloudwatch", f"lines of {days} days", kept * prices.log_gb_month)


def _bucket(resource: str, _: str, __: Fields, place: Place) -> Iterator[Item]:
    gb = place.usage.bucket_gb
    yield _line(resource, "s3", f"{_plain(gb)} GB", gb * place.prices.s3.gb_month)


def _image(resource: str, _: str, __: Fields, place: Place) -> Iterator[Item]:
    gb = place.usage.image_gb
    yield _line(resource, "volumes", f"snapshot, {_plain(gb)} GB", gb * place.prices.volumes.snapshot_gb_month)


PRICED: dict[str, Callable[[str, str, Fields, Place], Iterator[Item]]] = {
    "Auto Scaling group": _group,
    "load balancer": _load_balancer,
    "NAT gateway": _nat_gateway,
    "address": _address,
    "instance": _instance,
    "volume": _single_volume,
    "alarm": _alarm,
    "log group": _log_group,
    "bucket": _bucket,
    "image": _image,
}
