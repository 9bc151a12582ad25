"""Calls about what AWS has just made, and may not know everywhere yet.

EC2: https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html. It takes others some ten seconds to know what is
new in IAM: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency.
"""

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

# Seconds for which a call is tried again, and between two tries.
PATIENCE = 60.0
PAUSE = 1.0
# The same for waiters of botocore.
SOON = {"Delay": 1, "MaxAttempts": 60}

# What launches say of an instance profile that IAM has just made, https://github.com/hashicorp/terraform-provider-aws/issues/27516
# and /29866, and Auto Scaling of a new launch template.
NEW_PROFILE = "Invalid IAM Instance Profile"
NEW_TEMPLATE = "The specified launch template"
NEW_ROLE = "Unable to assume given IAM role"
# The end of EC2's codes for ids that it does not know.
NEW_ID = "NotFound"


def once_known(call: Callable[[], Answer], *refusals: str) -> Answer:
    """Returns what `call` returns; while it fails with an error that has one of `refusals` in it, tries again for a minute."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except Exception as error:
            if not any(refusal in str(error) for refusal in refusals) or time.monotonic() >= deadline:
                raise
        time.sleep(PAUSE)
