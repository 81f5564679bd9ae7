"""The routes below `/v2` for the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from service.oip.schemas import (
    IndexEntry,
    IndexRequest,
    InferenceRequest,
    InferenceResponse,
    ModelConfiguration,
    ModelMetadata,
    ModelReady,
    ProtocolError,
    ServerLive,
    ServerMetadata,
    ServerReady,
    Statistics,
)
from service.operations import BODY, COMMITTING, COMPUTING, GONE, JSON_BODY, UNREADY, content, operation
from service.paths import MODEL, VERSION

REQUESTS = (InferenceRequest, IndexRequest)
RESPONSES = (
    IndexEntry,
    InferenceResponse,
    ModelConfiguration,
    ModelMetadata,
    ModelReady,
    ProtocolError,
    ServerLive,
    ServerMetadata,
    ServerReady,
    Statistics,
)
OF_MODEL: Mapping[str, tuple[str, str, type[BaseModel]]] = {
    "": ("metadata", "Model metadata", ModelMetadata),
    "/ready": ("model_ready", "The model predicts", ModelReady),
    "/config": ("configuration", "Model configuration", ModelConfiguration),
    "/stats": ("statistics", "Statistics since the start", Statistics),
}
INFERRING = (
    *JSON_BODY,
    "overloaded",
    "session_unknown",
    "step_conflict",
    "model_changed",
    *GONE,
    *COMPUTING,
    *COMMITTING,
)

BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
HEAD = {
    "name": "inference-header-content-length",
    "in": "header",
    "schema": {"type": "integer", "minimum": 0},
    "description": "Bytes of the JSON object, if binary data follows it.",
}
VERSION_NAME = {
    "name": "version",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "One of those that the model metadata name.",
}


def paths() -> dict[str, Any]:
    """By path, without trailing slashes; `/v2/` is `/v2`."""
    return {
        "/v2": {"get": _public("server", "Server metadata", ServerMetadata)},
        "/v2/health/live": {"get": _public("live", "The server answers", ServerLive)},
        "/v2/health/ready": {"get": _public("ready", "The server predicts", ServerReady, *UNREADY)},
        "/v2/models/stats": {"get": _operation("all_statistics", "Statistics of all models", Statistics)},
        **_of_model(MODEL, ""),
        **{
            path: {"parameters": [VERSION_NAME], **item}
            for path, item in _of_model(VERSION, "_of_version", "not_found").items()
        },
        "/v2/repository/index": {"post": _index()},
    }


def _of_model(base: str, suffix: str, *errors: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        base + rest: {"get": _operation(name + suffix, summary, response, *errors)}
        for rest, (name, summary, response) in OF_MODEL.items()
    }
    infer = operation(
        f"infer{suffix}",
        "Observe, and predict the next value",
        (*INFERRING, *errors),
        response=InferenceResponse,
        request=InferenceRequest,
        error=ProtocolError,
    )
    infer["parameters"] = [HEAD]
    infer["description"] += (
        " Tensors may follow the JSON object as binary data; bodies may be compressed (`content-encoding`)."
    )
    infer["requestBody"]["content"] |= BYTES
    success = infer["responses"]["200"]
    success["content"] |= BYTES
    success["headers"] = {HEAD["name"]: {key: HEAD[key] for key in ("schema", "description")}}
    described[f"{base}/infer"] = {"post": infer}
    return described


def _operation(name: str, summary: str, response: type[BaseModel], *errors: str) -> dict[str, Any]:
    return operation(f"v2_{name}", summary, errors, response, error=ProtocolError)


def _public(name: str, summary: str, response: type[BaseModel], *errors: str) -> dict[str, Any]:
    described = _operation(name, summary, response, *errors)
    del described["responses"]["401"]
    return described | {"security": [{}]}


def _index() -> dict[str, Any]:
    described = operation("v2_index", "The models that there are", BODY, IndexEntry, error=ProtocolError)
    described["responses"]["200"]["content"]["application/json"] = {
        "schema": {"type": "array", "items": {"$ref": f"#/components/schemas/{IndexEntry.__name__}"}}
    }
    described["requestBody"] = {"required": False, "content": content(IndexRequest)}
    return described
