"""Throttling: every so manieth call of EC2, IAM and Auto Scaling is refused, as AWS refuses what comes too fast.

https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html; the others' code is in
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html. AWS's own rates are not told for all calls.
"""

import itertools
from typing import Any

from localcloud.corrections.patching import Seam
from localcloud.corrections.texts import Refusal

RATE = Seam("how many calls come too fast is a setting of the local cloud")

REFUSALS = {
    "autoscaling": ("Throttling", "Rate exceeded"),
    "ec2": ("RequestLimitExceeded", "Request limit exceeded."),
    "iam": ("Throttling", "Rate exceeded"),
}


class Throttling:
    """Counts calls; refuses each `every`th one, and none where it is 0."""

    def __init__(self, every: int) -> None:
        self.every = every
        self._numbers = itertools.count(1)

    def refusal(self, request: Any) -> Refusal | None:
        """Return what a call hears that comes too fast; None if it does not."""
        if not self.every or request.service_name not in REFUSALS or next(self._numbers) % self.every:
            return None
        return Refusal(*REFUSALS[request.service_name])
