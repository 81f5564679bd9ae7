"""Decades of numbers, all of which are in the table of powers."""

import math

import pytest
from numba import njit

from models.decimals import decade


@njit
def decade_of(x: float) -> int:
    return int(decade(x))


@pytest.mark.parametrize(
    ("x", "found"),
    [(0.0, -100), (1e-200, -100), (0.00999, -3), (0.01, -2), (1.0, 0), (9.99, 0), (10.0, 1), (12345.6, 4), (1e300, 8)],
)
def test_a_decade_is_the_floor_of_the_logarithm(x: float, found: int) -> None:
    assert decade_of(x) == found


@pytest.mark.parametrize("x", [math.nan, -math.nan, math.inf])
def test_what_is_no_number_stays_within_the_table(x: float) -> None:
    """What lies beyond the table may be no memory at all."""
    assert decade_of(x) == 8
