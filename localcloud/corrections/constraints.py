"""Every service but S3: requests that break a constraint of the service's model are refused, as AWS refuses them."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationModel, OperationNotFoundError
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import get_service_model

from localcloud.constraints import leaves, violations
from localcloud.corrections import texts
from localcloud.corrections.patching import correction

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html and the pages of the same name: what a
# service calls a value that its model does not allow. Services of the query protocol say ValidationError.
CODES = {
    **dict.fromkeys(("autoscaling", "cloudwatch", "elbv2", "iam", "sts"), "ValidationError"),
    **{"ec2": "InvalidParameterValue", "logs": "InvalidParameterException", "sns": "InvalidParameter"},
}
LONGEST = 200  # letters of a value that an error repeats


def apply() -> None:
    """Look at each request before moto does."""

    @correction(BaseResponse, "call_action")
    def refuse_what_the_model_forbids(original: Any, self: Any) -> Any:
        refusal = _refusal(self)
        if refusal is None:
            return original(self)
        status, headers, body = self.serialized(ActionResult(refusal))
        headers, body = self._enrich_response(headers, body)
        return status, headers, body


def _refusal(response: Any) -> texts.Refusal | None:
    try:
        model = get_service_model(response.boto3_service_name)
        operation = model.operation_model(response._get_action())
    except (OperationNotFoundError, UnknownServiceError):
        return None  # moto has its own answer to what does not exist
    if operation.input_shape is None or model.service_name == "s3":
        return None
    service = str(model.service_name)
    broken = []
    for leaf in leaves(operation.input_shape, _parameters(response, operation)):
        own = texts.refusal(service, operation.name, leaf)
        if own is not None:
            return own
        where = f"Value '{str(leaf.value)[:LONGEST]}' at '{leaf.path[:1].lower()}{leaf.path[1:]}'"
        broken += [f"{where} failed to satisfy constraint: {reason}" for reason in violations(leaf)]
    if not broken:
        return None
    count = f"{len(broken)} validation error{'s' if len(broken) > 1 else ''} detected: "
    return texts.Refusal(CODES.get(service, "ValidationException"), count + "; ".join(broken))


def _parameters(response: Any, operation: OperationModel) -> Any:
    """Returns a request's parameters as the service's model names them, for moto's own code may have read them otherwise."""
    request = response.normalized_request
    parser = PROTOCOL_PARSERS[determine_request_protocol(operation.service_model, request.content_type)]
    return parser(operation).parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data,
            "url_path": request.path,
            "url_params": response.uri_match,
        }
    )
