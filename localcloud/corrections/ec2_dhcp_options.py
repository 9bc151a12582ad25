"""EC2 DHCP options: AWS's own set, which a VPC has as long as nobody gives it another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.models.dhcp_options import DHCPOptionsSet, DHCPOptionsSetBackend
from moto.ec2.models.vpcs import VPC
from moto.ec2.utils import generic_filter

from localcloud.corrections.patching import NOT_REPORTED, Difference, addition, correction

if TYPE_CHECKING:
    from localcloud.account import Account

OWN_SET = Difference(
    "gives a new VPC no set of options, as AWS does where somebody has taken it away",
    aws="https://docs.aws.amazon.com/vpc/latest/userguide/DHCPOptionSet.html",
    upstream=NOT_REPORTED,
)
OWN_ID = "dopt-0a1b2c3d4e5f60718"


def apply(_account: Account) -> None:
    """Let each VPC begin with AWS's own set, and take it back."""

    def dhcp_options_id(self: Any) -> str:
        return str(self.dhcp_options.id if self.dhcp_options else getattr(self, "own_dhcp_options_id", OWN_ID))

    addition(VPC, "dhcp_options_id", OWN_SET)(property(dhcp_options_id))

    @correction(DHCPOptionsSetBackend, "describe_dhcp_options", OWN_SET)
    def describe_dhcp_options(original: Any, self: Any, dhcp_options_ids: Any = None, filters: Any = None) -> Any:
        domain = "ec2.internal" if self.region_name == "us-east-1" else f"{self.region_name}.compute.internal"
        options: dict[str, Any] = {"domain_name_servers": ["AmazonProvidedDNS"], "domain_name": [domain]}
        own = DHCPOptionsSet(self, **options)
        own.id = OWN_ID
        asked = dhcp_options_ids or []
        others = [] if asked == [OWN_ID] else original(self, [one for one in asked if one != OWN_ID], filters)
        return [*(generic_filter(filters, [own]) if not asked or OWN_ID in asked else []), *others]

    @correction(DHCPOptionsSetBackend, "associate_dhcp_options", OWN_SET)
    def associate_dhcp_options(original: Any, self: Any, dhcp_options: Any, vpc: Any) -> None:
        if dhcp_options.id == OWN_ID:
            self.disassociate_dhcp_options(vpc)
            vpc.own_dhcp_options_id = OWN_ID
        else:
            original(self, dhcp_options, vpc)

    @correction(DHCPOptionsSetBackend, "disassociate_dhcp_options", OWN_SET)
    def disassociate_dhcp_options(original: Any, self: Any, vpc: Any) -> None:
        original(self, vpc)
        vpc.own_dhcp_options_id = "default"
