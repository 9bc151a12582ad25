"""What AWS answers to a request whose signature is no good, in the form of the service that was asked.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList,
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html#CommonErrors,
https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html (services of the query protocol), and
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html (those that speak JSON).
"""

from dataclasses import dataclass

from botocore.exceptions import UnknownServiceError
from moto.core.exceptions import ServiceException
from moto.core.model import OperationModel
from moto.core.request import determine_request_protocol
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model

from localcloud.access.signature import Flaw

# Names of services' models, where signatures name them otherwise.
MODELS = {"elasticloadbalancing": "elbv2", "monitoring": "cloudwatch", "servicequotas": "service-quotas"}
INVALID_TOKEN = "The security token included in the request is invalid."  # noqa: S105 - AWS's words
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
    "signing method. Consult the service documentation for details."
)
EXPIRED = "The security token included in the request is expired"
MALFORMED = "The signature is not of the form of Signature Version 4."
SKEWED = "Signature expired: its time and the current time are more than 15 minutes apart."
OLD = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
NO_TOKEN = "Request is missing Authentication Token"  # noqa: S105 - AWS's words
NOT_VALIDATED = "AWS was not able to validate the provided access credentials"

Words = tuple[str, int, str]
_S3: dict[Flaw, Words] = {
    Flaw.MISSING: ("AccessDenied", 403, "Access Denied"),
    Flaw.MALFORMED: ("AuthorizationHeaderMalformed", 400, MALFORMED),
    Flaw.OLD_VERSION: ("InvalidRequest", 400, OLD),
    Flaw.UNKNOWN_KEY: ("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."),
    Flaw.WRONG_TOKEN: ("InvalidToken", 400, "The provided token is malformed or otherwise invalid."),
    Flaw.EXPIRED_TOKEN: ("ExpiredToken", 400, "The provided token has expired."),
    Flaw.EXPIRED_URL: ("AccessDenied", 403, "Request has expired"),
    Flaw.SKEWED: (
        *("RequestTimeTooSkewed", 403),
        "The difference between the request time and the server's time is too large.",
    ),
    Flaw.MISMATCH: ("SignatureDoesNotMatch", 403, MISMATCH),
}
_EC2: dict[Flaw, Words] = {
    **dict.fromkeys(Flaw, ("AuthFailure", 401, NOT_VALIDATED)),
    **dict.fromkeys((Flaw.EXPIRED_TOKEN, Flaw.EXPIRED_URL, Flaw.SKEWED), ("RequestExpired", 400, "Request has expired.")),
}
_QUERY: dict[Flaw, Words] = {
    Flaw.MISSING: ("MissingAuthenticationToken", 403, NO_TOKEN),
    Flaw.MALFORMED: ("IncompleteSignature", 400, MALFORMED),
    Flaw.OLD_VERSION: ("IncompleteSignature", 400, OLD),
    Flaw.UNKNOWN_KEY: ("InvalidClientTokenId", 403, INVALID_TOKEN),
    Flaw.WRONG_TOKEN: ("InvalidClientTokenId", 403, INVALID_TOKEN),
    Flaw.EXPIRED_TOKEN: ("ExpiredToken", 403, EXPIRED),
    Flaw.EXPIRED_URL: ("SignatureDoesNotMatch", 403, SKEWED),
    Flaw.SKEWED: ("SignatureDoesNotMatch", 403, SKEWED),
    Flaw.MISMATCH: ("SignatureDoesNotMatch", 403, MISMATCH),
}
_JSON: dict[Flaw, Words] = {
    Flaw.MISSING: ("MissingAuthenticationTokenException", 400, NO_TOKEN),
    Flaw.MALFORMED: ("IncompleteSignatureException", 400, MALFORMED),
    Flaw.OLD_VERSION: ("IncompleteSignatureException", 400, OLD),
    Flaw.UNKNOWN_KEY: ("UnrecognizedClientException", 400, INVALID_TOKEN),
    Flaw.WRONG_TOKEN: ("UnrecognizedClientException", 400, INVALID_TOKEN),
    Flaw.EXPIRED_TOKEN: ("ExpiredTokenException", 400, EXPIRED),
    Flaw.EXPIRED_URL: ("InvalidSignatureException", 400, SKEWED),
    Flaw.SKEWED: ("InvalidSignatureException", 400, SKEWED),
    Flaw.MISMATCH: ("InvalidSignatureException", 400, MISMATCH),
}
BY_PROTOCOL = {"rest-xml": _S3, "ec2": _EC2, "query": _QUERY, "json": _JSON, "rest-json": _JSON}
# What a service calls a request that the policies of its caller do not allow; others say AccessDenied.
NOT_ALLOWED = {
    "ec2": ("UnauthorizedOperation", "You are not authorized to perform this operation. "),
    "json": ("AccessDeniedException", ""),
    "rest-json": ("AccessDeniedException", ""),
}


class Error(ServiceException):
    """An error that is no service's own: moto looks for the model of the one whose module defines it."""


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    content_type: str
    body: bytes


def protocol_of(service: str, content_type: str) -> str:
    """Return the protocol that a client of a service, as signatures name it, speaks; query where nobody knows the service."""
    try:
        return determine_request_protocol(get_service_model(MODELS.get(service, service)), content_type)
    except (UnknownServiceError, NotImplementedError):
        return "query"


def refused(service: str, content_type: str, flaw: Flaw) -> Answer:
    """Return the answer to a request with a signature that is no good."""
    code, status, message = BY_PROTOCOL.get(protocol_of(service, content_type), _QUERY)[flaw]
    return answer(service, content_type, status, Error(code, message))


def answer(service: str, content_type: str, status: int, error: Error) -> Answer:
    """Return an error in the form of a service."""
    protocol = protocol_of(service, content_type)
    try:
        model = get_service_model(MODELS.get(service, service))
    except UnknownServiceError:
        model, protocol = get_service_model("sts"), "query"
    serialized = get_serializer_class(str(model.service_name), protocol)(OperationModel({}, model)).serialize(error)
    body = serialized["body"]
    text = body.encode() if isinstance(body, str) else body
    kind = "application/x-amz-json-1.1" if "json" in protocol else "text/xml"
    return Answer(status, kind, text)
