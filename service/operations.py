"""Operations of an OpenAPI document, made from schemas and the error table."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from service.errors import STATUS
from service.oip.schemas import InferenceRequest, ProtocolError
from service.schemas import ErrorResponse, ForecastRequest, PredictBatchRequest, PredictRequest

EXAMPLES: Mapping[type[BaseModel], dict[str, Any]] = {
    PredictRequest: {"values": [11, 16, 23], "session_id": "sun"},
    PredictBatchRequest: {"session_ids": ["a", "b"], "values": [11, 16]},
    ForecastRequest: {"session_id": "sun", "horizon": 3},
    ErrorResponse: {"error": "session_unknown", "message": "no session 'pump-7'; predict creates one"},
    InferenceRequest: {
        "parameters": {"sequence_id": "sun", "sequence_start": True},
        "inputs": [{"name": "values", "datatype": "FP64", "shape": [3, 1], "data": [11, 16, 23]}],
    },
    ProtocolError: {"error": "session_unknown: no session 'pump-7' to go on with; sequence_start begins one"},
}

BODY = ("invalid_request", "request_timeout", "too_large")
JSON_BODY = (*BODY, "unsupported_media_type")
COMPUTING = ("internal_error", "numerical_error")
GONE = ("session_deleted", "session_expired")
UNREADY = ("store_unavailable", "worker_missing")
COMMITTING = ("session_capacity", "store_unavailable", "internal_error")


def operation(
    name: str,
    summary: str,
    errors: tuple[str, ...],
    response: type[BaseModel] | None = None,
    request: type[BaseModel] | None = None,
    status: int = 204,
    error: type[BaseModel] = ErrorResponse,
) -> dict[str, Any]:
    """An operation that may need a key; a response with content is 200 unless another status is given."""
    if response is not None and status == 204:
        status = 200
    success = (
        {"description": response.__doc__ or "", "content": content(response)} if response else {"description": "Done."}
    )
    described: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {str(status): success, **_errors((*errors, "unauthorized", "method_not_allowed"), error)},
    }
    if request is not None:
        described["description"] = request.__doc__
        described["requestBody"] = {"required": True, "content": content(request)}
    return described


def content(model: type[BaseModel]) -> dict[str, Any]:
    """JSON as a schema describes it."""
    described: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
    if model in EXAMPLES:
        described["example"] = EXAMPLES[model]
    return {"application/json": described}


def plain(name: str, summary: str, *errors: str) -> dict[str, Any]:
    """An operation that is open to everybody and answers in words."""
    text = {"description": "Yes.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    responses = {"200": text, **_errors(errors, ErrorResponse)}
    return {"operationId": name, "summary": summary, "security": [{}], "responses": responses}


def _errors(codes: tuple[str, ...], error: type[BaseModel]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in sorted(set(codes), key=lambda code: (STATUS[code], code)):
        by_status.setdefault(STATUS[code], []).append(code)
    return {
        str(status): {"description": ", ".join(f"`{code}`" for code in codes), "content": content(error)}
        for status, codes in by_status.items()
    }
