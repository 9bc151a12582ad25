"""Every service but S3: requests that break a constraint of the service's model are refused, as AWS refuses them."""

from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationModel, OperationNotFoundError
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.utils import get_service_model

from localcloud.constraints import leaves, violations
from localcloud.corrections import texts
from localcloud.corrections.patching import NOT_REPORTED, Difference

MODEL = Difference(
    "takes values that the model of their service does not allow",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html",
    upstream=NOT_REPORTED,
)

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html and the pages of the same name: what a
# service calls a value that its model does not allow. Services of the query protocol say ValidationError.
CODES = {
    **dict.fromkeys(("autoscaling", "cloudwatch", "elbv2", "iam", "sts"), "ValidationError"),
    **{"ec2": "InvalidParameterValue", "logs": "InvalidParameterException", "sns": "InvalidParameter"},
}
LONGEST = 200  # letters of a value that an error repeats


def refusal(response: Any) -> texts.Refusal | None:
    """Return what AWS answers to a request that its service's model does not allow; None to one that it does."""
    try:
        operation = operation_of(response)
    except (OperationNotFoundError, UnknownServiceError):
        return None  # moto has its own answer to what does not exist
    service = str(operation.service_model.service_name)
    if operation.input_shape is None or service == "s3":
        return None
    broken = []
    for leaf in leaves(operation.input_shape, parameters_of(response)):
        own = texts.refusal(service, operation.name, leaf)
        if own is not None:
            return own
        where = f"Value '{str(leaf.value)[:LONGEST]}' at '{leaf.path[:1].lower()}{leaf.path[1:]}'"
        broken += [f"{where} failed to satisfy constraint: {reason}" for reason in violations(leaf)]
    if not broken:
        return None
    count = f"{len(broken)} validation error{'s' if len(broken) > 1 else ''} detected: "
    return texts.Refusal(CODES.get(service, "ValidationException"), count + "; ".join(broken))


def operation_of(response: Any) -> OperationModel:
    """Return what a request asks for, as the service's model describes it."""
    return get_service_model(response.boto3_service_name).operation_model(response._get_action())


def parameters_of(response: Any) -> Any:
    """Return a request's parameters as the service's model names them, for moto's own code may have read them otherwise."""
    operation, request = operation_of(response), response.normalized_request
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
