"""The OpenAPI document and its page; nothing is fetched from elsewhere."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.oip import openapi as oip
from service.operations import BODY, COMMITTING, COMPUTING, GONE, JSON_BODY, UNREADY, operation, plain
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

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Next-value prediction</title>
<link rel="icon" href="./ui/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="./static_content/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="./static_content/swagger-ui-bundle.js"></script>
<script src="./static_content/swagger-ui-standalone-preset.js"></script>
<script src="./ui/openapi.js"></script>
</body>
</html>
"""

POLICY = b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " + (
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""As of the live page, but for styles, which Swagger UI writes into what it shows."""

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
    {
        "name": "prefix",
        "in": "query",
        "schema": {"type": "string"},
        "description": "Only sessions whose ids begin with this.",
    },
]
WATCHED = [
    {
        "name": "session_id",
        "in": "query",
        "required": True,
        "explode": True,
        "schema": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 1000},
        "description": "Which to watch, alive or not yet.",
    },
    {
        "name": "hidden_state",
        "in": "query",
        "explode": True,
        "schema": {"type": "array", "items": {"type": "string"}, "maxItems": 1000},
        "description": "Of which of these `observed` has the hidden state.",
    },
]
EVENTS = """\
Server-sent events, each with JSON as its data, until the client goes away:

- `session`: it is there, as `GET /sessions/{session_id}` shows it, without its token. At the beginning, and when it is
  restored or rolled back.
- `begun`: the next values are the first ones: of a new session, or of one that is begun anew under the same id.
- `observed`: values were applied, whoever sent them: what `POST /predict` answered, `values`, and, if asked for, the
  `hidden_state` behind the last one. Of a long request the last 500 values.
- `ended`: `error` and `message` say why there is no such session, or not any more, or cannot be.

Whoever reads too slowly loses the oldest events; the steps of the next ones tell. Ten seconds without a word and the
service says that it is still here, in a comment.
"""
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
    """The OpenAPI 3.1 document of both doors."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stateful next-value prediction",
            "version": "1",
            "description": "One context per stream: send each value once, get the next one predicted. "
            "[The live page](ui) shows it.",
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
    predict = operation(
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
    predict_batch = operation(
        "predict_batch",
        "Observe one value each for many sessions",
        (*JSON_BODY, "overloaded", "internal_error"),
        response=PredictBatchResponse,
        request=PredictBatchRequest,
    )
    forecast = operation(
        "forecast",
        "Run free from a context; changes nothing",
        ("invalid_token", *JSON_BODY, "session_unknown", "model_changed", *GONE, *COMPUTING),
        response=ForecastResponse,
        request=ForecastRequest,
    )
    show = operation(
        "session", "A session and its context", (*GONE, "invalid_request", "session_unknown"), SessionResponse
    )
    restore = operation(
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
    delete = operation(
        "delete", "Forget a session", (*BODY, "session_unknown", *GONE, "store_unavailable", "internal_error")
    )
    create = operation("create", "A session under an unguessable id", (*BODY, *COMMITTING), SessionResponse, status=201)
    sessions = operation("sessions", "Live sessions, page by page", ("invalid_request",), SessionsResponse)
    sessions["parameters"] = PAGING
    watch = operation("watch", "Be told what happens to sessions", ("invalid_request", "overloaded"), status=200)
    watch["responses"]["200"] = {
        "description": "What happens, as it happens.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
    watch |= {"description": EVENTS, "parameters": WATCHED}
    return {
        "/predict": {"post": predict},
        "/predict_batch": {"post": predict_batch},
        "/forecast": {"post": forecast},
        "/sessions": {"get": sessions, "post": create},
        "/sessions/{session_id}": {"parameters": [SESSION_ID], "get": show, "put": restore, "delete": delete},
        "/watch": {"get": watch},
        "/model": {"get": operation("model", "What is served", (), ModelResponse)},
        "/metrics": {"get": plain("metrics", "Numbers for Prometheus")},
        "/livez": {"get": plain("livez", "The process answers")},
        "/readyz": {"get": plain("readyz", "Requests can be served; if not, why", *UNREADY)},
        "/healthz": {"get": plain("healthz", "The same as /livez, for older probes")},
        **oip.paths(),
    }


def _schemas() -> dict[str, Any]:
    requests: list[type[BaseModel]] = [
        PredictRequest,
        PredictBatchRequest,
        ForecastRequest,
        RestoreRequest,
        *oip.REQUESTS,
    ]
    responses: list[type[BaseModel]] = [
        PredictResponse,
        PredictBatchResponse,
        ForecastResponse,
        SessionResponse,
        SessionsResponse,
        ModelResponse,
        ErrorResponse,
        *oip.RESPONSES,
    ]
    _, definitions = models_json_schema(
        [*((model, "validation") for model in requests), *((model, "serialization") for model in responses)],
        ref_template="#/components/schemas/{model}",
    )
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas
