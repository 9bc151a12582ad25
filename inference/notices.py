"""Notice that this host is about to be taken away, from the instance metadata service (IMDSv2).

Sources: EC2 user guide, "Spot Instance interruption notices" and "EC2 instance rebalance recommendations"; EC2 Auto Scaling
user guide, "Retrieve the target lifecycle state through instance metadata". Where there is nothing to tell, each document
is a 404.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from inference import logs

SPOT_ACTION = "spot/instance-action"
REBALANCE = "events/recommendations/rebalance"
TARGET_STATE = "autoscaling/target-lifecycle-state"

# Seconds. A Spot notice comes two minutes ahead and AWS advises to ask every five seconds; a group that shrinks leaves as
# long as its target group's deregistration delay.
INTERVAL = 2.0
LONGEST_INTERVAL = 60.0  # while the service does not answer
TIMEOUT = 2.0
TOKEN_SECONDS = 21600  # the longest that IMDSv2 gives


class _UnavailableError(Exception):
    """The metadata service does not answer, or not as it should."""


async def watch(metadata_url: str, on_notice: Callable[[str], object], interval: float = INTERVAL) -> None:
    """Call `on_notice` with the reason, once, when the host is to be taken away; then end.

    Raises nothing: where the metadata service is switched off or out of reach, it is asked again, ever more rarely.

    Args:
        metadata_url: base of the service, http://169.254.169.254 on EC2.
        on_notice: what to do about it.
        interval: seconds between two looks.
    """
    metadata = _Metadata(metadata_url)
    rebalance_seen, wait = False, interval
    try:
        while True:
            try:
                reason = _spot_reason(await metadata.get(SPOT_ACTION)) or _state_reason(
                    await metadata.get(TARGET_STATE)
                )
                recommended = await metadata.get(REBALANCE)
                wait = interval
            except _UnavailableError as error:
                if wait == interval:
                    logs.info("no instance metadata", reason=str(error))
                reason, recommended, wait = None, None, min(2 * wait, LONGEST_INTERVAL)
            if reason:
                logs.info("termination notice", reason=reason)
                on_notice(reason)
                return
            if recommended and not rebalance_seen:
                rebalance_seen = True
                logs.info("rebalance recommended", document=recommended[:200])
            await asyncio.sleep(wait)
    finally:
        metadata.close()


def _spot_reason(document: str | None) -> str | None:
    """Return the reason that a Spot notice gives: {"action": "terminate", "time": "2026-01-01T00:02:00Z"}."""
    if document is None:
        return None
    try:
        notice = json.loads(document)
        return f"spot: {notice['action']} at {notice['time']}"
    except (ValueError, KeyError, TypeError):
        # That there is a document says enough.
        return f"spot: {document[:200]}"


def _state_reason(state: str | None) -> str | None:
    return "autoscaling: target life-cycle state is Terminated" if state == "Terminated" else None


@dataclass
class _Metadata:
    """IMDSv2 at `url`."""

    url: str

    def __post_init__(self) -> None:
        # Tornado's own client: no proxy, no thread; not the shared one, which others may close.
        self._client = AsyncHTTPClient(force_instance=True)
        self._token: str | None = None

    async def get(self, path: str) -> str | None:
        """Return a document below meta-data, None where there is none.

        Raises:
            _UnavailableError: the service is off or out of reach.
        """
        if self._token is None:
            self._token = await self._new_token()
        answer = await self._ask("GET", f"meta-data/{path}", {"X-aws-ec2-metadata-token": self._token})
        if answer.code == 401:  # the token has ended
            self._token = await self._new_token()
            answer = await self._ask("GET", f"meta-data/{path}", {"X-aws-ec2-metadata-token": self._token})
        if answer.code == 404:
            return None
        return self._body(answer).strip()

    def close(self) -> None:
        self._client.close()

    async def _new_token(self) -> str:
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
        return self._body(await self._ask("PUT", "api/token", lifetime))

    async def _ask(self, method: str, path: str, headers: dict[str, str]) -> HTTPResponse:
        request = HTTPRequest(
            f"{self.url.rstrip('/')}/latest/{path}",
            method,
            headers,
            body=b"" if method == "PUT" else None,
            connect_timeout=TIMEOUT,
            request_timeout=TIMEOUT,
            follow_redirects=False,
        )
        try:
            return await self._client.fetch(request, raise_error=False)
        except Exception as error:  # whatever a broken service makes the client say
            raise _UnavailableError(str(error)) from None

    def _body(self, answer: HTTPResponse) -> str:
        if answer.code != 200:
            raise _UnavailableError(f"{answer.code} {answer.reason} for {answer.request.url}")
        return answer.body.decode(errors="replace")
