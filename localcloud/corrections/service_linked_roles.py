"""Service-linked roles: an account begins without them, and the first call that needs one makes it, if its caller may.

https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-service-linked-roles.html,
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/service-linked-roles-spot-instance-requests.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.iam import models

from localcloud import backends, settings
from localcloud.access import policies
from localcloud.corrections.callers import caller_of
from localcloud.corrections.constraints import parameters_of
from localcloud.corrections.patching import NOT_REPORTED, Difference, addition
from localcloud.corrections.texts import Refusal

if TYPE_CHECKING:
    from localcloud.account import Account

FIRST_CALL = Difference(
    "makes no service-linked role when it is first needed",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/userguide/autoscaling-service-linked-role.html",
    upstream=NOT_REPORTED,
)
NAMES = Difference(
    "names the roles of Elastic Load Balancing and of Spot Instances otherwise",
    aws="https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-service-linked-roles.html",
    upstream=NOT_REPORTED,
)
ACTION = "iam:CreateServiceLinkedRole"


@dataclass(frozen=True)
class Linked:
    """A service-linked role: whose it is, its name, and what a caller hears who may not make it."""

    service: str
    name: str
    code: str = "AccessDenied"
    message: str = ""

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{settings.ACCOUNT_ID}:role/aws-service-role/{self.service}/{self.name}"


AUTO_SCALING = Linked("autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling")
BALANCING = Linked("elasticloadbalancing.amazonaws.com", "AWSServiceRoleForElasticLoadBalancing")
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html; the text as people met it.
SPOT = Linked(
    *("spot.amazonaws.com", "AWSServiceRoleForEC2Spot", "AuthFailure.ServiceLinkedRoleCreationNotPermitted"),
    "The provided credentials do not have permission to create the service-linked role for EC2 Spot Instances.",
)


def apply(_account: Account) -> None:
    """Name the roles as AWS does."""
    names = models.SERVICE_NAME_CONVERSION | {"elasticloadbalancing": "ElasticLoadBalancing", "spot": "EC2Spot"}
    addition(models, "SERVICE_NAME_CONVERSION", NAMES)(names)


def refusal(request: Any) -> Refusal | None:
    """Return what a caller hears who may not make the role that a request needs; make it where he may."""
    role = _needed(request)
    if role is None or any(one.name == role.name for one in backends.iam().roles.values()):
        return None
    caller = caller_of(request)
    asked = policies.Request(ACTION, role.arn, {"iam:AWSServiceName": role.service})
    decision = policies.decide(caller, asked)
    if not decision.allowed:
        return Refusal(role.code, role.message or policies.refusal(caller, asked, decision))
    backends.iam().create_service_linked_role(role.service, "", "")
    return None


def _needed(request: Any) -> Linked | None:
    # A group that launches Spot Instances needs none of its caller: Auto Scaling's own role may make theirs.
    # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AutoScalingServiceRolePolicy.html
    match request.service_name, request._get_action():
        case "autoscaling", "CreateAutoScalingGroup":
            return AUTO_SCALING
        case "elbv2", "CreateLoadBalancer":
            return BALANCING
        case "ec2", "RunInstances":
            return SPOT if _market(parameters_of(request)) == "spot" else None
    return None


def _market(parameters: dict[str, Any]) -> str | None:
    named = parameters.get("LaunchTemplate")
    data = backends.ec2()._get_template_from_args(named).data if named else {}
    options = parameters.get("InstanceMarketOptions") or data.get("InstanceMarketOptions") or {}
    return options.get("MarketType")
