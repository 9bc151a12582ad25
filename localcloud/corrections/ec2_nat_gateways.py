"""EC2 NAT gateways: whose their network interfaces are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.models.nat_gateways import NatGatewayBackend

from localcloud.corrections.patching import NOT_REPORTED, Difference, correction

if TYPE_CHECKING:
    from localcloud.account import Account

INTERFACE = Difference(
    "makes a gateway's network interface one that somebody has made",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkInterface.html",
    upstream=NOT_REPORTED,
)


def apply(_account: Account) -> None:
    """Make the interfaces of gateways AWS's own."""

    @correction(NatGatewayBackend, "create_nat_gateway", INTERFACE)
    def create_nat_gateway(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        gateway = original(self, *args, **kwargs)
        gateway._eni.requester_managed, gateway._eni.interface_type = True, "nat_gateway"
        return gateway
