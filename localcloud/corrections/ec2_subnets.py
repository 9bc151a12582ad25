"""EC2 subnets: what of them can be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.responses.subnets import Subnets

from localcloud.corrections.patching import NOT_REPORTED, Difference, correction

if TYPE_CHECKING:
    from localcloud.account import Account

DNS_ON_LAUNCH = Difference(
    "drops what ModifySubnetAttribute says of DNS64, AAAA records and the form of host names",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySubnetAttribute.html",
    upstream=NOT_REPORTED,
)


def apply(_account: Account) -> None:
    """Keep what hosts of a subnet are called."""

    @correction(Subnets, "modify_subnet_attribute", DNS_ON_LAUNCH)
    def modify_subnet_attribute(original: Any, self: Any) -> Any:
        answer = original(self)
        subnet = self.ec2_backend.get_subnet(self._get_param("SubnetId"))
        dns64 = self._get_param("EnableDns64.Value")
        if dns64 is not None:
            subnet.enable_dns64 = dns64
        options = {
            "HostnameType": self._get_param("PrivateDnsHostnameTypeOnLaunch"),
            "EnableResourceNameDnsAAAARecord": self._get_param("EnableResourceNameDnsAAAARecordOnLaunch.Value"),
        }
        subnet.private_dns_name_options_on_launch |= {key: value for key, value in options.items() if value is not None}
        return answer
