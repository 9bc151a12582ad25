"""What a host costs that dies without notice: the requests that it was sent until its health checks had failed.

An Application Load Balancer tries no other target, and asks EC2 nothing: a host is out when as many checks in a row have
failed as the target group says, and some seconds later at every node. All other requests are to be answered.
"""

import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass

import fleet
from rehearsal import eventually
from traffic import Request

from localcloud.settings import Settings

# Seconds that a reload of the balancer may take on a busy machine, and those that a request may have been on its way.
RELOAD_SECONDS = 5.0
FLYING_SECONDS = 10.0
# What an Application Load Balancer answers for a target that refuses or breaks the connection, and for one that says nothing.
# Where the request is not the first one on its connection, HAProxy closes that without an answer: 0.
ANSWERS = {0, 502, 504}


@dataclass(frozen=True)
class Death:
    """The time in which a dead host was still sent requests, in seconds since the epoch."""

    begin: float
    end: float

    def covers(self, request: Request) -> bool:
        """Say whether a request was begun when the dead host could get it, or had it when it died."""
        return self.begin - FLYING_SECONDS <= request.begin <= self.end


def kill(victim: str) -> Death:
    """End a host as a kernel panic does, and wait until the balancer has noticed."""
    subprocess.run(["podman", "kill", "--signal", "KILL", victim], check=True, capture_output=True)
    begin = time.time()
    eventually(lambda: victim in fleet.healthy_targets(), lambda healthy: not healthy, within=60)
    return Death(begin, time.time() + Settings.from_environment().routing_delay + RELOAD_SECONDS)


def unexplained(failed: Iterable[Request], *deaths: Death) -> list[Request]:
    """Return the failed requests that no death explains."""
    return [one for one in failed if one.status not in ANSWERS or not any(death.covers(one) for death in deaths)]
