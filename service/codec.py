"""JSON of the routes that are asked most: out of plain values and arrays, and into what their schemas describe."""

import re
from typing import Any

import numpy as np
import orjson

from service.schemas import PredictBatchRequest
from service.sessions.rosters import Roster, Rosters

_SPACE = rb"[ \t\r\n]*"
_IDS_FIRST = re.compile(_SPACE.join((b"", rb"\{", b'"session_ids"', b":", rb"(?=\[)")))
_AND_MORE = re.compile(_SPACE + b",")
_OTHERS = {"values", "steps"}
_NUMBERS = {int, float, type(None)}
_STEPS = {int, type(None)}
_LARGEST = 1e308


def encode(answer: Any) -> bytes:
    """As JSON; NaN is null."""
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def decode_columns(body: bytes, rosters: Rosters, owner: str = "") -> PredictBatchRequest:
    """A request for many sessions. What is usual is seen at a glance; only the rest is examined number by number.

    Raises:
        ValidationError: it is no such request; pydantic says why.
    """
    try:
        found = _recognised(body, rosters, owner) or _read(body, owner)
    except orjson.JSONDecodeError:
        found = None
    usual = found and _usual(*found)
    return usual or PredictBatchRequest.model_validate_json(body)


def _recognised(body: bytes, rosters: Rosters, owner: str) -> tuple[Roster, Any] | None:
    """Ids and other columns, if the ids come first, as they mostly do; their JSON ends with the first bracket."""
    if (head := _IDS_FIRST.match(body)) is None:
        return None
    end = body.find(b"]", head.end()) + 1
    if (more := _AND_MORE.match(body, end)) is None:
        return None
    text = body[head.end() : end]
    roster = rosters.get(owner, text)
    if roster is None:
        ids = orjson.loads(text)
        if set(map(type, ids)) != {str}:
            return None
        roster = rosters.add(owner, text, ids)
    return roster, orjson.loads(b"{" + body[more.end() :])


def _read(body: bytes, owner: str) -> tuple[Roster, Any] | None:
    """The same in any order."""
    found = orjson.loads(body)
    ids = found.pop("session_ids", None) if type(found) is dict else None
    if type(ids) is not list or set(map(type, ids)) != {str}:
        return None
    return Roster(ids, owner), found


def _usual(roster: Roster, found: dict[str, Any]) -> PredictBatchRequest | None:
    """Columns of numbers, which become an array with NaN for null, and of steps if any."""
    values, steps = found.get("values"), found.get("steps")
    if not found.keys() <= _OTHERS or type(values) is not list:
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
    return PredictBatchRequest.model_construct(session_ids=roster, values=numbers, steps=steps)
