"""EC2 does not know at once what it has just made: neither by its id, nor by a filter, nor among what it describes.

https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.model import ListShape
from moto.ec2.exceptions import EC2ClientError

from localcloud.constraints import leaves
from localcloud.corrections.constraints import operation_of, parameters_of
from localcloud.corrections.patching import NOT_REPORTED, Difference

if TYPE_CHECKING:
    from localcloud.consistency import Consistency

NEWS = Difference(
    "knows at once what it has just made",
    aws="https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html",
    upstream=NOT_REPORTED,
)

# What is used as soon as it is made: the call that makes it, how its ids begin, and what EC2 says of one that it does not
# know.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
MADE_BY = {
    "AllocateAddress": "eipalloc",
    "CreateInternetGateway": "igw",
    "CreateLaunchTemplate": "lt",
    "CreateNetworkAcl": "acl",
    "CreateRouteTable": "rtb",
    "CreateSecurityGroup": "sg",
    "CreateSubnet": "subnet",
    "CreateVpc": "vpc",
}
UNKNOWN = {
    "acl": "InvalidNetworkAclID.NotFound",
    "eipalloc": "InvalidAllocationID.NotFound",
    "igw": "InvalidInternetGatewayID.NotFound",
    "lt": "InvalidLaunchTemplateId.NotFound",
    "rtb": "InvalidRouteTableID.NotFound",
    "sg": "InvalidGroup.NotFound",
    "subnet": "InvalidSubnetID.NotFound",
    "vpc": "InvalidVpcID.NotFound",
}


def answered(answer: Callable[[Any], Any], request: Any, consistency: Consistency) -> Any:
    """Return what moto answers, as a describe sees it, and note what it has made."""
    if request.service_name != "ec2":
        return answer(request)
    action = request._get_action()
    if action.startswith("Describe"):
        with consistency.describing():
            return answer(request)
    status, headers, body = answer(request)
    if action in MADE_BY and status == 200:
        for identity in re.findall(rf">({MADE_BY[action]}-[0-9a-f]+)<", body):
            consistency.made(identity)
    return status, headers, body


def unknown(request: Any, consistency: Consistency) -> Any:
    """Return what EC2 answers to a request about something new; None to another one."""
    if request.service_name != "ec2" or not consistency.has_news:
        return None
    for leaf in leaves(operation_of(request).input_shape, parameters_of(request)):
        if not isinstance(leaf.value, str) or not consistency.is_new(leaf.value):
            continue
        if leaf.path.startswith("Filter"):
            output = operation_of(request).output_shape
            return {name: [] for name, shape in output.members.items() if isinstance(shape, ListShape)}
        kind = leaf.value.rpartition("-")[0]
        error = {"Code": UNKNOWN[kind], "Message": f"The {kind} ID '{leaf.value}' does not exist"}
        if request._get_action() == "CreateFlowLogs":
            # Of one resource of several: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html
            return {"FlowLogIds": [], "Unsuccessful": [{"ResourceId": leaf.value, "Error": error}]}
        return EC2ClientError(error["Code"], error["Message"])
    return None
