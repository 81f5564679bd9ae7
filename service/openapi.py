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
    PredictRequest,
    PredictResponse,
)

POST_ERRORS = (
    "invalid_request",
    "method_not_allowed",
    "request_timeout",
    "session_expired",
    "too_large",
    "unsupported_media_type",
    "internal_error",
    "numerical_error",
)

EXAMPLES: Mapping[type[BaseModel], dict[str, Any]] = {
    PredictRequest: {"values": [11, 16, 23], "session_id": "sun"},
    ForecastRequest: {"session_id": "sun", "horizon": 3},
    ErrorResponse: {"error": "session_unknown", "message": "no session 'pump-7'; predict creates one"},
}

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


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the native door."""
    models: list[type[BaseModel]] = [
        PredictRequest,
        PredictResponse,
        ForecastRequest,
        ForecastResponse,
        ModelResponse,
        ErrorResponse,
    ]
    _, definitions = models_json_schema(
        [(model, "serialization" if model.__name__.endswith("Response") else "validation") for model in models],
        ref_template="#/components/schemas/{model}",
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stateful next-value prediction",
            "version": "1",
            "description": "One context per stream, held by the server: send each value once, get the next predicted.",
        },
        "servers": [{"url": "."}],
        "paths": {
            "/predict": {
                "post": _operation(
                    "predict",
                    "Observe, and predict the next value",
                    PredictResponse,
                    PredictRequest,
                    (*POST_ERRORS, "session_capacity"),
                )
            },
            "/forecast": {
                "post": _operation(
                    "forecast",
                    "Run free from a context; changes nothing",
                    ForecastResponse,
                    ForecastRequest,
                    (*POST_ERRORS, "session_unknown"),
                )
            },
            "/model": {"get": _operation("model", "What is served", ModelResponse, None, ("method_not_allowed",))},
            "/livez": {"get": _probe("livez", "The process answers")},
            "/readyz": {"get": _probe("readyz", "The model is loaded and requests are served")},
            "/healthz": {"get": _probe("healthz", "The same as /livez, for older probes")},
        },
        "components": definitions and {"schemas": definitions["$defs"]},
    }


def _operation(
    name: str, summary: str, response: type[BaseModel], request: type[BaseModel] | None, errors: tuple[str, ...]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "description": (request or response).__doc__,
        "responses": {"200": {"description": response.__doc__, "content": _json(response)}, **_errors(errors)},
    }
    if request is not None:
        operation["requestBody"] = {"required": True, "content": _json(request)}
    return operation


def _errors(codes: tuple[str, ...]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes, key=STATUS.__getitem__):
        by_status.setdefault(STATUS[code], []).append(code)
    return {
        str(status): {"description": ", ".join(f"`{code}`" for code in codes), "content": _json(ErrorResponse)}
        for status, codes in by_status.items()
    }


def _probe(name: str, summary: str) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "responses": {"200": {"description": "Yes."}}}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
    if model in EXAMPLES:
        content["example"] = EXAMPLES[model]
    return {"application/json": content}
