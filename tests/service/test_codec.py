import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from service.codec import decode_columns, encode
from service.schemas import PredictBatchRequest
from service.sessions.rosters import Roster, Rosters

NUMBERS = st.none() | st.integers(-(2**70), 2**70) | st.floats() | st.booleans() | st.text(max_size=2)
ROWS = st.lists(NUMBERS | st.lists(NUMBERS, max_size=2), max_size=4)
IDS = st.lists(st.text(max_size=3) | st.none() | st.integers(), max_size=4)


KNOWN = Rosters(40)
"""Of those that came before, so that some are recognised."""


def glance(body: bytes) -> PredictBatchRequest:
    return decode_columns(body, KNOWN)


def outcome(decode: Any, body: bytes) -> Any:
    """The fields of the request, an array as the list that it stands for."""
    try:
        fields = vars(decode(body))
    except ValidationError:
        return ValidationError
    values = fields["values"]
    if isinstance(values, np.ndarray):
        values = [None if np.isnan(number) else number for number in values.tolist()]
    return fields | {"values": values}


@given(
    st.fixed_dictionaries(
        {}, optional={"session_ids": IDS, "values": ROWS, "steps": ROWS | st.none(), "level": st.floats(0, 1)}
    )
    | ROWS
)
@example({"session_ids": ["a"], "values": [1], "steps": [2**63]})
@example({"session_ids": ["a"], "values": [2**64]})
@example({"session_ids": ["a"], "values": [1.5, None], "steps": [None, 0]})
@example({"session_ids": ["a]", "b"], "values": [1, 2]})
@example({"values": [1], "session_ids": ["a"]})
def test_a_glance_sees_what_the_schema_says(content: Any) -> None:
    body = json.dumps(content).encode()
    assert outcome(glance, body) == outcome(PredictBatchRequest.model_validate_json, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b'{"session_ids": ["a"], "values": [1e999]}',
        b'{"session_ids": ["\xff"], "values": [1]}',
        b'{"session_ids": ["a"]}',
        b'{"session_ids": ["a"], }',
        b'{"session_ids": ["a"],, "values": [1]}',
        b'{"session_ids": ["a"] "values": [1]}',
        b'{"session _ids": ["a"], "values": [1]}',
        b'\x0c{"session_ids": ["a"], "values": [1]}',
        b'{"session_ids": ["a"]\x0b, "values": [1]}',
        b'{"session_ids": ["a"], "values": [1], "session_ids": [2]}',
    ],
)
def test_what_is_no_json_is_no_request(body: bytes) -> None:
    assert outcome(glance, body) is outcome(PredictBatchRequest.model_validate_json, body) is ValidationError


def test_numbers_go_out_as_they_are_and_nan_as_null() -> None:
    answer = {"rows": np.array([1.5, np.nan, 1e-7]), "wide": np.array([[0.1, 0.2]]), "one": [None, 2.0], "step": 3}
    assert orjson.loads(encode(answer)) == {
        "rows": [1.5, None, 1e-7],
        "wide": [[0.1, 0.2]],
        "one": [None, 2.0],
        "step": 3,
    }


def test_ids_that_came_before_are_recognised_by_their_json_and_owner() -> None:
    """However the rest is written; what is recognised is the very same roster."""
    rosters = Rosters()
    bodies = [
        b'{"session_ids": ["a", "b"], "values": [1, 2]}',
        b' {\n"session_ids" :["a", "b"] ,"steps": [3, 4], "values": [5, null]}',
    ]
    first, second = (decode_columns(body, rosters, "me").session_ids for body in bodies)
    assert first is second
    assert isinstance(first, Roster)
    assert (first, first.keys) == (["a", "b"], ["mea", "meb"])
    assert decode_columns(bodies[0], rosters, "you").session_ids is not first
    assert decode_columns(b'{"session_ids": ["b", "a"], "values": [1, 2]}', rosters, "me").session_ids == ["b", "a"]
