"""What AWS's refusals mean to who removes things: come again, or it has gone already. Pure functions only."""

import re
from collections.abc import Callable
from typing import Any

from .state import error_code

# A removal that meets one of these has to wait for an earlier one to take effect.
BUSY = (
    "DependencyViolation",
    "ResourceInUse",
    "ResourceInUseException",
    "ScalingActivityInProgress",
    "InvalidIPAddress.InUse",
    "InvalidSnapshot.InUse",
    "VolumeInUse",
    "DeleteConflict",  # IAM
    "BucketNotEmpty",  # a training job wrote once more
    "OperationAborted",  # S3
)
# What a service says of something that has gone between two calls: alarms of target tracking go with their group, and other
# people's roles whenever they like. EC2 has a code for each kind: InvalidVpcID.NotFound.
GONE = re.compile(r".*NotFound(Exception)?|NoSuchEntity(Exception)?|NoSuchBucket|.*\.Unavailable")
# Auto Scaling has no code for it.
GROUP_GONE = "AutoScalingGroup name not found"


def gone(error: Exception) -> bool:
    """Tells whether a call was about something that is not there any more."""
    return bool(GONE.fullmatch(error_code(error) or "")) or GROUP_GONE in str(error)


def unless_gone(read: Callable[[], Any], otherwise: Any) -> Any:
    """Returns what a call reads, or `otherwise` if what it is about has gone; any other refusal is raised."""
    try:
        return read()
    except Exception as error:
        if gone(error):
            return otherwise
        raise
