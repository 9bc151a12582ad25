"""The service's interface as an OpenAPI 3.1 document. It depends on what the served model takes."""

from typing import Any

from bundle import Manifest
from bundle.golden import TOP_K
from bundle.manifest import FeatureInput
from inference.errors import (
    BadRequestError,
    DeadlineError,
    DrainingError,
    ForbiddenError,
    InternalError,
    InvalidFeaturesError,
    NotReadyError,
    OverloadedError,
    RequestTimeoutError,
    ServingError,
    TooLargeError,
    UndecodableImageError,
    UnsupportedMediaError,
)
from inference.features import FIELD, LARGEST
from inference.forms import FORM
from inference.predict import FEATURE_TYPES, FORM_FIELDS, IMAGE_TYPES, max_body_bytes
from inference.settings import Settings
from inference.shadow import MOST_CHARACTERS, PATTERN

_Document = dict[str, Any]
_Errors = list[type[ServingError]]
_UNAVAILABLE: _Errors = [NotReadyError, DrainingError]
_LOOPBACK: _Errors = [ForbiddenError, *_UNAVAILABLE]
_SHADOW_ERRORS: _Errors = [BadRequestError, ForbiddenError, RequestTimeoutError, TooLargeError, OverloadedError]
_IMAGE_ERRORS: _Errors = [UndecodableImageError]
_FEATURE_ERRORS: _Errors = [InvalidFeaturesError]
_PREDICT_ERRORS: _Errors = [
    BadRequestError,
    RequestTimeoutError,
    TooLargeError,
    UnsupportedMediaError,
    InternalError,
    OverloadedError,
    *_UNAVAILABLE,
    DeadlineError,
]
_TEXT: _Document = {"type": "string"}
_REQUEST_ID: _Document = {"X-Request-Id": {"description": "Names this request in the log.", "schema": _TEXT}}
_RETRY_AFTER: _Document = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}}}


def document(manifest: Manifest, settings: Settings) -> _Document:
    """Describe every path, answer and error of a server of this model with these settings."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PetTracker inference",
            "version": "1.1.0",
            "description": (
                f"Serves {manifest.name} {manifest.version}. Every answer has an X-Request-Id: the client's own, or a new "
                "one. Another path is `404 not_found`; another method than those listed is `405 method_not_allowed`, with "
                "`Allow`. A request that is not HTTP gets a bare 400."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/predict": {"post": _predict(manifest, settings)},
            "/health": {"get": _operation("health", "The process is alive.", _phase("alive"))},
            "/ready": {"get": _operation("ready", "New traffic is welcome.", _phase("ready"), _UNAVAILABLE)},
            "/health/ready": {"put": _operation("accept", "Take traffic; loopback only.", _phase("ready"), _LOOPBACK)},
            "/health/drain": {"put": _operation("drain", "Ask for no traffic; loopback only.", _phase("draining"), _LOOPBACK)},
            "/shadow": {"put": _shadow()},
            "/version": {"get": _operation("version", "Which model and code answer.", _reference("Version"))},
            "/metrics": {
                "get": _operation(
                    "metrics", "Prometheus metrics; loopback only.", _TEXT, [ForbiddenError], media_type="text/plain"
                )
            },
            "/openapi.json": {"get": _operation("openapi", "This document.", {"type": "object"})},
            "/": {"get": _operation("page", "A page to ask the model with.", _TEXT, media_type="text/html")},
        },
        "components": {"schemas": _schemas(manifest)},
    }


def _predict(manifest: Manifest, settings: Settings) -> _Document:
    limit = max_body_bytes(manifest, settings)
    if isinstance(manifest.input, FeatureInput):
        content = {key: {"schema": _features(manifest.input.names)} for key in FEATURE_TYPES}
        errors, limits = [*_PREDICT_ERRORS, *_FEATURE_ERRORS], f"At most {limit:,} bytes."
    else:
        content = _images(limit)
        errors = [*_PREDICT_ERRORS, *_IMAGE_ERRORS]
        limits = (
            f"At most {limit:,} bytes, {settings.max_pixels:,} pixels and {settings.max_side:,} pixels a side. A body of any "
            "other type, or of none, is taken for the file of an image: its bytes tell what it is."
        )
    return {
        **_operation("predict", "The most probable classes, best first.", _reference("Prediction"), errors),
        "description": f"{limits} An answer takes at most {settings.deadline_seconds:g} seconds.",
        "parameters": [
            _header("X-Request-Id", "Up to 128 letters, digits, '.', '_' and '-'; anything else is replaced."),
            _header("traceparent", "W3C trace context; goes to the log."),
        ],
        "requestBody": {"required": True, "content": content},
    }


def _shadow() -> _Document:
    line = {
        "type": "string",
        "pattern": PATTERN,
        "maxLength": MOST_CHARACTERS,
        "examples": ["share=0.25 until=1767225600 10.0.11.7:8080"],
    }
    number = {"type": "number", "minimum": 0}
    answer = _object({"share": number, "until": number, "targets": {"type": "array", "items": _TEXT}})
    return {
        **_operation("shadow", "Copy answered predictions to a candidate; loopback only.", answer, _SHADOW_ERRORS),
        "description": "An empty line ends it.",
        "requestBody": {"required": False, "content": {"text/plain": {"schema": line}}},
    }


def _images(limit: int) -> _Document:
    # maxLength counts octets here (OpenAPI 3.1.1, "Considerations for File Uploads").
    binary = {"type": "string", "format": "binary", "maxLength": limit}
    field = {**binary, "description": "A JPEG, PNG or WebP image."}
    form = {
        "type": "object",
        "properties": dict.fromkeys(FORM_FIELDS, field),
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {FORM: {"schema": form}, **{key: {"schema": binary} for key in IMAGE_TYPES}}


def _features(names: list[str]) -> _Document:
    bounds = {"minimum": -LARGEST, "maximum": LARGEST}
    row = {
        "type": "array",
        "prefixItems": [{"type": "number", "title": name, **bounds} for name in names],
        "items": False,
        "minItems": len(names),
        "maxItems": len(names),
    }
    return _object({FIELD: row})


def _header(name: str, description: str) -> _Document:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": _TEXT}


def _operation(
    name: str, summary: str, schema: _Document, errors: _Errors | None = None, media_type: str = "application/json"
) -> _Document:
    found = {"description": summary, "headers": _REQUEST_ID, "content": {media_type: {"schema": schema}}}
    statuses = sorted({error.status for error in errors or []})
    refused = {str(status): _refusal([each for each in errors or [] if each.status == status]) for status in statuses}
    return {"operationId": name, "summary": summary, "responses": {"200": found, **refused}}


def _refusal(errors: _Errors) -> _Document:
    """Describe the answer of one status, which stands for one or more errors."""
    code = {"properties": {"error": {"properties": {"code": {"enum": [error.code for error in errors]}}}}}
    waits = any(error.retry_after is not None for error in errors)
    return {
        "description": " ".join(f"`{error.code}`: {error.__doc__}" for error in errors),
        "headers": {**_REQUEST_ID, **(_RETRY_AFTER if waits else {})},
        "content": {"application/json": {"schema": {"allOf": [_reference("Error"), code]}}},
    }


def _phase(status: str) -> _Document:
    return _object({"status": {"const": status}})


def _schemas(manifest: Manifest) -> _Document:
    number, count = {"type": "number"}, {"type": "integer", "minimum": 1}
    probability = {"type": "number", "minimum": 0, "maximum": 1}
    class_id = {"type": "integer", "minimum": 0, "maximum": len(manifest.classes) - 1}
    answer = _object({"class": _TEXT, "class_id": class_id, "confidence": probability})
    answers = min(TOP_K, len(manifest.classes))
    model = _object({"name": _TEXT, "version": _TEXT, "digest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}})
    streams = {"type": ["integer", "null"], "minimum": 1, "description": "Inferences at once; null until it is warm."}
    return {
        "Prediction": _object(
            {
                "predictions": {"type": "array", "items": answer, "minItems": answers, "maxItems": answers},
                "latency_seconds": {**number, "minimum": 0},
                "model": model,
                "request_id": _TEXT,
            }
        ),
        "Version": {
            **_object(
                {
                    "model": model,
                    "program": _object({"name": _TEXT, "precision": {"enum": ["fp32", "int8"]}}),
                    "service": _object({"name": _TEXT, "version": _TEXT}),
                    "backend": _object({"name": _TEXT, "version": _TEXT, "threads": count, "streams": streams}),
                    "python": _TEXT,
                }
            ),
            "description": "The last three are for the host itself.",
            "required": ["model", "program"],
        },
        "Error": _object({"error": _object({"code": _TEXT, "message": _TEXT})}),
    }


def _object(properties: _Document) -> _Document:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _reference(name: str) -> _Document:
    return {"$ref": f"#/components/schemas/{name}"}
