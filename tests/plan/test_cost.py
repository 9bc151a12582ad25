"""A bill is made of the kinds and fields that the modules really return."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.charges import Range

from delivery.cost.bill import Estimate, estimate
from delivery.cost.prices import read_prices, read_usage
from tests.plan.world import World, tagged
from tests.plugins.test_scaling_group import PARAMETERS

Client = Callable[[str], Any]
REDIRECT = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}
HOURS = 730


def cost(world: World) -> Estimate:
    """Plan, and return what it costs."""
    world.plan()
    plan = {"environment": "dev", "complete": True, "resources": world.report["resources"]}
    return estimate(plan, read_prices(), read_usage("none"))


@pytest.fixture
def fleet(world: World) -> World:
    """The world with its balancer and its group; nothing of it is there yet."""
    world.parameters |= {
        "load_balancer": {
            **{"name": "service", "subnets": ["subnet-to-be-made-1", "subnet-to-be-made-2"], "attributes": {}},
            **{"security_groups": ["sg-to-be-made"], "tags": tagged("service")},
            "listeners": [{"Protocol": "HTTP", "Port": 80, "DefaultActions": [REDIRECT]}],
        },
        "scaling_group": PARAMETERS | {"launch_template_id": "template-to-be-made", "target_group_arns": ["to-be-made"]},
    }
    return world


def make_group(client: Client, world: World) -> None:
    """Make all but the hosts: Auto Scaling is asked directly, for the module would wait for them."""
    subnets = client("ec2").describe_subnets(Filters=[{"Name": "cidr-block", "Values": ["10.0.1.0/24", "10.0.2.0/24"]}])
    ids = [subnet["SubnetId"] for subnet in subnets["Subnets"]]
    world.parameters["load_balancer"] |= {"subnets": ids, "security_groups": []}
    template = client("ec2").describe_launch_templates()["LaunchTemplates"][0]["LaunchTemplateId"]
    client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="service",
        **{"MinSize": 2, "MaxSize": 10, "VPCZoneIdentifier": ",".join(ids)},
        MixedInstancesPolicy={
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "1"},
                "Overrides": [{"InstanceType": "c5.large"}, {"InstanceType": "m5.large"}],
            },
            "InstancesDistribution": {"OnDemandBaseCapacity": 2, "OnDemandPercentageAboveBaseCapacity": 0},
        },
    )
    world.parameters["scaling_group"] |= {
        "launch_template_id": template,
        "mixed_instances": {
            **{"instance_types": ["c5.large", "m5.large"], "spot_allocation": "price-capacity-optimized"},
            **{"on_demand_base": 2, "on_demand_percentage": 0},
        },
    }


def test_everything_that_is_to_be_made_has_a_price_or_is_free(fleet: World) -> None:
    found = cost(fleet)
    assert found.region == "us-east-1"
    assert (found.before.total, found.gaps) == (Range(), ())
    assert set(found.after.by_resource()) == {
        *("Auto Scaling group service", "load balancer service"),
        *("NAT gateway pettracker-dev-us-east-1a", "NAT gateway pettracker-dev-us-east-1b"),
        *("address pettracker-dev-us-east-1a", "address pettracker-dev-us-east-1b"),
        *("log group /flow", "log group /service", "bucket models", "bucket transfer", "alarm cpu", "alarm memory"),
    }
    parts = {line.part: line.cost for line in found.after.lines}
    hour = Decimal("0.085") * HOURS
    assert parts["2 to 10 x c5.large On-Demand"] == Range(2 * hour, 10 * hour)
    assert parts["2 to 10 x 50 GB gp3"] == Range(Decimal(8), Decimal(40))
    assert parts["2 x public address"] == Range(Decimal("7.30"), Decimal("7.30"))


def test_what_is_there_is_read_as_it_was_wanted(client: Client, fleet: World) -> None:
    later = {name: fleet.parameters.pop(name) for name in ("load_balancer", "scaling_group")}
    fleet.apply()
    fleet.parameters |= later
    make_group(client, fleet)
    found = cost(fleet)
    assert found.gaps == ()
    group = "Auto Scaling group service"
    lines = [[line for line in side.lines if line.resource == group] for side in (found.before, found.after)]
    assert lines[0] == lines[1]
    hour = Decimal("0.096") * HOURS * Decimal("0.35")
    assert {line.part: line.cost.most for line in lines[0] if line.service == "instances"} == {
        "2 x c5.large On-Demand": 2 * Decimal("0.085") * HOURS,
        "0 to 8 x m5.large Spot": (8 * hour).quantize(Decimal("0.01")),
    }
    assert found.difference == found.after.by_resource()["load balancer service"]

    fleet.parameters["scaling_group"]["max_size"] = 11
    more = cost(fleet)
    assert more.difference
    assert more.difference.least == found.difference.least
    # One more Spot host, with 4 dollars of volume and eleven metrics of 30 cents.
    a_host = hour + Decimal("7.30")
    assert more.difference.most - found.difference.most == pytest.approx(a_host, abs=Decimal("0.01"))
