"""Drains the service when the host is about to be taken away, and hands on its tags: `python -m inference.notices`.

Instance metadata (IMDSv2) tells it. A process of its own does the asking, so that the one that reads strangers' photos is
denied the metadata, where the role's credentials are. Standard library only, to stay small.

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
from urllib.parse import urlsplit

from inference import logs

SPOT_ACTION = "spot/instance-action"
REBALANCE = "events/recommendations/rebalance"
TARGET_STATE = "autoscaling/target-lifecycle-state"
SHADOW_TAG = "tags/instance/Shadow"

# Seconds. A Spot notice comes two minutes ahead and AWS advises to ask every five seconds; a group that shrinks leaves as
# long as its target group's deregistration delay.
INTERVAL = 2.0
LONGEST_INTERVAL = 60.0  # while the metadata service does not answer
TIMEOUT = 2.0
TOKEN_SECONDS = 21600  # the longest that IMDSv2 gives

Sleep = Callable[[float], None]


class UnavailableError(Exception):
    """Who was asked does not answer, or not as it should."""


def request(url: str, method: str, path: str, headers: dict[str, str], body: str = "") -> tuple[int, str]:
    """Return status and body of the answer to a request. Raises UnavailableError."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT)
    try:
        connection.request(method, path, body.encode() or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"{url} does not answer: {error}") from None
    finally:
        connection.close()


class Metadata:
    """IMDSv2 at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._token: str | None = None

    def get(self, path: str) -> str | None:
        """Return a document below meta-data, None where there is none. Raises UnavailableError."""
        if self._token is None:
            self._token = self._new_token()
        status, body = self._document(path, self._token)
        if status == http.client.UNAUTHORIZED:  # the token has ended
            self._token = self._new_token()
            status, body = self._document(path, self._token)
        if status == http.client.NOT_FOUND:
            return None
        if status != http.client.OK:
            raise UnavailableError(f"{self._url} answers {status} for {path}")
        return body

    def _document(self, path: str, token: str) -> tuple[int, str]:
        return request(self._url, "GET", f"/latest/meta-data/{path}", {"X-aws-ec2-metadata-token": token})

    def _new_token(self) -> str:
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
        status, body = request(self._url, "PUT", "/latest/api/token", lifetime)
        if status != http.client.OK:
            raise UnavailableError(f"{self._url} answers {status} instead of a token")
        return body


def wait_for_notice(metadata: Metadata, interval: float = INTERVAL, sleep: Sleep = time.sleep) -> str:
    """Return the reason when the host is to be taken away.

    Where the metadata service is switched off or out of reach, it is asked again, ever more rarely.

    Args:
        metadata: what is asked.
        interval: seconds between two looks.
        sleep: waits so many seconds.
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
        sleep(wait)


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
    return "autoscaling: the target life-cycle state is Terminated" if state == "Terminated" else None


def keep_draining(service_url: str, interval: float = INTERVAL, sleep: Sleep = time.sleep) -> None:
    """Tell the service to drain, and go on: one that is started anew does not know."""
    while True:
        try:
            request(service_url, "PUT", "/health/drain", {"Content-Length": "0"})
        except UnavailableError as error:
            logs.info("the service cannot be drained", reason=str(error))
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
                status, answer = request(service_url, "PUT", "/shadow", {"Content-Type": "text/plain"}, line)
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
    arguments = parser.parse_args()
    instance_id = os.environ.get("PETTRACKER_INSTANCE_ID")
    logs.configure({"instance_id": instance_id} if instance_id else {})
    threading.Thread(
        target=keep_shadowing,
        args=(Metadata(arguments.metadata_url), arguments.service_url, arguments.interval),
        name="shadow",
        daemon=True,
    ).start()
    reason = wait_for_notice(Metadata(arguments.metadata_url), arguments.interval)
    logs.info("termination notice", reason=reason)
    keep_draining(arguments.service_url, arguments.interval)


if __name__ == "__main__":
    main()
