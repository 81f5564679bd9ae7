"""What every baseline can do, and what their forecasts are made from: the past of each origin."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.data import Split

Column = NDArray[np.float64]
Origins = NDArray[np.int64]


class Baseline(Protocol):
    """A fitted method; `name` tells the report what was chosen, such as AR(9)."""

    name: str

    def predictions(self, values: Column) -> Column:
        """One step: predictions[t] is for values[t], from values[:t] only; NaN where it cannot predict. (T,) -> (T,)"""
        return self.forecasts(values, np.arange(len(values)), 1)[:, 0]

    def forecasts(self, values: Column, origins: Origins, horizon: int) -> NDArray[np.float64]:
        """Free-running: row i, column j is for values[origins[i] + j], from values[:origins[i]] only.

        values: (T,), NaN = missing; origins: (N,) from 0 to T -> (N, horizon), NaN where it cannot predict.
        """
        ...


def filled(values: Column) -> Column:
    """Missing values replaced by the last one before; those before the first value stay missing. (T,) -> (T,)"""
    rows = np.arange(len(values))
    return values[np.maximum.accumulate(np.where(np.isnan(values), 0, rows))]


def padded(values: Column, length: int) -> Column:
    """Filled values behind `length` missing ones: padded[t : t + length] is the past of row t. (T,) -> (length + T,)"""
    return np.concatenate([np.full(length, np.nan), filled(values)])


def standard(values: Column) -> tuple[float, float]:
    """Mean and standard deviation of what is known; 1 for the deviation where nothing varies."""
    return float(np.nanmean(values)), float(np.nanstd(values)) or 1.0


def validation_error(baseline: Baseline, values: Column, split: Split) -> float:
    """Mean squared one-step error on the validation part; infinite where it cannot predict."""
    origins = np.arange(split.train, split.validation)
    origins = origins[~np.isnan(values[origins])]
    if not len(origins):
        return np.inf
    errors = baseline.forecasts(values, origins, 1)[:, 0] - values[origins]
    error = float(np.mean(errors**2))
    return error if np.isfinite(error) else np.inf
