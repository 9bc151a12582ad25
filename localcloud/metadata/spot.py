"""Spot interruptions: what the metadata service announces, and the end two minutes later.

Source: EC2 user guide, "Spot Instance interruption notices" and "EC2 instance rebalance recommendations".
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

from localcloud import backends

logger = logging.getLogger(__name__)

# From the notice to the end of the instance.
NOTICE = timedelta(minutes=2)
REASON = "Server.SpotInstanceTermination"


class Interruptions:
    """The interruptions under way, of whatever instance: all that differs on a Spot instance is its price."""

    def __init__(self, notice: timedelta = NOTICE) -> None:
        """`notice` is the time from a notice to the end."""
        self._notice = notice
        self._announced: dict[str, datetime] = {}

    def announce(self, instance_id: str) -> None:
        """Give notice to an instance, and terminate it when the time has come."""
        if instance_id in self._announced:
            return
        self._announced[instance_id] = datetime.now(UTC)
        ending = threading.Timer(self._notice.total_seconds(), self._interrupt, [instance_id])
        ending.daemon = True
        ending.start()

    def announced(self, instance_id: str) -> datetime | None:
        """Return when an instance got its notice, None if it has none."""
        return self._announced.get(instance_id)

    def end(self, instance_id: str) -> datetime | None:
        """Return when an instance is to end, None if it has no notice."""
        announced = self.announced(instance_id)
        return announced + self._notice if announced else None

    def _interrupt(self, instance_id: str) -> None:
        instance = backends.ec2().get_instance_by_id(instance_id)
        if instance is not None and instance.state == "running":
            logger.info("%s: Spot interruption", instance_id)
            backends.ec2().terminate_instances([instance_id])
            # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html
            instance.state_reason.code = REASON
            instance.state_reason.message = f"{REASON}: Spot instance termination"


interruptions = Interruptions()
