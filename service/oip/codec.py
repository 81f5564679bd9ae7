"""Between the bytes of the protocol and arrays: a JSON object, and behind it the tensors that are binary data.

Axes: T time, F features, O targets.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from models.predictor import Values
from service.codec import encode
from service.errors import InvalidRequest
from service.oip.schemas import (
    InferenceParameters,
    InferenceRequest,
    InputParameters,
    OutputParameters,
    RequestInput,
    RequestOutput,
)
from service.schemas import Bound

INPUT = "values"
SINGLE = "<f4"
DATATYPES = {"FP64": "<f8", "FP32": SINGLE}
ANSWERED = "FP64"
ELSEWHERE = ("shared_memory_region", "classification")
"""Parameters of tensors that ask for what is not here; to ignore them would be to answer something else."""

NOTHING: dict[str, Any] = {}
_SHORT = 1024
"""Bytes; what is longer is no single step."""

_NUMBERS, _TEXTS, _STEPS = {int, float, type(None)}, {str, type(None)}, {int, type(None)}
_FIELDS = {
    name
    for message in (
        InferenceRequest,
        InferenceParameters,
        RequestInput,
        InputParameters,
        RequestOutput,
        OutputParameters,
    )
    for name in message.model_fields
}


class Asked(NamedTuple):
    """What a request says besides its values. session_id: None without one; outputs: names, and whether they are binary
    data if that is said; None: all that there are.
    """

    id: str | None
    session_id: str | None
    step: int | None = None
    level: float | None = None
    start: bool = False
    end: bool = False
    horizon: int = 0
    binary: bool = False
    outputs: list[tuple[str, bool | None]] | None = None


class Tensor(NamedTuple):
    """An output: T numbers, or T lists of O, None for NaN; or an array of them."""

    name: str
    shape: tuple[int, int]
    numbers: Sequence[Bound] | Values
    binary: bool


def decode(body: bytes, head: int | None, features: int) -> tuple[Asked, Values]:
    """The request and its values, (1, T, F), NaN = missing. head: bytes of the JSON object, None: all of them.

    What is usual is seen at a glance; only the rest is examined field by field.

    Raises:
        InvalidRequest: with the place.
    """
    if head is not None and head > len(body):
        raise InvalidRequest(f"inference-header-content-length: {head}, but the body has {len(body)} bytes")
    message, behind = (body, b"") if head is None else (body[:head], body[head:])
    if (usual := _usual(message, behind, features)) is not None:
        return usual
    try:
        request = InferenceRequest.model_validate_json(message)
    except ValidationError as error:
        raise InvalidRequest(_reason(error, message)) from None
    if len(request.inputs) != 1 or request.inputs[0].name != INPUT:
        raise InvalidRequest(f"inputs: there must be one, and its name {INPUT}")
    for output in request.outputs or ():
        _check_here(output.name, output.parameters)
    return _asked(request), _values(request.inputs[0], behind, features)


def encode_answer(head: dict[str, Any], tensors: Iterable[Tensor]) -> tuple[bytes, int | None]:
    """The body, and how many bytes of it are the JSON object; None: all of them. NaN is null in JSON.

    head: the object without its tensors; they are put into it.
    """
    outputs, behind = [], []
    for name, shape, numbers, binary in tensors:
        output: dict[str, Any] = {"name": name, "datatype": ANSWERED, "shape": shape}
        if binary:
            behind.append(np.array(numbers, DATATYPES[ANSWERED]).tobytes())
            output["parameters"] = {"binary_data_size": len(behind[-1])}
        else:
            output["data"] = _flat(numbers)
        outputs.append(output)
    head["outputs"] = outputs
    payload = encode(head)
    return (b"".join((payload, *behind)), len(payload)) if behind else (payload, None)


def head_of(length: bytes | None) -> int | None:
    """What the header inference-header-content-length says.

    Raises:
        InvalidRequest: it is no number.
    """
    if length is None:
        return None
    if not length.isdigit() or len(length) > 18:
        raise InvalidRequest("inference-header-content-length: a whole number is expected")
    return int(length)


def _usual(message: bytes, behind: bytes, features: int) -> tuple[Asked, Values] | None:
    """One step, of a sequence or by itself, with nothing unusual about it; None: it is more, or wrong."""
    if len(message) > _SHORT:
        return None
    try:
        found = orjson.loads(message)
        parameters, (tensor,) = found.get("parameters", NOTHING), found["inputs"]
        shape, session_id = tensor["shape"], parameters.get("sequence_id", 0)
        plain = "outputs" not in found and "level" not in parameters and "horizon" not in parameters
        if not plain or tensor["name"] != INPUT or tensor["datatype"] != ANSWERED:
            return None
    except (AttributeError, LookupError, TypeError, ValueError):
        return None
    if type(shape) is not list or list(map(type, shape)) != [int, int] or shape != [1, features]:
        return None
    start, end = parameters.get("sequence_start", False), parameters.get("sequence_end", False)
    binary, request_id, step = parameters.get("binary_data_output", False), found.get("id"), parameters.get("step")
    if {type(start), type(end), type(binary)} != {bool} or type(request_id) not in _TEXTS or type(step) not in _STEPS:
        return None
    if type(session_id) is not str and (type(session_id) is not int or session_id < 0):  # above uint64 it is a float
        return None
    values = _one_step(tensor, behind, features)
    if values is None or (step is not None and not 0 <= step < 2**63):
        return None
    return Asked(request_id, str(session_id) if session_id else None, step, None, start, end, 0, binary), values


def _one_step(tensor: dict[str, Any], behind: bytes, features: int) -> Values | None:
    """Its values, (1, 1, F), if they are finite or missing."""
    data, size = tensor.get("data"), tensor.get("parameters")
    if type(data) is list:
        if behind or size is not None or len(data) != features or not set(map(type, data)) <= _NUMBERS:
            return None
        return np.array(data, np.float64).reshape(1, 1, features)  # orjson reads nothing infinite
    if data is not None or size != {"binary_data_size": len(behind)} or len(behind) != 8 * features:
        return None
    values = np.frombuffer(behind, DATATYPES[ANSWERED]).astype(np.float64)  # ours to write to
    if type(size["binary_data_size"]) is not int or np.isinf(values).any():
        return None
    return values.reshape(1, 1, features)


def _asked(request: InferenceRequest) -> Asked:
    parameters = request.parameters or InferenceParameters()
    outputs = [
        (one.name, None if one.parameters is None else one.parameters.binary_data) for one in request.outputs or ()
    ]
    return Asked(
        request.id,
        str(parameters.sequence_id) if parameters.sequence_id else None,
        parameters.step,
        parameters.level,
        bool(parameters.sequence_start),
        bool(parameters.sequence_end),
        parameters.horizon or 0,
        bool(parameters.binary_data_output),
        outputs or None,
    )


def _values(tensor: RequestInput, behind: bytes, features: int) -> Values:
    """(1, T, F)"""
    _check_here(INPUT, tensor.parameters)
    dtype = DATATYPES.get(tensor.datatype)
    if dtype is None:
        raise InvalidRequest(f"{INPUT}: the datatype must be {' or '.join(DATATYPES)}")
    shape = tensor.shape
    if len(shape) != 2 or shape[1] != features or not shape[0]:
        raise InvalidRequest(f"{INPUT}: the shape must be [T, {features}], T being 1 or more")
    size = None if tensor.parameters is None else tensor.parameters.binary_data_size
    if (size is None) == (tensor.data is None):
        raise InvalidRequest(f"{INPUT}: either data or the parameter binary_data_size is needed")
    if tensor.data is not None:
        if behind:
            raise InvalidRequest(f"{len(behind)} bytes behind the JSON object belong to no input")
        values = _numbers(tensor.data, shape, dtype)
    else:
        values = _binary(behind, size, shape, dtype)
    if np.isinf(values).any():
        raise InvalidRequest(f"{INPUT}: a value is a finite number, or NaN or null for what is missing")
    return values.astype(np.float64, copy=False).reshape(1, *shape)


def _numbers(data: list[Any], shape: Sequence[int], dtype: str) -> NDArray[Any]:
    """Of a flat list, or of T lists of F numbers. -> (T * F,)"""
    steps, features = shape
    if data and type(data[0]) is list:
        if len(data) != steps or any(type(row) is not list or len(row) != features for row in data):
            raise InvalidRequest(f"{INPUT}: data is not nested as the shape says")
        data = list(chain.from_iterable(data))
    if len(data) != steps * features:
        raise InvalidRequest(f"{INPUT}: {len(data)} numbers in data, the shape has {steps * features}")
    if not set(map(type, data)) <= _NUMBERS:
        raise InvalidRequest(f"{INPUT}: data must be numbers, or null for what is missing")
    try:
        numbers = np.array(data, np.float64)
    except OverflowError:
        raise InvalidRequest(f"{INPUT}: a number in data is too large") from None
    if dtype == SINGLE:
        with np.errstate(over="ignore"):  # infinite, and refused as that
            numbers = numbers.astype(dtype)
    return numbers


def _binary(behind: bytes, size: int | None, shape: Sequence[int], dtype: str) -> NDArray[Any]:
    """Little-endian, row by row. -> (T * F,)"""
    needed = shape[0] * shape[1] * np.dtype(dtype).itemsize
    if size != needed:
        raise InvalidRequest(f"{INPUT}: binary_data_size is {size}, the shape and datatype need {needed}")
    if len(behind) != size:
        raise InvalidRequest(f"{INPUT}: {len(behind)} bytes behind the JSON object, not {size}")
    return np.frombuffer(behind, dtype).astype(np.float64)  # ours to write to


def _check_here(name: str, parameters: InputParameters | OutputParameters | None) -> None:
    for parameter in (parameters.model_extra if parameters is not None else None) or ():
        if parameter in ELSEWHERE:
            raise InvalidRequest(f"{name}: {parameter} is not supported here")


def _flat(numbers: Sequence[Bound] | Values) -> Any:
    if isinstance(numbers, np.ndarray):
        return numbers.ravel()
    rows: Sequence[Any] = numbers
    return list(chain.from_iterable(rows)) if rows and type(rows[0]) is list else rows


def _reason(error: ValidationError, message: bytes) -> str:
    """The first of the validation errors, with its place but without the value that was sent."""
    if not message:
        return "the body is empty"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "the body is not JSON; binary data behind it needs the header inference-header-content-length"
    named = [part for part in first["loc"] if isinstance(part, int) or part in _FIELDS]  # or a member of a union
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in named)
    reason = "this field is needed" if first["type"] == "missing" else first["msg"]
    return f"{place.removeprefix('.') or 'the body'}: {reason}"
