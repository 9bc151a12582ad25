"""What S3 refused, in one line that says what to do."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
)

from bundle.errors import RegistryError

_P = ParamSpec("_P")
_T = TypeVar("_T")

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
DENIED = {"AccessDenied", "AccessDeniedException", "403", "Forbidden"}


def code(error: ClientError) -> str:
    """Return AWS's name of the error, or the HTTP status where the answer has no body."""
    return str(error.response.get("Error", {}).get("Code"))


def explained(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Make a method of an object with a `bucket` raise RegistryError for whatever boto3 raises."""

    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return function(*args, **kwargs)
        except (BotoCoreError, ClientError) as error:
            store: Any = args[0]
            raise RegistryError(explain(error, store.bucket)) from None

    return run


def explain(error: BotoCoreError | ClientError, bucket: str) -> str:
    """Say what was wrong with a request to a bucket."""
    problem = _refusal(error) if isinstance(error, ClientError) else _failure(error)
    return f"s3://{bucket}: {problem}"


def _failure(error: BotoCoreError) -> str:
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return "no AWS credentials were found; set AWS_PROFILE, or log in and export them"
    text = " ".join(str(error).split())
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return f"cannot be reached: {text.rstrip('.')}; check the network and AWS_ENDPOINT_URL"
    return text


def _refusal(error: ClientError) -> str:
    name = code(error)
    if name == "NoSuchBucket":
        return "there is no such bucket; check its name and the account, or run playbooks/storage.yml"
    if name in _EXPIRED:
        return f"the AWS credentials are not valid, or not any more ({name}); get new ones"
    if name in DENIED:
        return f"access denied ({error.operation_name}); these credentials are not allowed to do this here"
    return str(error)
