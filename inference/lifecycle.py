"""Tells Auto Scaling when this host is warm, and when it has drained: completes the life-cycle hooks of its group.

Source: EC2 Auto Scaling user guide, "Complete a lifecycle action" and "How lifecycle hooks work in Auto Scaling groups": the
balancer has drained an instance before it waits for the hook, and a new one is registered only after its hook.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/completing-lifecycle-hooks.html

The name of the group is the instance's tag `AutoScalingGroup`, which the group itself sets. Standard library only.
"""

import http.client
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

from inference import logs
from inference.metadata import Metadata, UnavailableError, request
from inference.metric_table import METRICS
from inference.signature import Credentials, signed_headers

GROUP = "tags/instance/AutoScalingGroup"
TARGET_STATE = "autoscaling/target-lifecycle-state"
LEAVING = "Terminated"

# Seconds. A host can be warm before its group has begun to wait for it, so that the group is asked again, ever more rarely.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
API_TIMEOUT = 10.0
# Of the service's metrics. Other paths do not count: health checks go on to the end.
_IN_FLIGHT = re.compile(rf"^{METRICS['in_flight'].prometheus} (\S+)", re.MULTILINE)
_ANSWERED = re.compile(rf'^{METRICS["requests"].prometheus}_total\{{[^}}]*path="/predict"[^}}]*\}} (\S+)', re.MULTILINE)

Clock = Callable[[], float]


class Actions:
    """The life-cycle actions of this instance.

    Args:
        endpoint: URL of the API; "" for the region's own.
    """

    def __init__(self, metadata: Metadata, endpoint: str = "") -> None:
        self._metadata = metadata
        self._endpoint = endpoint

    def complete(self, hook: str) -> bool:
        """Let the instance go on; say whether its group has waited for that.

        Raises:
            UnavailableError: the metadata or the API does not answer, or the role may not do this.
        """
        group = self._metadata.get(GROUP)
        if group is None:
            return False
        form = urlencode(
            {
                "Action": "CompleteLifecycleAction",
                "Version": "2011-01-01",
                "AutoScalingGroupName": group,
                "LifecycleHookName": hook,
                "InstanceId": self._metadata.need("instance-id"),
                "LifecycleActionResult": "CONTINUE",
            }
        )
        status, answer = self._post(form)
        if status == http.client.OK:
            return True
        code, message = (_element(name, answer) for name in ("Code", "Message"))
        if code == "ValidationError":  # there is no such hook, or it does not wait
            return False
        raise UnavailableError(f"Auto Scaling answers {status} {code} to {hook} of {group}: {message}")

    def _post(self, form: str) -> tuple[int, str]:
        region = self._metadata.need("placement/region")
        url = self._endpoint or f"https://autoscaling.{region}.{self._metadata.need('services/domain')}"
        now = datetime.now(UTC)
        headers = signed_headers(self._credentials(), region, "autoscaling", urlsplit(url).netloc, form, now=now)
        return request(url, "POST", "/", headers, body=form, timeout=API_TIMEOUT)

    def _credentials(self) -> Credentials:
        role = self._metadata.need("iam/security-credentials/").split("\n")[0]
        document = self._metadata.need(f"iam/security-credentials/{role}")
        try:
            parts = json.loads(document)
            return Credentials(parts["AccessKeyId"], parts["SecretAccessKey"], parts["Token"])
        except (ValueError, KeyError, TypeError):
            raise UnavailableError(f"the metadata has no credentials of {role}") from None


def _element(name: str, answer: str) -> str:
    found = re.search(f"<{name}>(.*?)</{name}>", answer, re.DOTALL)
    return found.group(1)[:300] if found else ""


class Arrival:
    """Completes the launch when the service is ready; gives up when nobody has waited for a while."""

    def __init__(self, actions: Actions, service_url: str, hook: str, clock: Clock = time.monotonic) -> None:
        self._actions, self._service_url, self._hook, self._clock = actions, service_url, hook, clock
        self._pause, self._next = FIRST_PAUSE, 0.0
        self._over = not hook

    def look(self) -> bool:
        """Do what can be done now; say whether the service is still to become ready."""
        if self._over or self._clock() < self._next:
            return False
        if not self._is_ready():
            return True
        problem = "no action waits for it"
        try:
            self._over = self._actions.complete(self._hook)
        except UnavailableError as error:
            problem = str(error)
        if self._over:
            logs.info("launch completed", hook=self._hook)
        elif self._pause > LONGEST_PAUSE:
            self._over = True
            logs.info("launch not completed", hook=self._hook, reason=problem)
        else:
            self._next = self._clock() + self._pause
            self._pause *= 2
        return False

    def _is_ready(self) -> bool:
        try:
            return request(self._service_url, "GET", "/ready", {})[0] == http.client.OK
        except UnavailableError:
            return False


class Departure:
    """Completes the termination when nothing is in flight any more and the log of all that was has been sent.

    Args:
        log_seconds: time after which what is in the log has been sent.
    """

    def __init__(
        self,
        actions: Actions,
        metadata: Metadata,
        service_url: str,
        hook: str,
        *,
        log_seconds: float,
        clock: Clock = time.monotonic,
    ) -> None:
        self._actions, self._metadata, self._service_url, self._hook = actions, metadata, service_url, hook
        self._log_seconds, self._clock = log_seconds, clock
        self._seen: tuple[float, float] | None = None
        self._quiet_since = clock()
        self._over = not hook
        self._problem = ""

    def look(self) -> None:
        """Do what can be done now. While the group does not wait, which it does after the balancer, nothing comes of it."""
        if self._over or not self._is_quiet():
            return
        try:
            # A host that Spot alone takes away has nobody to tell.
            if self._metadata.get(TARGET_STATE) == LEAVING:
                self._over = self._actions.complete(self._hook)
        except UnavailableError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                logs.info("termination not completed", hook=self._hook, reason=self._problem)
        if self._over:
            logs.info("termination completed", hook=self._hook)

    def _is_quiet(self) -> bool:
        """Say whether nothing is in flight, and nothing has been answered since the log was sent."""
        now, seen = self._clock(), self._predictions()
        if seen != self._seen or seen[0]:
            self._seen, self._quiet_since = seen, now
        return now - self._quiet_since >= self._log_seconds

    def _predictions(self) -> tuple[float, float]:
        """Return how many predictions are in flight and how many have been answered; none by a service that is gone."""
        try:
            _, text = request(self._service_url, "GET", "/metrics", {})
        except UnavailableError:
            return 0.0, 0.0
        return sum(map(float, _IN_FLIGHT.findall(text))), sum(map(float, _ANSWERED.findall(text)))
