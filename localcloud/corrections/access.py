"""Hosts can do no more than their roles: each call with a host's keys is judged before moto answers it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError
from moto.core.responses import ActionResult, BaseResponse
from moto.core.routing import NotFound, get_service_router
from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response

from localcloud.access import policies
from localcloud.access.actions import S3Call, requests_of, s3_requests
from localcloud.access.front import ACCESS_KEY, SERVICE
from localcloud.access.policies import Principal, Request
from localcloud.access.words import NOT_ALLOWED, protocol_of
from localcloud.corrections.callers import caller_of
from localcloud.corrections.constraints import parameters_of
from localcloud.corrections.patching import Seam, addition, correction
from localcloud.corrections.texts import Refusal

if TYPE_CHECKING:
    from localcloud.account import Account

logger = logging.getLogger(__name__)

HOSTS = Seam("hosts have keys of their own, and policies decide what they may do")
SIGNATURES = Seam("whose key it is says the front of the API, which has checked the signature")


class NotAllowed(Refusal):
    """AWS's answer to a call that policies do not allow."""

    status = 403


def refusal(response: Any) -> NotAllowed | None:
    """Return what a host hears that may not make a call of any service but S3."""
    caller = caller_of(response)
    if caller.instance_id is None:
        return None
    service = response.normalized_request.environ[SERVICE]
    operation = response._get_action() or "Unknown"
    try:
        parameters = parameters_of(response)
    except (OperationNotFoundError, UnknownServiceError):
        parameters = {}
    said = _judge(caller, requests_of(service, operation, parameters))
    if said is None:
        return None
    protocol = protocol_of(service, response.headers.get("Content-Type", ""))
    code, before = NOT_ALLOWED.get(protocol, ("AccessDenied", ""))
    answer = NotAllowed(code, before + said)
    answer.status = 400 if "json" in protocol else 403
    return answer


def apply(_account: Account) -> None:
    """Let a caller be who signed the request, and judge calls of S3, which answers them in a way of its own."""

    @addition(BaseResponse, "get_access_key", SIGNATURES)
    def get_access_key(self: Any) -> str:
        # Moto takes the last text of the header that looks like a key.
        key: str = self.normalized_request.environ[ACCESS_KEY]
        return key

    @correction(S3Response, "_bucket_response", HOSTS)
    def bucket_response(original: Any, self: Any, request: Any, full_url: str) -> Any:
        return _s3_refusal(self, request, full_url, "") or original(self, request, full_url)

    @correction(S3Response, "_key_response", HOSTS)
    def key_response(original: Any, self: Any, request: Any, full_url: str) -> Any:
        return _s3_refusal(self, request, full_url, self.parse_key_name()) or original(self, request, full_url)


def _s3_refusal(response: Any, request: Any, full_url: str, key: str) -> Any:
    caller = caller_of(response)
    if caller.instance_id is None:
        return None
    try:
        operation = str(get_service_router("s3").match(request)[0].name)
    except NotFound:
        operation = "Unknown"
    bucket = response.parse_bucket_name_from_url(request, full_url)
    body = response.raw_body if operation == "DeleteObjects" else b""
    source = request.headers.get("x-amz-copy-source", "")
    said = _judge(caller, s3_requests(S3Call(operation, bucket, key, request.args, source, body)))
    if said is None:
        return None
    _, headers, answer = response.serialized(ActionResult(S3ClientError("AccessDenied", said)))
    return 403, headers, answer


def _judge(caller: Principal, requests: list[Request]) -> str | None:
    """Return why a call is refused, None if it is allowed. A refusal is in the log: a role may lack what its hosts need."""
    for request in requests:
        decision = policies.decide(caller, request)
        if not decision.allowed:
            said = policies.refusal(caller, request, decision)
            unknown = " (the local cloud knows no narrower resource of this action)" if request.resource is None else ""
            logger.warning("Refused a call of %s: %s%s", caller.instance_id, said, unknown)
            return said
    return None
