"""Drains the service when the host is about to be taken away, and hands on its tags: `python -m inference.notices`.

Instance metadata (IMDSv2) tells it. A process of its own does the asking, so that the one that reads strangers' photos is
denied the metadata, where the role's credentials are. It also completes the life-cycle hooks of the host's group, which takes
those credentials. Standard library only, to stay small.

Sources: EC2 user guide, "Spot Instance interruption notices" and "EC2 instance rebalance recommendations"; EC2 Auto Scaling
user guide, "Retrieve the target lifecycle state through instance metadata"; EC2 user guide, "View tags for your EC2 instances
using instance metadata". Where there is nothing to tell, each document is a 404.
"""

import argparse
import http.client
import json
import os
import threading
import time
from collections.abc import Callable

from inference import logs
from inference.lifecycle import LEAVING, TARGET_STATE, Actions, Arrival, Departure
from inference.metadata import Metadata, UnavailableError, request

SPOT_ACTION = "spot/instance-action"
REBALANCE = "events/recommendations/rebalance"
SHADOW_TAG = "tags/instance/Shadow"

# Seconds. A Spot notice comes two minutes ahead and AWS advises to ask every five seconds; a group that shrinks leaves as
# long as its target group's deregistration delay.
INTERVAL = 2.0
LONGEST_INTERVAL = 60.0  # while the metadata service does not answer
ARRIVING = 0.5  # while the service gets ready, so that nobody waits for a host that is

Sleep = Callable[[float], None]


def wait_for_notice(
    metadata: Metadata, interval: float = INTERVAL, sleep: Sleep = time.sleep, is_arriving: Callable[[], bool] = lambda: False
) -> str:
    """Return the reason when the host is to be taken away.

    Where the metadata service is switched off or out of reach, it is asked again, ever more rarely.

    Args:
        metadata: what is asked.
        interval: seconds between two looks.
        sleep: waits so many seconds.
        is_arriving: called with each look; says whether the service is still to become ready.
    """
    rebalance_seen, wait = False, interval
    while True:
        try:
            reason = spot_reason(metadata.get(SPOT_ACTION)) or state_reason(metadata.get(TARGET_STATE))
            if reason:
                return reason
            recommended = metadata.get(REBALANCE)
            if recommended and not rebalance_seen:
                rebalance_seen = True
                logs.info("rebalance recommended", document=recommended[:200])
            wait = interval
        except UnavailableError as error:
            if wait == interval:
                logs.info("no instance metadata", reason=str(error))
            wait = min(2 * wait, LONGEST_INTERVAL)
        sleep(min(wait, ARRIVING) if is_arriving() else wait)


def spot_reason(document: str | None) -> str | None:
    """Return the reason that a Spot notice gives: {"action": "terminate", "time": "2026-01-01T00:02:00Z"}."""
    if document is None:
        return None
    try:
        notice = json.loads(document)
        return f"spot: {notice['action']} at {notice['time']}"
    except (ValueError, KeyError, TypeError):
        # That there is a document says enough.
        return f"spot: {document[:200]}"


def state_reason(state: str | None) -> str | None:
    """Return the reason that the life-cycle state gives which Auto Scaling wants the instance in."""
    return "autoscaling: the target life-cycle state is Terminated" if state == LEAVING else None


def keep_draining(
    service_url: str, interval: float = INTERVAL, sleep: Sleep = time.sleep, depart: Callable[[], None] = lambda: None
) -> None:
    """Tell the service to drain, and go on: one that is started anew does not know. `depart` is called each time."""
    while True:
        try:
            request(service_url, "PUT", "/health/drain", {"Content-Length": "0"})
        except UnavailableError as error:
            logs.info("the service cannot be drained", reason=str(error))
        depart()
        sleep(interval)


def keep_shadowing(metadata: Metadata, service_url: str, interval: float = INTERVAL, sleep: Sleep = time.sleep) -> None:
    """Tell the service what the tag `Shadow` says, and go on: one that is started anew does not know.

    Where the tag is gone, the service is told so until it has heard it. Where there is none, nothing is said.
    """
    told, refused = "", ""
    while True:
        try:
            line = metadata.get(SHADOW_TAG) or ""
            if line or told:
                status, answer = request(service_url, "PUT", "/shadow", {"Content-Type": "text/plain"}, body=line)
                told = line if status == http.client.OK else told or line
                if status != http.client.OK and line != refused:
                    refused = line
                    logs.error("the service does not take the tag Shadow", line=line[:300], answer=answer[:200])
        except UnavailableError:
            pass  # who listens for notices says so
        sleep(interval)


def main() -> None:
    """Wait for a notice, then drain for the rest of the host's life; meanwhile hand on what the tags say."""
    parser = argparse.ArgumentParser(prog="python -m inference.notices", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--metadata-url", default="http://169.254.169.254", help="instance metadata (%(default)s)")
    parser.add_argument("--service-url", default="http://127.0.0.1:8080", help="what is drained (%(default)s)")
    parser.add_argument("--interval", type=float, default=INTERVAL, help="seconds between two looks (%(default)s)")
    parser.add_argument(
        "--log-seconds", type=float, default=8.0, help="after which what is in the log has been sent (%(default)s)"
    )
    arguments = parser.parse_args()
    environment = os.environ.get
    instance_id = environment("PETTRACKER_INSTANCE_ID")
    logs.configure({"instance_id": instance_id} if instance_id else {})
    metadata = Metadata(arguments.metadata_url)
    # The variable by which AWS's own clients are pointed at another endpoint.
    actions = Actions(metadata, environment("AWS_ENDPOINT_URL", ""))
    arrival = Arrival(actions, arguments.service_url, environment("PETTRACKER_LAUNCH_HOOK", ""))
    # It caches a token, which two threads must not renew at once: each has its own.
    threading.Thread(
        target=keep_shadowing,
        args=(Metadata(arguments.metadata_url), arguments.service_url, arguments.interval),
        name="shadow",
        daemon=True,
    ).start()
    reason = wait_for_notice(metadata, arguments.interval, is_arriving=arrival.look)
    logs.info("termination notice", reason=reason)
    terminate_hook = environment("PETTRACKER_TERMINATE_HOOK", "")
    departure = Departure(actions, metadata, arguments.service_url, terminate_hook, log_seconds=arguments.log_seconds)
    keep_draining(arguments.service_url, arguments.interval, depart=departure.look)


if __name__ == "__main__":
    main()
