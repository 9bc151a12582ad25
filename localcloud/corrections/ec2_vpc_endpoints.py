"""EC2 VPC endpoints: what a gateway endpoint is without being asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.models.vpcs import VPCBackend

from localcloud.corrections.patching import NOT_REPORTED, Difference, correction

if TYPE_CHECKING:
    from localcloud.account import Account

PRIVATE_DNS = Difference(
    "gives a gateway endpoint a private hosted zone, which only interface endpoints have",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html",
    upstream=NOT_REPORTED,
)


def apply(_account: Account) -> None:
    """Make gateway endpoints as AWS does."""

    @correction(VPCBackend, "create_vpc_endpoint", PRIVATE_DNS)
    def create_vpc_endpoint(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        endpoint = original(self, *args, **kwargs)
        if (endpoint.vpc_endpoint_type or "Gateway").lower() == "gateway":
            endpoint.private_dns_enabled = False
        return endpoint
