"""Which member of an Auto Scaling group goes first when the group shrinks.

Source: Amazon EC2 Auto Scaling user guide, "Configure termination policies". AllocationStrategy does no more than the default
policy does for the markets of a mixed group, and custom policies are passed over.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from localcloud.fleet.members import market_of

Order = Callable[[Any], float]


def _age(member: Any) -> float:
    """Seconds since launch; moto keeps naive UTC times."""
    return float((datetime.now(UTC).replace(tzinfo=None) - member.instance.launch_time).total_seconds())


def _template_version(member: Any) -> float:
    return float(getattr(member, "launch_template_version", 0))


def _time_to_next_hour(member: Any) -> float:
    return 3600 - _age(member) % 3600


POLICIES: dict[str, list[Order]] = {
    "Default": [_template_version, _time_to_next_hour],
    "OldestInstance": [lambda member: -_age(member)],
    "NewestInstance": [_age],
    "OldestLaunchTemplate": [_template_version],
    "ClosestToNextInstanceHour": [_time_to_next_hour],
}

# Policies that keep the distribution over the markets.
MARKET_POLICIES = frozenset({"Default", "AllocationStrategy"})


def choose_victim(members: list[Any], policies: list[str], market: str | None = None) -> Any | None:
    """Return the member to terminate, None if all are protected from scale-in.

    The zone with the most members that are not protected comes first, then, by the default policy, the `market` that has
    too many, then each policy in turn breaks the tie.
    """
    candidates = [one for one in members if not one.protected_from_scale_in]
    if not candidates:
        return None
    per_zone = Counter(one.availability_zone for one in members)
    fullest = max(per_zone[one.availability_zone] for one in candidates)
    candidates = [one for one in candidates if per_zone[one.availability_zone] == fullest]
    if market is not None and MARKET_POLICIES.intersection(policies):
        candidates = [one for one in candidates if market_of(one) == market] or candidates
    orders = [order for policy in policies for order in POLICIES.get(policy, [])] or POLICIES["Default"]
    return min(candidates, key=lambda member: [order(member) for order in orders])
