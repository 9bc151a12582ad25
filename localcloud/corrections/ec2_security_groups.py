"""EC2 security groups: what the default group of a VPC lets in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.models.security_groups import SecurityGroupBackend

from localcloud.corrections.patching import NOT_REPORTED, Difference, correction

if TYPE_CHECKING:
    from localcloud.account import Account

MEMBERS = Difference(
    "lets nothing into the default group of a new VPC, so that nobody sees whether a role closes it",
    aws="https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html",
    upstream=NOT_REPORTED,
)


def apply(_account: Account) -> None:
    """Let members of a default group reach each other."""

    @correction(SecurityGroupBackend, "create_security_group", MEMBERS)
    def let_members_in(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        group = original(self, *args, **kwargs)
        if group.is_default:
            members = [{"GroupId": group.id}]
            self.authorize_security_group_ingress(group.id, "-1", None, None, [], {}, members, vpc_id=group.vpc_id)
        return group
