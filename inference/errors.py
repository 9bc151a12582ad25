"""What can go wrong while serving, as types that map to HTTP status codes."""


class ServingError(Exception):
    """An error that the client is told about.

    Attributes:
        status: HTTP status code.
        code: stable word for programs.
        retry_after: seconds after which trying again makes sense, if it does.
    """

    status = 500
    code = "internal_error"
    retry_after: int | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadRequestError(ServingError):
    """The request cannot be understood."""

    status, code = 400, "bad_request"


class UndecodableImageError(ServingError):
    """An image of an accepted format, but damaged."""

    status, code = 400, "undecodable_image"


class ForbiddenError(ServingError):
    """An operation that only the host itself may ask for."""

    status, code = 403, "forbidden"


class NotFoundError(ServingError):
    """No such path."""

    status, code = 404, "not_found"


class MethodNotAllowedError(ServingError):
    """The path does not answer this method; `Allow` names those that it answers."""

    status, code = 405, "method_not_allowed"


class RequestTimeoutError(ServingError):
    """The client did not send its body in time."""

    status, code = 408, "request_timeout"


class TooLargeError(ServingError):
    """Too many bytes or pixels."""

    status, code = 413, "too_large"


class UnsupportedMediaError(ServingError):
    """Not a content type or image format that this model takes."""

    status, code = 415, "unsupported_media_type"


class InvalidFeaturesError(ServingError):
    """JSON, but not the numbers that this model takes."""

    status, code = 422, "invalid_features"


class ClientGoneError(ServingError):
    """The client closed the connection before its answer. Nobody reads this; logs and metrics count it."""

    status, code = 499, "client_gone"


class InternalError(ServingError):
    """The service failed; its log says why."""


class OverloadedError(ServingError):
    """As many requests as the service holds are being worked on."""

    status, code, retry_after = 503, "overloaded", 1


class NotReadyError(ServingError):
    """The model is not warm yet."""

    status, code, retry_after = 503, "not_ready", 1


class DrainingError(ServingError):
    """The process is about to end; another host answers."""

    status, code, retry_after = 503, "draining", 1


class DeadlineError(ServingError):
    """No answer within the deadline."""

    status, code = 504, "deadline_exceeded"


def quoted(text: str, length: int = 80) -> str:
    """Return what a client sent in a form that is safe to send back and to log: ASCII, in quotes, cut to a length."""
    return ascii(text if len(text) <= length else f"{text[:length]}…")
