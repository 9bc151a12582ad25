"""EC2 tags: the names of resource types, and filters by them."""

from __future__ import annotations

from typing import Any

from moto.ec2 import utils
from moto.ec2.models.nat_gateways import NatGatewayBackend

from localcloud.corrections.patching import correction


def apply() -> None:
    """Name NAT gateways and Elastic IPs as DescribeTags does, and find NAT gateways by their tags."""

    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TagSpecification.html, ResourceType: natgateway,
    # elastic-ip. With moto's spelling amazon.aws finds no tag and sets them anew on every run.
    utils.EC2_PREFIX_TO_RESOURCE["nat"] = "natgateway"
    utils.EC2_PREFIX_TO_RESOURCE["eipalloc"] = "elastic-ip"

    @correction(NatGatewayBackend, "describe_nat_gateways")
    def filter_by_tag(original: Any, self: Any, filters: Any, nat_gateway_ids: Any) -> Any:
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNatGateways.html: tag:<key>, all of which must fit;
        # moto passes over them and returns every gateway.
        wanted = {
            name.removeprefix("tag:"): values for name, values in (filters or {}).items() if name.startswith("tag:")
        }
        return [
            gateway
            for gateway in original(self, filters, nat_gateway_ids)
            if all(_tag(gateway, key) in values for key, values in wanted.items())
        ]


def _tag(resource: Any, key: str) -> str | None:
    return next((tag["value"] for tag in resource.get_tags() if tag["key"] == key), None)
