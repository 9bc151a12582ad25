"""Spot interruptions: what the metadata service announces, and the end two minutes later.

Source: EC2 user guide, "Spot Instance interruption notices" and "EC2 instance rebalance recommendations".
"""

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
        # When an instance was recommended to be replaced, and when its notice is due.
        self._times: dict[str, tuple[datetime, datetime]] = {}

    def announce(self, instance_id: str, ahead: timedelta = timedelta(0)) -> None:
        """Recommend to replace an instance, give it notice `ahead` later, and terminate it when the time of that has come."""
        if instance_id in self._times:
            return
        now = datetime.now(UTC)
        self._times[instance_id] = now, now + ahead
        ending = threading.Timer((ahead + self._notice).total_seconds(), self._interrupt, [instance_id])
        ending.daemon = True
        ending.start()

    def recommended(self, instance_id: str) -> datetime | None:
        """Return when it was recommended to replace an instance, None if it was not."""
        return self._times[instance_id][0] if instance_id in self._times else None

    def announced(self, instance_id: str) -> datetime | None:
        """Return when an instance got its notice, None if it has none."""
        notice = self._times[instance_id][1] if instance_id in self._times else None
        return notice if notice is not None and notice <= datetime.now(UTC) else None

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
