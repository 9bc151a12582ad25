"""Launches a new member of an Auto Scaling group: where, from what, and on which market it is bought."""

from collections import Counter
from typing import Any

from moto.autoscaling.models import ASG_NAME_TAG, InstanceState

from localcloud import backends
from localcloud.fleet import mixed
from localcloud.fleet.configuration import Configuration
from localcloud.fleet.members import is_active, market_of


def launch(group: Any, configuration: Configuration, subnet_id: str) -> Any:
    """Launch an instance in a subnet; return it as a pending member that is not in the group yet."""
    template, version = configuration.template, configuration.current
    markets = Counter(market_of(one) for one in group.instance_states if is_active(one))
    market = mixed.market_to_buy(configuration.policy, markets[mixed.ON_DEMAND], markets[mixed.SPOT])
    reservation = backends.ec2().run_instances(
        version.image_id,
        1,
        None,
        [],
        subnet_id=subnet_id,
        instance_type=configuration.instance_type,
        is_instance_type_default=False,
        launch_template={"LaunchTemplateId": template.id, "Version": str(version.number)},
        associate_public_ip=None,
        instance_market_options={"MarketType": "spot"} if market == mixed.SPOT else None,
        tags={"instance": group.get_propagated_tags() | {ASG_NAME_TAG: group.name}},
    )
    instance = reservation.instances[0]
    instance.autoscaling_group = group
    member: Any = InstanceState(
        instance, lifecycle_state="Pending", protected_from_scale_in=group.new_instances_protected_from_scale_in
    )
    member.launched_from, member.launch_template_version = template, version.number
    return member


def next_subnet(group: Any, outdated: frozenset[str]) -> str:
    """Return the subnet with the fewest members, the first one on a tie; the `outdated`, soon to be replaced, count less."""
    subnets = [one.strip() for one in group.vpc_zone_identifier.split(",")]
    active = [one for one in group.instance_states if is_active(one)]
    lasting = Counter(one.instance.subnet_id for one in active if one.instance.id not in outdated)
    present = Counter(one.instance.subnet_id for one in active)
    return min(subnets, key=lambda subnet: (lasting[subnet], present[subnet]))
