"""What AWS asks of names, descriptions and tags and only its documents say: models of EC2 and of balancers have no patterns."""

import base64
import binascii
import re
from dataclasses import dataclass

from moto.core.exceptions import ServiceException

from localcloud.constraints import Leaf
from localcloud.corrections.patching import NOT_REPORTED, Difference

TEXTS = Difference(
    "takes names, descriptions and tags that AWS refuses although its models do not say so",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html",
    upstream=NOT_REPORTED,
)

# What changes something takes tags to set; what only looks takes them to search.
_CHANGING = r"(?!Describe|Get|List)"
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html and API_IpRange.html, Description.
_OF_GROUPS = r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}"
_GROUP_LETTERS = "less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
_OF_RULES = r"(Authorize|Update|Modify|Revoke)SecurityGroup.*"
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html, API_CreateTargetGroup.html
_OF_BALANCERS = r"(?!-)[a-zA-Z0-9-]{1,32}(?<!-)"
_BALANCER_LETTERS = "have at most 32 letters, digits and hyphens, and neither begin nor end with a hyphen"


class Refusal(ServiceException):
    """AWS's answer to a value that it does not take: a code and a message."""


@dataclass(frozen=True)
class Text:
    """A rule: the values of some members, by their path, in some operations of a service, fit a pattern."""

    service: str
    operations: str
    path: str
    pattern: str
    code: str
    message: str


RULES = (
    Text(
        *("ec2", r"CreateSecurityGroup", r"GroupName", rf"(?!sg-)(?=.){_OF_GROUPS}"),
        *("InvalidParameterValue", "Invalid group name. Valid names are strings " + _GROUP_LETTERS),
    ),
    Text(
        *("ec2", r"CreateSecurityGroup", r"Description", rf"(?=.){_OF_GROUPS}"),
        *("InvalidParameterValue", "Invalid group description. Valid descriptions are strings " + _GROUP_LETTERS),
    ),
    Text(
        *("ec2", _OF_RULES, r"(.*\.)?Description", _OF_GROUPS),
        *("InvalidParameterValue", "Invalid rule description. Valid descriptions are strings " + _GROUP_LETTERS),
    ),
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html
    Text(
        *("ec2", r"(Create|Register|Copy)Image", r"Name", r"[a-zA-Z0-9()\[\] ./\-'@_]{3,128}", "InvalidAMIName.Malformed"),
        "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, spaces and ()[]./-'@_",
    ),
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LaunchTemplate.html; the model forgets it in the request.
    Text(
        *("ec2", r"CreateLaunchTemplate", r"LaunchTemplateName", r"[a-zA-Z0-9().\-/_]{3,128}"),
        *("InvalidLaunchTemplateName.MalformedException", "Launch template names have 3 to 128 letters, digits and ().-/_"),
    ),
    Text(
        *("ec2", r"(Create|Register|Copy)(Image|Snapshots?)", r"Description", r".{0,255}", "InvalidParameterValue"),
        "Character sets beyond ASCII are not supported, and a description has at most 255 characters",
    ),
    Text(
        *("elbv2", r"Create(LoadBalancer|TargetGroup)", r"Name", _OF_BALANCERS, "ValidationError"),
        f"A name must {_BALANCER_LETTERS}",
    ),
    Text(
        *("elbv2", r"CreateLoadBalancer", r"Name", r"(?!internal-).*", "ValidationError"),
        "The load balancer name cannot begin with 'internal-'",
    ),
    # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
    Text(
        *("ec2", _CHANGING + ".*", r"(.*\.)?Tags\.\d+\.Key", r".{1,128}", "InvalidParameterValue"),
        "Tag keys have between 1 and 128 characters",
    ),
    Text(
        *("ec2", _CHANGING + ".*", r"(.*\.)?Tags\.\d+\.Value", r".{0,256}", "InvalidParameterValue"),
        "Tag values have at most 256 characters",
    ),
    # https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html: in every service.
    Text(
        *(".*", r"(?!Untag|Remove|Delete)" + _CHANGING + ".*", r"(.*\.)?\w*Tags?\.(\d+\.)?Key", r"(?!(?i:aws:)).*"),
        *("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"),
    ),
)
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html: 16 KB, before it is encoded.
USER_DATA_BYTES = 16384


def refusal(service: str, operation: str, leaf: Leaf) -> Refusal | None:
    """Returns what AWS answers to a value that its documents do not allow; None to one that they do."""
    if not isinstance(leaf.value, str):
        return None
    if service == "ec2" and leaf.member == "UserData" and _size(leaf.value) > USER_DATA_BYTES:
        return Refusal("InvalidParameterValue", f"User data is limited to {USER_DATA_BYTES} bytes")
    for rule in RULES:
        if (
            re.fullmatch(rule.service, service)
            and re.fullmatch(rule.operations, operation)
            and re.fullmatch(rule.path, leaf.path)
            and not re.fullmatch(rule.pattern, leaf.value, re.DOTALL)
        ):
            return Refusal(rule.code, f"{rule.message}: '{leaf.value}' at '{leaf.path}'")
    return None


def _size(encoded: str) -> int:
    try:
        return len(base64.b64decode(encoded))
    except binascii.Error:
        return len(encoded)
