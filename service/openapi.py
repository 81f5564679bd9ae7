"""The OpenAPI document and its page, made from the schemas and the error table; nothing is fetched from elsewhere."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.errors import STATUS
from service.schemas import (
    ErrorResponse,
    ForecastRequest,
    ForecastResponse,
    ModelResponse,
    PredictBatchRequest,
    PredictBatchResponse,
    PredictRequest,
    PredictResponse,
    RestoreRequest,
    SessionResponse,
    SessionsResponse,
)

EXAMPLES: Mapping[type[BaseModel], dict[str, Any]] = {
    PredictRequest: {"values": [11, 16, 23], "session_id": "sun"},
    PredictBatchRequest: {"session_ids": ["a", "b"], "values": [11, 16]},
    ForecastRequest: {"session_id": "sun", "horizon": 3},
    ErrorResponse: {"error": "session_unknown", "message": "no session 'pump-7'; predict creates one"},
}

BODY = ("invalid_request", "request_timeout", "too_large")
JSON_BODY = (*BODY, "unsupported_media_type")
COMPUTING = ("internal_error", "numerical_error")
GONE = ("session_deleted", "session_expired")
COMMITTING = ("session_capacity", "store_unavailable", "internal_error")

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Next-value prediction</title>
<link rel="stylesheet" href="./static_content/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="./static_content/swagger-ui-bundle.js"></script>
<script src="./static_content/swagger-ui-standalone-preset.js"></script>
<script src="./static_content/swagger-initializer.js"></script>
</body>
</html>
"""

SESSION_ID = {
    "name": "session_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "Its id.",
}
IF_MATCH = {
    "name": "if-match",
    "in": "header",
    "schema": {"type": "integer", "minimum": 0},
    "description": "The step of the live session whose context is to be replaced.",
}
PAGING = [
    {"name": "cursor", "in": "query", "schema": {"type": "string"}, "description": "From the page before."},
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
        "description": "Sessions on a page.",
    },
]
REPLAYED = {
    "x-replayed": {
        "schema": {"type": "string", "const": "true"},
        "description": "The request had been applied before; this is the answer it got.",
    }
}
TIMING = {
    "server-timing": {
        "schema": {"type": "string"},
        "description": "Milliseconds of waiting for the session's turn, of computing, and of committing.",
    }
}


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the native door."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stateful next-value prediction",
            "version": "1",
            "description": "One context per stream: send each value once, get the next one predicted.",
        },
        "servers": [{"url": "."}],
        "security": [{}, {"key": []}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths() -> dict[str, Any]:
    predict = _operation(
        "predict",
        "Observe, and predict the next value",
        (
            "invalid_token",
            *JSON_BODY,
            "overloaded",
            "session_unknown",
            "step_conflict",
            "model_changed",
            *GONE,
            *COMPUTING,
            *COMMITTING,
        ),
        response=PredictResponse,
        request=PredictRequest,
    )
    predict["responses"]["200"]["headers"] = {**REPLAYED, **TIMING}
    predict_batch = _operation(
        "predict_batch",
        "Observe one value each for many sessions",
        (*JSON_BODY, "overloaded", "internal_error"),
        response=PredictBatchResponse,
        request=PredictBatchRequest,
    )
    forecast = _operation(
        "forecast",
        "Run free from a context; changes nothing",
        ("invalid_token", *JSON_BODY, "session_unknown", "model_changed", *GONE, *COMPUTING),
        response=ForecastResponse,
        request=ForecastRequest,
    )
    show = _operation(
        "session", "A session and its context", (*GONE, "invalid_request", "session_unknown"), SessionResponse
    )
    restore = _operation(
        "restore",
        "Import, restore, fork or roll back a session",
        (
            "invalid_token",
            *JSON_BODY,
            "session_unknown",
            *GONE,
            "session_exists",
            "step_conflict",
            "model_changed",
            *COMMITTING,
        ),
        response=SessionResponse,
        request=RestoreRequest,
    )
    restore["responses"]["201"] = {**restore["responses"]["200"], "description": "It is new."}
    restore["parameters"] = [IF_MATCH]
    delete = _operation(
        "delete", "Forget a session", (*BODY, "session_unknown", *GONE, "store_unavailable", "internal_error")
    )
    create = _operation(
        "create", "A session under an unguessable id", (*BODY, *COMMITTING), SessionResponse, status=201
    )
    sessions = _operation("sessions", "Live sessions, page by page", ("invalid_request",), SessionsResponse)
    sessions["parameters"] = PAGING
    return {
        "/predict": {"post": predict},
        "/predict_batch": {"post": predict_batch},
        "/forecast": {"post": forecast},
        "/sessions": {"get": sessions, "post": create},
        "/sessions/{session_id}": {"parameters": [SESSION_ID], "get": show, "put": restore, "delete": delete},
        "/model": {"get": _operation("model", "What is served", (), ModelResponse)},
        "/metrics": {"get": _plain("metrics", "Numbers for Prometheus")},
        "/livez": {"get": _plain("livez", "The process answers")},
        "/readyz": {"get": _plain("readyz", "The model is loaded and requests are served")},
        "/healthz": {"get": _plain("healthz", "The same as /livez, for older probes")},
    }


def _operation(
    name: str,
    summary: str,
    errors: tuple[str, ...],
    response: type[BaseModel] | None = None,
    request: type[BaseModel] | None = None,
    status: int = 204,
) -> dict[str, Any]:
    """An operation that may need a key; a response with content is 200 unless another status is given."""
    if response is not None and status == 204:
        status = 200
    success = (
        {"description": response.__doc__ or "", "content": _json(response)} if response else {"description": "Done."}
    )
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {str(status): success, **_errors((*errors, "unauthorized", "method_not_allowed"))},
    }
    if request is not None:
        operation["description"] = request.__doc__
        operation["requestBody"] = {"required": True, "content": _json(request)}
    return operation


def _errors(codes: tuple[str, ...]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in sorted(set(codes), key=lambda code: (STATUS[code], code)):
        by_status.setdefault(STATUS[code], []).append(code)
    return {
        str(status): {"description": ", ".join(f"`{code}`" for code in codes), "content": _json(ErrorResponse)}
        for status, codes in by_status.items()
    }


def _plain(name: str, summary: str) -> dict[str, Any]:
    text = {"description": "Yes.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {"operationId": name, "summary": summary, "security": [{}], "responses": {"200": text}}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
    if model in EXAMPLES:
        content["example"] = EXAMPLES[model]
    return {"application/json": content}


def _schemas() -> dict[str, Any]:
    requests: list[type[BaseModel]] = [PredictRequest, PredictBatchRequest, ForecastRequest, RestoreRequest]
    responses: list[type[BaseModel]] = [
        PredictResponse,
        PredictBatchResponse,
        ForecastResponse,
        SessionResponse,
        SessionsResponse,
        ModelResponse,
        ErrorResponse,
    ]
    _, definitions = models_json_schema(
        [*((model, "validation") for model in requests), *((model, "serialization") for model in responses)],
        ref_template="#/components/schemas/{model}",
    )
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas
