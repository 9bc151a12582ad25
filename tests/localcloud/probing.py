"""What a probe is: a question of an ordinary client to which stock moto has another answer than AWS."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import ClientError

from localcloud import settings as constants
from localcloud.corrections.patching import Difference

# How moto ends in this process, where its server would answer with 500.
FAILURES = (NotImplementedError, TypeError)
LACKING = NotImplementedError.__name__


@dataclass(frozen=True)
class Api:
    """An account with nothing but an image; stock moto's has no address. `lag` lets it know what is new much later."""

    image: str = ""
    url: str | None = None
    key: dict[str, str] = field(default_factory=dict, repr=False)
    lag: Callable[[], None] = lambda: None
    _clients: dict[str, Any] = field(default_factory=dict)

    def __call__(self, service: str) -> Any:
        """Return a client of `service`."""
        if service not in self._clients:
            where = {"endpoint_url": self.url, "region_name": constants.REGION}
            self._clients[service] = boto3.client(service, **where, **self.key)
        return self._clients[service]


@dataclass(frozen=True)
class Probe:
    """A question, and what stock moto and AWS answer; a refusal is its code."""

    ask: Callable[[Api], Any]
    moto: Any
    aws: Any

    def answer(self, api: Api) -> Any:
        """Return what `api` answers."""
        return told(lambda: self.ask(api))


PROBES: dict[Difference, Probe] = {}


def probe(difference: Difference, *, moto: Any, aws: Any) -> Callable[[Callable[[Api], Any]], Callable[[Api], Any]]:
    """Make of the decorated function the probe of `difference`."""

    def decorate(ask: Callable[[Api], Any]) -> Callable[[Api], Any]:
        assert difference not in PROBES, f"{ask.__qualname__} is another probe of the same difference"
        PROBES[difference] = Probe(ask, moto, aws)
        return ask

    return decorate


def told(call: Callable[[], Any]) -> Any:
    """Return what a call answers, or the code of its refusal, or the name of the exception that moto ends with."""
    try:
        return call()
    except ClientError as refusal:
        return refusal.response["Error"]["Code"]
    except FAILURES as failure:
        return type(failure).__name__


def taken(call: Callable[[], Any]) -> Any:
    """Return whether a call is taken, or the code of its refusal."""
    return told(lambda: bool(call()))
