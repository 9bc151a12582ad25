"""EC2's quotas of vCPUs against what an environment may run at once.

Everything here is pure: plain dictionaries in, plain dictionaries out. An account has one quota for each market and family of
types, in each region: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html#ec2-on-demand-instances-limits
and https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-spot-limits.html, whose codes these are.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

ON_DEMAND, SPOT = "on-demand", "spot"
STANDARD, GRAPHICS, TRAINING = "Standard", "G and VT", "P"
CODES = {
    (STANDARD, ON_DEMAND): "L-1216C47A",
    (STANDARD, SPOT): "L-34B43A08",
    (GRAPHICS, ON_DEMAND): "L-DB2E81BA",
    (GRAPHICS, SPOT): "L-3819A6DF",
    (TRAINING, ON_DEMAND): "L-417A185B",
    (TRAINING, SPOT): "L-7212CCBC",
}
# By the letters that a type begins with. What is not here, as mac, hpc, inf and trn, has quotas of its own.
FAMILIES = {"g": GRAPHICS, "vt": GRAPHICS, "p": TRAINING} | dict.fromkeys([*"acdhimrtz", "im", "is"], STANDARD)
# What RunInstances answers when a quota is used up: "Error codes for the Amazon EC2 API".
USED_UP = ("MaxSpotInstanceCountExceeded", "VcpuLimitExceeded")


class Need(NamedTuple):
    """What is wanted of one quota: vCPUs at most and at least, and by whom."""

    code: str
    most: int
    least: int
    parts: tuple[str, ...]


def code_of(instance_type: str, market: str) -> str | None:
    """Returns the code of the quota that a type counts towards, None for a family that is not known here."""
    letters = re.match("[a-z]+", instance_type)
    family = FAMILIES.get(letters[0]) if letters else None
    return CODES[family, market] if family else None


def markets(demand: Mapping[str, Any], number: int) -> dict[str, int]:
    """Returns how many of `number` instances are bought on which market: Spot above the on-demand base, rounded up in both."""
    share = demand["spot_percentage"] / 100
    above = max(0, number - demand["on_demand_base"])
    return {ON_DEMAND: number - above + math.ceil(above * (1 - share)), SPOT: math.ceil(above * share)}


def needs(demands: Iterable[Mapping[str, Any]], vcpus: Mapping[str, int]) -> list[Need]:
    """Returns what is wanted of each quota.

    Args:
        demands: with `what`, `instance_type`, `most` and `least` instances, `spot_percentage` and `on_demand_base`.
        vcpus: of each type.
    """
    found: dict[str, Need] = {}
    for demand in demands:
        most, least = (markets(demand, demand[bound]) for bound in ("most", "least"))
        for market in (ON_DEMAND, SPOT):
            code = code_of(demand["instance_type"], market)
            if code is None or not most[market]:
                continue
            each = vcpus[demand["instance_type"]]
            before = found.get(code, Need(code, 0, 0, ()))
            part = f"{demand['what']}: {most[market]} x {demand['instance_type']} = {most[market] * each}"
            found[code] = Need(
                code, before.most + most[market] * each, before.least + least[market] * each, (*before.parts, part)
            )
    return [found[code] for code in sorted(found)]


def page(code: str, region: str) -> str:
    """Returns the address of a quota in the console."""
    return f"https://{region}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/{code}"


def way_to_more(code: str, vcpus: int, region: str) -> str:
    """Returns how one asks for a larger quota, in a sentence."""
    command = (
        f"aws service-quotas request-service-quota-increase --region {region} --service-code ec2 --quota-code {code} "
        f"--desired-value {vcpus}"
    )
    return f"Ask AWS for {vcpus} (some hours to days): {page(code, region)} or {command}"


def advice(need: Need, name: str, value: float, region: str) -> str | None:
    """Returns what to do about a quota that is too small for all at once; None for one that is large enough."""
    if value >= need.most:
        return None
    return (
        f"The quota '{name}' ({need.code}) is {value:g} vCPUs in {region}, for everything in the account; this environment may "
        f"run {need.most} at once ({'; '.join(need.parts)}). {way_to_more(need.code, need.most, region)}."
    )
