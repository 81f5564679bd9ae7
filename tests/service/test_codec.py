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

NUMBERS = st.none() | st.integers(-(2**70), 2**70) | st.floats() | st.booleans() | st.text(max_size=2)
ROWS = st.lists(NUMBERS | st.lists(NUMBERS, max_size=2), max_size=4)
IDS = st.lists(st.text(max_size=3) | st.none() | st.integers(), max_size=4)


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
def test_a_glance_sees_what_the_schema_says(content: Any) -> None:
    body = json.dumps(content).encode()
    assert outcome(decode_columns, body) == outcome(PredictBatchRequest.model_validate_json, body)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"session_ids": ["a"], "values": [1e999]}', b'{"session_ids": ["\xff"], "values": [1]}', b"NaN"],
)
def test_what_is_no_json_is_no_request(body: bytes) -> None:
    assert outcome(decode_columns, body) is outcome(PredictBatchRequest.model_validate_json, body) is ValidationError


def test_numbers_go_out_as_they_are_and_nan_as_null() -> None:
    answer = {"rows": np.array([1.5, np.nan, 1e-7]), "wide": np.array([[0.1, 0.2]]), "one": [None, 2.0], "step": 3}
    assert orjson.loads(encode(answer)) == {
        "rows": [1.5, None, 1e-7],
        "wide": [[0.1, 0.2]],
        "one": [None, 2.0],
        "step": 3,
    }
