"""The service's interface as an OpenAPI 3.1 document."""

from typing import Any

from bundle.golden import TOP_K
from inference.errors import (
    BadRequestError,
    DeadlineError,
    DrainingError,
    ForbiddenError,
    NotReadyError,
    OverloadedError,
    RequestTimeoutError,
    ServingError,
    TooLargeError,
    UndecodableImageError,
    UnsupportedMediaError,
)
from inference.predict import FIELDS, IMAGE_TYPES
from inference.settings import Settings

_Document = dict[str, Any]
_UNAVAILABLE: list[type[ServingError]] = [NotReadyError, DrainingError]
_PREDICT_ERRORS: list[type[ServingError]] = [
    BadRequestError,
    UndecodableImageError,
    RequestTimeoutError,
    TooLargeError,
    UnsupportedMediaError,
    OverloadedError,
    *_UNAVAILABLE,
    DeadlineError,
]


def document(settings: Settings) -> _Document:
    """Describe every path, answer and error of a server with these settings."""
    phase = _object({"status": {"type": "string"}})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PetTracker inference",
            "version": "1.0.0",
            "description": "Names what is in a photo. Every answer has an X-Request-Id: the client's own, or a new one.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/predict": {"post": _predict(settings)},
            "/health": {"get": _operation("health", "The process is alive.", phase)},
            "/ready": {"get": _operation("ready", "New traffic is welcome.", phase, _UNAVAILABLE)},
            "/health/ready": {
                "put": _operation("accept", "Take traffic; loopback only.", phase, [ForbiddenError, *_UNAVAILABLE])
            },
            "/health/drain": {
                "put": _operation("drain", "Ask for no traffic; loopback only.", phase, [ForbiddenError, *_UNAVAILABLE])
            },
            "/version": {"get": _operation("version", "Which model and code answer.", _reference("Version"))},
            "/metrics": {"get": _text("metrics", "Prometheus metrics.", "text/plain")},
            "/openapi.json": {"get": _operation("openapi", "This document.", {"type": "object"})},
            "/": {"get": _text("page", "A page to drop a photo on.", "text/html")},
        },
        "components": {"schemas": _schemas()},
    }


def _predict(settings: Settings) -> _Document:
    binary = {"schema": {"type": "string", "format": "binary"}}
    field = {"type": "string", "format": "binary", "description": "A JPEG, PNG or WebP image."}
    form = {
        "type": "object",
        "properties": dict.fromkeys(FIELDS, field),
        "anyOf": [{"required": [name]} for name in FIELDS],
    }
    return {
        **_operation("predict", "The most probable classes, best first.", _reference("Prediction"), _PREDICT_ERRORS),
        "description": f"At most {settings.max_body_bytes:,} bytes and {settings.max_pixels:,} pixels.",
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": form}, **dict.fromkeys(IMAGE_TYPES, binary)},
        },
    }


def _operation(name: str, summary: str, schema: _Document, errors: list[type[ServingError]] | None = None) -> _Document:
    responses: _Document = {"200": {"description": summary, "content": {"application/json": {"schema": schema}}}}
    for error in errors or []:
        text = f"`{error.code}`: {error.__doc__}"
        if str(error.status) in responses:
            responses[str(error.status)]["description"] += f" {text}"
            continue
        response: _Document = {
            "description": text,
            "content": {"application/json": {"schema": _reference("Error")}},
        }
        if error.retry_after is not None:
            response["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
        responses[str(error.status)] = response
    return {"operationId": name, "summary": summary, "responses": responses}


def _text(name: str, summary: str, content_type: str) -> _Document:
    content = {content_type: {"schema": {"type": "string"}}}
    return {"operationId": name, "summary": summary, "responses": {"200": {"description": summary, "content": content}}}


def _schemas() -> _Document:
    text, number = {"type": "string"}, {"type": "number"}
    probability = {"type": "number", "minimum": 0, "maximum": 1}
    answer = _object({"class": text, "class_id": {"type": "integer", "minimum": 0}, "confidence": probability})
    model = _object({"name": text, "version": text, "digest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}})
    backend = _object({"name": text, "version": text, "threads": {"type": "integer", "minimum": 1}})
    return {
        "Prediction": _object(
            {
                "predictions": {"type": "array", "items": answer, "minItems": 1, "maxItems": TOP_K},
                "latency_seconds": {**number, "minimum": 0},
                "model": model,
                "request_id": text,
            }
        ),
        "Version": _object(
            {
                "service": _object({"name": text, "version": text}),
                "model": model,
                "backend": backend,
                "python": text,
            }
        ),
        "Error": _object({"error": _object({"code": text, "message": text})}),
    }


def _object(properties: _Document) -> _Document:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _reference(name: str) -> _Document:
    return {"$ref": f"#/components/schemas/{name}"}
