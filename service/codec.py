"""JSON of the routes that are asked most: out of plain values and arrays, and into what their schemas describe."""

from typing import Any

import orjson

from service.schemas import PredictBatchRequest

_COLUMNS = {"session_ids", "values", "steps"}
_NUMBERS = {int, float, type(None)}
_STEPS = {int, type(None)}
_LARGEST = 1e308


def encode(answer: dict[str, Any]) -> bytes:
    """As JSON; NaN is null."""
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def decode_columns(body: bytes) -> PredictBatchRequest:
    """A request for many sessions. What is usual is seen at a glance; only the rest is examined number by number.

    Raises:
        ValidationError: it is no such request; pydantic says why.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if _is_usual(found):
        return PredictBatchRequest.model_construct(**found)
    return PredictBatchRequest.model_validate_json(body)


def _is_usual(found: Any) -> bool:
    """Columns of strings, of numbers, and of steps if any."""
    if type(found) is not dict or not found.keys() <= _COLUMNS:
        return False
    ids, values, steps = found.get("session_ids"), found.get("values"), found.get("steps")
    if type(ids) is not list or type(values) is not list or set(map(type, ids)) != {str}:
        return False
    if steps is not None and (type(steps) is not list or not set(map(type, steps)) <= _STEPS):
        return False
    if not set(map(type, values)) <= _NUMBERS or any(
        step is not None and not 0 <= step < 2**63 for step in steps or ()
    ):
        return False
    return all(map(_LARGEST.__ge__, map(abs, filter(None, values))))
