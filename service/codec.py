"""JSON of the routes that are asked most: out of plain values and arrays, and into what their schemas describe."""

from typing import Any

import numpy as np
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
    return _usual(found) or PredictBatchRequest.model_validate_json(body)


def _usual(found: Any) -> PredictBatchRequest | None:
    """Columns of strings, of numbers, which become an array with NaN for null, and of steps if any."""
    if type(found) is not dict or not found.keys() <= _COLUMNS:
        return None
    ids, values, steps = found.get("session_ids"), found.get("values"), found.get("steps")
    if type(ids) is not list or type(values) is not list or set(map(type, ids)) != {str}:
        return None
    if steps is not None and (type(steps) is not list or not set(map(type, steps)) <= _STEPS):
        return None
    if any(step is not None and not 0 <= step < 2**63 for step in steps or ()):
        return None
    if not set(map(type, values)) <= _NUMBERS:
        return None
    numbers: Any = np.array(values, dtype=np.float64)
    if np.fmax.reduce(np.abs(numbers), initial=0.0) > _LARGEST:
        return None
    return PredictBatchRequest.model_construct(session_ids=ids, values=numbers, steps=steps)
