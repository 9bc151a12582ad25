"""VPC flow logs: with a role that EC2 knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.flow_logs import FlowLogs

from localcloud.corrections.patching import correction

if TYPE_CHECKING:
    from localcloud.consistency import Consistency


def apply(consistency: Consistency) -> None:
    """Refuse a role that IAM has just made."""

    @correction(FlowLogs, "create_flow_logs")
    def create_flow_logs(original: Any, self: Any) -> Any:
        # The text as people met it: hashicorp/terraform-provider-aws, internal/service/ec2/vpc_flow_log.go.
        role = (self._get_param("DeliverLogsPermissionArn") or "").rpartition("/")[2]
        if consistency.is_new(("role", role)):
            raise EC2ClientError("InvalidParameter", "Unable to assume given IAM role")
        return original(self)
