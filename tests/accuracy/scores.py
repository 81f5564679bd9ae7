"""How good intervals are. Axes: T time. NaN is where nothing happened or was said; there nothing is counted."""

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]

WINDOW = 500
"""In every stretch of so many values coverage has to hold."""


def hits(truth: Column, lower: Column, upper: Column) -> Column:
    """1 where a value lies within its interval, 0 where it does not. All (T,), raw units -> (known,)"""
    known = np.isfinite(truth) & np.isfinite(lower) & np.isfinite(upper)
    inside: Column = ((lower <= truth) & (truth <= upper))[known].astype(np.float64)
    return inside


def worst_window(inside: Column, window: int = WINDOW) -> float:
    """The lowest share of hits in any `window` values that follow each other; NaN if there are fewer. (T,) -> share"""
    if len(inside) < window:
        return float("nan")
    sums = np.concatenate(([0.0], np.cumsum(inside)))
    return float((sums[window:] - sums[:-window]).min() / window)


def winkler(truth: Column, lower: Column, upper: Column, level: float) -> float:
    """The mean interval score, raw units: the width, and 2 / (1 - level) times by how much a value lies outside.

    The less the better (R. L. Winkler, "A decision-theoretic approach to interval estimation", Journal of the American
    Statistical Association 67, 1972). All (T,), raw units.
    """
    outside = np.maximum(lower - truth, 0) + np.maximum(truth - upper, 0)
    return mean(upper - lower + 2 / (1 - level) * outside)


def rmse(errors: Column) -> float:
    """Of all errors that are known; (T,)"""
    return float(np.sqrt(mean(errors**2)))


def mean(numbers: Column) -> float:
    """Of all that are known; NaN if none is."""
    known = numbers[np.isfinite(numbers)]
    return float(known.mean()) if len(known) else float("nan")
