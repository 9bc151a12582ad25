"""A question to an environment's balancer, as a person would ask it, and a look at which model answers."""

import json
import mimetypes
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import urllib3
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.elb import tags_of
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.finding import pages
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Scope

from delivery.environment import Environment
from delivery.errors import DeliveryError
from delivery.release.rollouts import read_rollouts, served

# Seconds for one answer. A fleet answers within two.
ANSWER_SECONDS = 30
# Answers that have to be right, one after the other: more than there are hosts behind most balancers.
ANSWERS = 10
_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Balancer:
    """Where to ask.

    Attributes:
        address: host name or address to connect to, and `port`.
        name: that the certificate has to be for.
        ca_file: certificates to trust instead of the system's.
    """

    address: str
    port: int
    name: str
    ca_file: Path | None = None


class NoAnswer(Exception):
    """The balancer gave none: it may still be on its way."""


def expected_digest(environment: Environment) -> str:
    """Return the digest of the model that was rolled out last, or before the first rollout of the pinned one."""
    stack = served(read_rollouts(environment))
    if stack:
        return stack[-1].model_digest
    if environment.pin is None:
        raise DeliveryError(f"nothing was rolled out to {environment.name} and no model is pinned there")
    return environment.pin.digest


def find_balancer(environment: Environment) -> Balancer:
    """Return the balancer of an environment: of the rehearsal by SERVICE_URL and SERVICE_CA, in AWS by its tags.

    Raises DeliveryError where there is none, or none that speaks HTTPS.
    """
    if environment.is_local:
        url = urlsplit(os.environ["SERVICE_URL"])
        return Balancer(url.hostname or "", url.port or 443, url.hostname or "", Path(os.environ["SERVICE_CA"]))
    elb = boto3.client("elbv2")
    balancers = {one["LoadBalancerArn"]: one for one in pages(elb, "describe_load_balancers", "LoadBalancers")}
    # By ELB itself: the Tagging API may not know yet what an apply has just made.
    ours = (one["ResourceArn"] for one in tags_of(elb, balancers) if Scope(environment.tags).carried_by(one["Tags"]))
    balancer = balancers.get(next(ours, ""))
    if balancer is None:
        raise DeliveryError(f"no load balancer carries the tags of {environment.name}: make apply ENV={environment.name}")
    listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    secure = next((item for item in listeners if item["Protocol"] == "HTTPS"), None)
    if secure is None:
        raise DeliveryError(f"{balancer['DNSName']} has no HTTPS listener")
    certificate = secure["Certificates"][0]["CertificateArn"]
    name: str = boto3.client("acm").describe_certificate(CertificateArn=certificate)["Certificate"]["DomainName"]
    # A certificate for all names below one is asked for as one of them.
    return Balancer(balancer["DNSName"], secure["Port"], name.replace("*", "smoke"))


def ask(balancer: Balancer, file: Path) -> dict[str, Any]:
    """Return the answer about a file, as `POST /predict` gives it.

    Raises:
        NoAnswer: no connection, or an answer of the balancer's own (502, 503, 504).
        DeliveryError: the service refuses the file, or answers something else.
    """
    headers = {"Host": balancer.name, "Content-Type": mimetypes.guess_type(file.name)[0] or "application/octet-stream"}
    pool = urllib3.HTTPSConnectionPool(
        balancer.address,
        balancer.port,
        timeout=ANSWER_SECONDS,
        retries=False,
        ca_certs=str(balancer.ca_file) if balancer.ca_file else None,
        server_hostname=balancer.name,  # it need not lead to this balancer yet, or not only
    )
    content = file.read_bytes()
    try:
        response = pool.request("POST", "/predict", body=content, headers=headers)
    except urllib3.exceptions.HTTPError as error:
        raise NoAnswer(f"https://{balancer.address}:{balancer.port} as {balancer.name}: {error}") from None
    text = response.data.decode(errors="replace")
    if response.status in (502, 503, 504):
        raise NoAnswer(f"HTTP {response.status}: {text[:200]}")
    if response.status != 200:
        raise DeliveryError(f"the service refused {file}: HTTP {response.status} {text[:500]}")
    try:
        answer: dict[str, Any] = json.loads(text)
    except ValueError:
        raise DeliveryError(f"{balancer.address} answered no JSON: {text[:200]}") from None
    return answer


def smoke(
    question: Callable[[], dict[str, Any]], digest: str, patience_seconds: float, answers: int = ANSWERS
) -> dict[str, Any]:
    """Ask until there is an answer, then `answers` times in all; return the last one.

    Raises:
        DeliveryError: no answer in time, none to a later question, or an answer of another model.
    """
    deadline = time.monotonic() + patience_seconds
    right = 0
    while True:
        try:
            answer = question()
        except NoAnswer as error:
            if right or time.monotonic() > deadline:
                raise DeliveryError(f"question {right + 1} got no answer: {error}") from None
            time.sleep(_PAUSE_SECONDS)
            continue
        model = answer.get("model", {})
        if model.get("digest") != digest:
            raise DeliveryError(
                f"{model.get('name')} {model.get('version')} ({model.get('digest')}) answered, and {digest} was rolled out"
            )
        right += 1
        if right >= answers:
            return answer
