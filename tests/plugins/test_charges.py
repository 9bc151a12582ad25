"""Every kind says what one of it costs, or why it costs nothing."""

import json
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Kind, Owned
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.registry import KINDS
from ansible_collections.pettracker.aws.plugins.module_utils.plan.costs import assumptions, monthly_usd

from delivery.cost.prices import as_json, read_prices, read_usage

ZONE = {("subnet", "a"): {"zone": "us-east-1a"}}
TEMPLATE = {
    ("launch template", "service"): {
        "instance_type": "c5.large",
        "volumes": {"/dev/xvda": {"volume_type": "gp3", "volume_size": 50}},
        "detailed_monitoring": False,
    }
}
SIZES = {"min_size": 1, "max_size": 1, "mixed_instances": None}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_has_a_price_or_a_reason_for_having_none(kind: Kind) -> None:
    assert (type(kind).charges is Kind.charges) == bool(kind.free)


def costs(kind: str, *fields: dict[str, Any], known: Any = ZONE) -> list[str]:
    """What resources of a kind cost that nothing manages."""
    found = {kind: [Owned(f"one-{number}", fields=one) for number, one in enumerate(fields)]}
    assumed = assumptions(json.dumps(as_json(read_prices(), read_usage("none"))))
    return list(monthly_usd(found, known, assumed).values())


@pytest.mark.parametrize(
    ("kind", "fields", "dollars"),
    [
        # Prices of an hour of delivery/cost/prices.yml, 730 times; 0.526 is that of g4dn.xlarge.
        ("instance", {"instance_type": "g4dn.xlarge", "spot": False}, "383.98"),
        ("instance", {"instance_type": "g4dn.xlarge", "spot": True}, "134.39"),
        ("instance", {"instance_type": "g4dn.xlarge", "spot": False, "state": "stopped"}, ""),
        ("instance", {"instance_type": "x9.large", "spot": False}, ""),
        ("volume", {"volume_type": "gp3", "volume_size": 100, "iops": 4000, "throughput": 125}, "13.00"),
        ("snapshot", {}, "0.20"),
        ("address", {}, "3.65"),
        ("NAT gateway", {}, "32.85"),
        ("load balancer", {"scheme": "internet-facing", "subnets": ["a", "b"]}, "23.73"),
        ("alarm", {"period": 10}, "0.30"),
        ("alarm", {"period": None}, ""),
        ("bucket", {}, "0.23"),
        ("log group", {"retention_days": None}, ""),
        ("security group", {}, ""),
        ("database", {}, ""),
    ],
)
def test_what_nothing_manages_costs_what_it_costs_by_being_there(kind: str, fields: dict[str, Any], dollars: str) -> None:
    assert costs(kind, fields) == [dollars]


def test_a_group_is_of_the_template_that_the_plan_knows() -> None:
    group = "Auto Scaling group"
    assert costs(group, SIZES) == [""]
    template = {(kind, "one"): fields for (kind, _), fields in TEMPLATE.items()}
    # An hour's 0.085, 50 GB at 0.08, and twelve metrics at 0.30 as one host and its group have them.
    assert costs(group, SIZES, known=ZONE | template) == ["69.65"]
    assert costs(group, SIZES | {"max_size": 2}, known=ZONE | template) == ["69.65 to 136.90"]


@pytest.mark.parametrize("known", [{}, {("subnet", "a"): {"zone": "ap-south-1a"}}])
def test_without_prices_of_the_region_nothing_is_said_of_costs(known: Any) -> None:
    assert costs("address", {}, {}, known=known) == ["", ""]
