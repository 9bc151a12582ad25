"""EC2 VPCs: they end on this machine as they do in the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.models.vpcs import VPCBackend

from localcloud.corrections.patching import Seam, correction

if TYPE_CHECKING:
    from localcloud.account import Account

NETWORKS = Seam("a VPC with hosts is a network of this machine")


def apply(account: Account) -> None:
    """Hand the end of a VPC to the reconciler."""

    @correction(VPCBackend, "delete_vpc", NETWORKS)
    def end_its_network(original: Any, self: Any, vpc_id: str) -> Any:
        # AWS refuses as long as something is in the VPC, so that there are no hosts left.
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpc.html
        deleted = original(self, vpc_id)
        account.reconciler.vpc_deleted(vpc_id)
        return deleted
