"""Quotas of vCPUs: Service Quotas tells them, and RunInstances refuses what goes beyond.

One quota for each market and family of types, counted in the vCPUs of what is pending or running; ec2-on-demand-instances.html
and using-spot-limits.html of https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.models import ServiceQuotasBackend

from localcloud import settings as constants
from localcloud.corrections.patching import NOT_REPORTED, Difference, addition

if TYPE_CHECKING:
    from localcloud.account import Account

TOLD = Difference(
    "knows no quotas of EC2",
    aws="https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html",
    upstream="getmoto/moto#5557",
)
LIMIT = Difference(
    "launches more than an account may run",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html",
    upstream=NOT_REPORTED,
)

# The families of "Standard" types, by the letters that they begin with. Codes and names are those of `aws service-quotas
# list-service-quotas`.
STANDARD = frozenset([*"acdhimrtz", "im", "is"])
NAMES = {
    "L-1216C47A": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    "L-34B43A08": "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
}


def apply(account: Account) -> None:
    """Let Service Quotas tell each quota of EC2 that is known here, in vCPUs."""

    @addition(ServiceQuotasBackend, "get_service_quota", TOLD)
    def get_service_quota(self: Any, service_code: str, quota_code: str) -> dict[str, Any]:
        if service_code != "ec2" or quota_code not in NAMES:
            raise NoSuchResource
        return {
            "ServiceCode": "ec2",
            "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
            "QuotaArn": f"arn:aws:servicequotas:{self.region_name}:{constants.ACCOUNT_ID}:ec2/{quota_code}",
            "QuotaCode": quota_code,
            "QuotaName": NAMES[quota_code],
            "Value": float(account.settings.vcpu_quota),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }


def refuse_beyond(limit: int, backend: Any, instance_type: str, count: int, spot: bool) -> None:
    """Raise what RunInstances answers when `count` more instances are too many for the account's quota.

    Types without a quota here, as those with GPUs, pass.
    """
    if not _is_standard(instance_type):
        return
    running = (
        instance.instance_type
        for instance in backend.all_instances()
        if instance.state in {"pending", "running"}
        and _is_standard(instance.instance_type)
        and (instance.lifecycle == "spot") == spot
    )
    if sum(map(_vcpus, running)) + count * _vcpus(instance_type) <= limit:
        return
    if spot:
        raise EC2ClientError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
    message = (
        f"You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance bucket that "
        "the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an "
        "adjustment to this limit."
    )
    raise EC2ClientError("VcpuLimitExceeded", message)


def _is_standard(instance_type: str) -> bool:
    letters = re.match("[a-z]+", instance_type)
    return letters is not None and letters[0] in STANDARD


def _vcpus(instance_type: str) -> int:
    return int(INSTANCE_TYPES.get(instance_type, {}).get("VCpuInfo", {}).get("DefaultVCpus", 1))
