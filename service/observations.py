"""Between the numbers of a request and the arrays of the predictor."""

import hashlib
from collections.abc import Sequence

import numpy as np

from models.predictor import Values
from service.errors import InvalidRequest
from service.schemas import Bound, Observation, Value

DIGEST_BYTES = 16


def to_array(observations: Sequence[Observation], features: int) -> Values:
    """-> (1, T, F) raw units, NaN = missing

    Raises:
        InvalidRequest: an observation has another width than the model.
    """
    values = np.full((1, len(observations), features), np.nan)
    for index, observation in enumerate(observations):
        if isinstance(observation, list):
            if len(observation) != features:
                raise InvalidRequest(f"values[{index}] has {len(observation)} numbers, the model {features} features")
            values[0, index] = [np.nan if number is None else number for number in observation]
        elif observation is not None:
            if features != 1:
                raise InvalidRequest(f"values[{index}] is one number; the model needs a list of {features}")
            values[0, index, 0] = observation
    return values


def to_plain(values: Values) -> list[Value]:
    """(T, F) -> T numbers, or T lists of F numbers"""
    plain: list[Value] = values[:, 0].tolist() if values.shape[1] == 1 else values.tolist()
    return plain


def to_bounds(values: Values) -> list[Bound]:
    """(T, F) -> T numbers, or T lists of F numbers; null for NaN"""
    known = values.astype(object)
    known[np.isnan(values)] = None
    plain: list[Bound] = known[:, 0].tolist() if values.shape[1] == 1 else known.tolist()
    return plain


def digest(values: Values) -> bytes:
    """What tells the same values from others, without keeping them. (1, T, F) -> 16 bytes"""
    return hashlib.blake2b(values.tobytes(), digest_size=DIGEST_BYTES).digest()
