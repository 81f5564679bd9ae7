"""Between the numbers of a request and the arrays of the predictor."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from math import isnan

import numpy as np
from numpy.typing import NDArray

from models.predictor import Context, Values
from service.errors import InvalidRequest
from service.schemas import Bound, Observation, Value
from service.sessions.record import DIGEST_BYTES

PLAIN = DIGEST_BYTES // 8
"""float64 numbers that fit into a digest as they are."""


def to_array(observations: Sequence[Observation], features: int) -> Values:
    """-> (1, T, F) raw units, NaN = missing

    Raises:
        InvalidRequest: an observation has another width than the model.
    """
    with suppress(ValueError, TypeError):  # lists of another length, or where numbers should be: see below
        quick = np.array(observations, dtype=np.float64)
        if quick.shape == ((len(observations),) if features == 1 else (len(observations), features)):
            return quick.reshape(1, -1, features)
    values = np.full((1, len(observations), features), np.nan)
    for index, observation in enumerate(observations):
        if isinstance(observation, list):
            if len(observation) != features:
                raise InvalidRequest(f"values[{index}] has {len(observation)} numbers, the model {features} features")
            values[0, index] = [np.nan if number is None else number for number in observation]
        elif observation is not None and not isnan(observation):
            if features != 1:
                raise InvalidRequest(f"values[{index}] is one number; the model needs a list of {features}")
            values[0, index, 0] = observation
    return values


def to_plain(values: Values) -> list[Value]:
    """(T, F) -> T numbers, or T lists of F numbers"""
    plain: list[Value] = values[:, 0].tolist() if values.shape[1] == 1 else values.tolist()
    return plain


def to_state(hidden: Context) -> list[list[float]]:
    """(L, H) -> a list for each layer, to six digits behind the point"""
    state: list[list[float]] = hidden.astype(float).round(6).tolist()
    return state


def to_bounds(values: Values) -> list[Bound]:
    """(T, F) -> T numbers, or T lists of F numbers; null for NaN"""
    if np.isnan(values).any():
        known = values.astype(object)
        known[np.isnan(values)] = None
        values = known
    plain: list[Bound] = values[:, 0].tolist() if values.shape[1] == 1 else values.tolist()
    return plain


def digest(values: Values) -> bytes:
    """What tells the same values from others. (1, T, F) -> 16 bytes: a value or two as they are, else their hash"""
    if values.size <= PLAIN and values.shape[1] == 1:
        return values.tobytes().ljust(DIGEST_BYTES, b"\0")
    return hashlib.blake2b(values.tobytes(), digest_size=DIGEST_BYTES).digest()


def digests(values: Values) -> NDArray[np.uint64]:
    """The same for one observation of each of many streams. (B, 1, F) -> (B, 2)"""
    streams, _, features = values.shape
    if features > PLAIN:
        hashed = b"".join(digest(stream[None]) for stream in values)
        return np.frombuffer(hashed, np.uint64).reshape(streams, -1)
    plain = np.zeros((streams, PLAIN))
    plain[:, :features] = values[:, 0]
    return plain.view(np.uint64)
