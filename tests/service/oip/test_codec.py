import json
from copy import deepcopy
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tritonclient.http import InferInput, InferResult
from tritonclient.http._utils import _get_inference_request

from models.predictor import Values
from service.errors import InvalidRequest
from service.oip.codec import DATATYPES, Asked, Tensor, decode, encode_answer, head_of

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=5)
DOUBLES = arrays(np.float64, SHAPES, elements=st.floats(allow_infinity=False))
SINGLES = arrays(np.float32, SHAPES, elements=st.floats(width=32, allow_infinity=False))


def plain(numbers: Any) -> Any:
    """NaN as None, in lists of any depth."""
    if isinstance(numbers, list):
        return [plain(number) for number in numbers]
    return None if np.isnan(numbers) else numbers


def tensor(**fields: Any) -> dict[str, Any]:
    return {"name": "values", "shape": [2, 1], "datatype": "FP64", **fields}


def body(*inputs: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"inputs": list(inputs), **fields}).encode()


def written(values: Any, datatype: str, binary: bool) -> tuple[bytes, int | None]:
    """As Triton's client writes it."""
    sent = InferInput("values", list(values.shape), datatype)
    sent.set_data_from_numpy(values, binary_data=binary)
    content, head = _get_inference_request([sent], "", None, 0, False, False, 0, None, None)
    return content, head


@given(values=DOUBLES | SINGLES, binary=st.booleans())
def test_what_tritons_client_writes_is_read(values: Any, binary: bool) -> None:
    datatype = "FP64" if values.dtype == np.float64 else "FP32"
    content, head = written(values, datatype, binary)
    _, read = decode(content, head, values.shape[1])
    assert (read.dtype.name, read.shape) == ("float64", (1, *values.shape))
    np.testing.assert_array_equal(read[0], values.astype(np.float64))


@given(values=DOUBLES, nested=st.booleans())
def test_json_is_flat_or_nested_and_null_is_missing(values: Values, nested: bool) -> None:
    data = plain(values.tolist() if nested else values.ravel().tolist())
    _, read = decode(body(tensor(shape=values.shape, data=data)), None, values.shape[1])
    np.testing.assert_array_equal(read[0], values)


def test_numbers_in_json_are_of_the_datatype_that_is_said() -> None:
    said = {name: decode(body(tensor(datatype=name, data=[0.1, 1])), None, 1)[1][0, 0, 0] for name in DATATYPES}
    assert said == {"FP64": 0.1, "FP32": float(np.float32(0.1))}


@given(columns=st.lists(DOUBLES, min_size=1, max_size=3), binary=st.lists(st.booleans(), min_size=3, max_size=3))
def test_what_is_written_is_read_by_tritons_client(columns: list[Values], binary: list[bool]) -> None:
    """Arrays, or plain lists as the engine has them, some of them as binary data."""
    tensors = []
    for index, column in enumerate(columns):
        steps, targets = column.shape
        listed = plain((column[:, 0] if targets == 1 else column).tolist())
        tensors.append(Tensor(f"t{index}", (steps, targets), listed if index % 2 else column, binary[index]))
    content, head = encode_answer({"model_name": "elman"}, tensors)
    assert (head is not None) == any(each.binary for each in tensors)
    result = InferResult.from_response_body(content, header_length=head)
    for each, column in zip(tensors, columns, strict=True):
        read = result.as_numpy(each.name)
        assert read.dtype == np.float64
        np.testing.assert_array_equal(read, column)


def test_nan_is_null_in_json() -> None:
    content, _ = encode_answer(
        {}, [Tensor("t", (2, 1), [None, 1.5], False), Tensor("a", (1, 1), np.array([np.nan]), False)]
    )
    assert [output["data"] for output in json.loads(content)["outputs"]] == [[None, 1.5], [None]]


def test_a_tensor_of_nothing() -> None:
    for binary in (False, True):
        content, head = encode_answer({}, [Tensor("t", (0, 2), (), binary)])
        assert InferResult.from_response_body(content, header_length=head).as_numpy("t").shape == (0, 2)


@given(content=st.binary(max_size=40) | st.text(max_size=20).map(str.encode), head=st.none() | st.integers(0, 50))
def test_whatever_comes_is_read_or_refused(content: bytes, head: int | None) -> None:
    with pytest.raises(InvalidRequest):
        decode(content, head, 1)


SENT, HEAD = written(np.array([[1.0], [2.0]]), "FP64", True)


@given(cut=st.integers(0, len(SENT) - 1), more=st.binary(max_size=9))
def test_bytes_that_are_missing_or_too_many_are_refused(cut: int, more: bytes) -> None:
    assume(cut + len(more) != len(SENT))
    with pytest.raises(InvalidRequest):
        decode(SENT[:cut] + more, HEAD, 1)
    if more:
        with pytest.raises(InvalidRequest, match=f"{16 + len(more)} bytes behind the JSON object, not 16"):
            decode(SENT + more, HEAD, 1)


BINARY = {"binary_data_size": 16}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the body is empty"),
        (b"[1]", "the body: Input should be an object"),
        (b"{}", "inputs: this field is needed"),
        (body(), "inputs: there must be one, and its name values"),
        (body(tensor(name="x", data=[1, 2])), "inputs: there must be one, and its name values"),
        (body(tensor(data=[1, 2]), tensor(data=[1, 2])), "inputs: there must be one"),
        (body({"name": "values", "data": [1]}), r"inputs\[0\].shape: this field is needed"),
        (body(tensor(data=[1, 2], shape=[1, -1])), r"inputs\[0\].shape\[1\]: Input should be greater"),
        (body(tensor(data=[1, 2], shape=[2])), r"values: the shape must be \[T, 1\]"),
        (body(tensor(data=[1, 2], shape=[1, 2])), r"values: the shape must be \[T, 1\]"),
        (body(tensor(data=[], shape=[0, 1])), r"values: the shape must be \[T, 1\]"),
        (body(tensor(data=[1, 2], shape=[2**63, 1])), "values: 2 numbers in data, the shape has 9223372036854775808"),
        (body(tensor(data=[1, 2, 3])), "values: 3 numbers in data, the shape has 2"),
        (body(tensor(data=[[1, 2]])), "values: data is not nested as the shape says"),
        (body(tensor(data=[[1], 2])), "values: data is not nested"),
        (body(tensor(data=[1, [2]])), "values: data must be numbers"),
        (body(tensor(data=["1", "2"])), "values: data must be numbers"),
        (body(tensor(data=[True, 2])), "values: data must be numbers"),
        (body(tensor(data=[[[1]], [[2]]])), "values: data must be numbers"),
        (body(tensor(data=[1, 10**400])), "values: a number in data is too large"),
        (body(tensor(data="12")), r"inputs\[0\].data: Input should be a valid array"),
        (body(tensor(data=[1, 2], datatype="INT32")), "values: the datatype must be FP64 or FP32"),
        (body(tensor()), "values: either data or the parameter binary_data_size"),
        (body(tensor(data=[1, 2], parameters=BINARY)), "values: either data or the parameter binary_data_size"),
        (body(tensor(parameters=BINARY)), "values: 0 bytes behind the JSON object, not 16"),
        (body(tensor(parameters=BINARY, datatype="FP32")), "values: binary_data_size is 16, the shape and .* need 8"),
        (body(tensor(parameters={"shared_memory_region": "r"})), "values: shared_memory_region is not supported"),
        (body(tensor(data=[1, 2]), outputs=[{}]), r"outputs\[0\].name: this field is needed"),
        (
            body(tensor(data=[1, 2]), outputs=[{"name": "lower", "parameters": {"classification": 3}}]),
            "lower: classification is not supported here",
        ),
        (body(tensor(data=[1, 2]), parameters={"sequence_id": -1}), "parameters.sequence_id: "),
        (body(tensor(data=[1, 2]), parameters={"sequence_id": 2**64}), "parameters.sequence_id"),
        (body(tensor(data=[1, 2]), parameters={"sequence_id": 1.5}), "parameters.sequence_id"),
        (body(tensor(data=[1, 2]), parameters={"sequence_start": 1}), "parameters.sequence_start"),
        (body(tensor(data=[1, 2]), parameters={"step": -1}), "parameters.step"),
        (body(tensor(data=[1, 2]), parameters={"level": 1}), "parameters.level"),
        (body(tensor(data=[1, 2]), parameters={"horizon": 0}), "parameters.horizon"),
        (body(tensor(data=[1, 2]), id=7), "id: Input should be a valid string"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(content: bytes, complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{complaint}"):
        decode(content, None, 1)


def test_a_head_is_a_number_of_bytes_that_are_there() -> None:
    content = body(tensor(data=[1, 2]))
    assert decode(content, len(content), 1)[1].shape == (1, 2, 1)
    with pytest.raises(InvalidRequest, match="inference-header-content-length: 999"):
        decode(content, 999, 1)
    with pytest.raises(InvalidRequest, match="behind the JSON object belong to no input"):
        decode(content + b"123", len(content), 1)
    assert (head_of(None), head_of(b"12")) == (None, 12)
    for wrong in (b"", b"-1", b"1.5", b"x", b"9" * 19):
        with pytest.raises(InvalidRequest, match="a whole number is expected"):
            head_of(wrong)


def test_what_is_null_is_as_if_it_were_not_there_and_what_is_not_known_is_ignored() -> None:
    nothing = {"id": None, "parameters": None, "outputs": None}
    asked, _ = decode(body(tensor(data=[1, 2], parameters=None), model_name="elman", **nothing), None, 1)
    assert asked == decode(body(tensor(data=[1, 2])), None, 1)[0]
    assert isinstance(asked, Asked)
    strange = {"priority": 3, "timeout": 1000, "triton_x": "y"}
    assert decode(body(tensor(data=[1, 2], parameters={"z": 1}), parameters=strange), None, 1)[1].size == 2


ODD: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    1.0,
    0.5,
    -1,
    8,
    8.0,
    2**63,
    2**64 - 1,
    2**64,
    10**400,
    float("nan"),
    float("inf"),
]
ODD += ["", "7", "values", "FP32", [], [1], [1, 1], [[9.5]], {}, {"sequence_id": 3}, {"horizon": 2, "level": 0.5}]
PLACES: list[tuple[str | int, ...]] = [
    *(("id",), ("parameters",), ("inputs",), ("outputs",), ("more",), ("inputs", 0)),
    *(("parameters", name) for name in ("sequence_id", "sequence_start", "sequence_end", "step", "more")),
    *(("inputs", 0, name) for name in ("name", "shape", "datatype", "data", "parameters")),
    *(("inputs", 0, "shape", 0), ("inputs", 0, "shape", 1), ("inputs", 0, "data", 0)),
    *(("parameters", "binary_data_output"), ("inputs", 0, "parameters", "binary_data_size")),
]


def outcome(content: bytes, behind: bytes) -> tuple[Asked, bytes] | str:
    try:
        asked, values = decode(content + behind, len(content) if behind else None, 1)
    except InvalidRequest as error:
        return str(error)
    return asked, values.tobytes() + str(values.shape).encode()


@given(
    changes=st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(ODD)), max_size=3),
    behind=st.sampled_from([b"", np.float64(9.5).tobytes(), np.float64(np.inf).tobytes(), bytes(7)]),
)
def test_a_glance_sees_what_an_examination_finds(
    changes: list[tuple[tuple[str | int, ...], Any]], behind: bytes
) -> None:
    numbers: dict[str, Any] = {"parameters": {"binary_data_size": len(behind)}} if behind else {"data": [9.5]}
    sent = tensor(shape=[1, 1], **numbers)
    request: Any = {"parameters": {"sequence_id": 5, "sequence_start": True}, "inputs": [sent]}
    for (*path, last), odd in changes:
        inner = request
        try:
            for part in path:
                inner = inner[part]
            inner[last] = deepcopy(odd)
        except (LookupError, TypeError):
            continue  # an earlier change took the place away
    content = json.dumps(request).encode()
    seen = outcome(content, behind)
    with mock.patch("service.oip.codec._usual", return_value=None):
        assert outcome(content, behind) == seen


def test_a_glance_is_enough_for_what_is_usual() -> None:
    content = body(tensor(shape=[1, 1], data=[9]), parameters={"sequence_id": 7, "step": 3}, id="x")
    with mock.patch("service.oip.codec.InferenceRequest", None):
        asked, values = decode(content, None, 1)
    assert (asked, values.tolist()) == (Asked("x", "7", 3), [[[9.0]]])
