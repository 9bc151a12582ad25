"""Mixed instances policies: which instances of a group are bought On-Demand and which on the Spot market, and of which type.

Source: Amazon EC2 Auto Scaling user guide, "Auto Scaling groups with multiple instance types and purchase options"; API
reference, InstancesDistribution. Every type is always to be had here, so that the first override is launched, whatever the
allocation strategies are.
"""

from typing import Any

ON_DEMAND = "on-demand"
SPOT = "spot"


def check(policy: dict[str, Any]) -> None:
    """Raise ValueError if a policy asks for what cannot be rehearsed: anything but one template and types by name."""
    template = policy.get("LaunchTemplate", {})
    if "LaunchTemplateSpecification" not in template:
        raise ValueError("A MixedInstancesPolicy needs a LaunchTemplate with a LaunchTemplateSpecification.")
    for override in template.get("Overrides") or []:
        if set(override) != {"InstanceType"}:
            raise ValueError("The local cloud takes overrides with an InstanceType and nothing else.")
    if "DistributionSegments" in policy.get("InstancesDistribution", {}):
        raise ValueError("The local cloud takes no DistributionSegments.")


def types(policy: dict[str, Any] | None) -> list[str]:
    """Return the instance types that a policy names, by priority; none if the launch template's is meant."""
    overrides = (policy or {}).get("LaunchTemplate", {}).get("Overrides") or []
    return [str(one["InstanceType"]) for one in overrides]


def market_to_buy(policy: dict[str, Any] | None, on_demand: int, spot: int) -> str:
    """Return the market of the next instance of a group that has so many instances of each."""
    return SPOT if on_demand >= _on_demand_share(policy, on_demand + spot + 1) else ON_DEMAND


def market_to_leave(policy: dict[str, Any] | None, on_demand: int, spot: int) -> str:
    """Return the market whose instance goes first when a group shrinks, so that the distribution is kept.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html, "Default termination
    policy and mixed instances groups"
    """
    return ON_DEMAND if on_demand > _on_demand_share(policy, on_demand + spot - 1) else SPOT


def _on_demand_share(policy: dict[str, Any] | None, total: int) -> int:
    """Return how many of `total` instances are On-Demand: the base, and a percentage of what is above it, rounded up."""
    distribution = (policy or {}).get("InstancesDistribution", {})
    base = min(total, int(distribution.get("OnDemandBaseCapacity", 0)))
    percentage = int(distribution.get("OnDemandPercentageAboveBaseCapacity", 100))
    return base - (-percentage * (total - base) // 100)
