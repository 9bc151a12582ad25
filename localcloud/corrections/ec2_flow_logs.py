"""VPC flow logs: with a role that EC2 knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.flow_logs import FlowLogs

from localcloud.corrections.patching import NOT_REPORTED, Difference, correction

if TYPE_CHECKING:
    from localcloud.account import Account

# The text as people met it.
NEW_ROLE = Difference(
    "knows a new role at once",
    aws="https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/ec2/vpc_flow_log.go",
    upstream=NOT_REPORTED,
)


def apply(account: Account) -> None:
    """Refuse a role that IAM has just made."""

    @correction(FlowLogs, "create_flow_logs", NEW_ROLE)
    def create_flow_logs(original: Any, self: Any) -> Any:
        role = (self._get_param("DeliverLogsPermissionArn") or "").rpartition("/")[2]
        if account.consistency.is_new(("role", role)):
            raise EC2ClientError("InvalidParameter", "Unable to assume given IAM role")
        return original(self)
