"""Forecasts that repeat the past (Hyndman & Athanasopoulos, "Forecasting: principles and practice", chapter 5.2)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.baselines.baseline import Baseline, Column, Origins, filled, padded, validation_error
from training.data import Split
from training.season import seasons


@dataclass(frozen=True)
class SeasonalNaive(Baseline):
    """The last `season` values over and over; with a season of 1 the last value, which is persistence."""

    name: str
    season: int

    def forecasts(self, values: Column, origins: Origins, horizon: int) -> NDArray[np.float64]:
        """As the protocol says; NaN where there is no whole season before the origin."""
        repeated: NDArray[np.float64] = padded(values, self.season)[origins[:, None] + np.arange(horizon) % self.season]
        return repeated


@dataclass(frozen=True)
class Drift(Baseline):
    """The last value and the mean change, once more for every step."""

    name: str
    slope: float

    def forecasts(self, values: Column, origins: Origins, horizon: int) -> NDArray[np.float64]:
        """As the protocol says; NaN where there is no value before the origin."""
        return padded(values, 1)[origins[:, None]] + self.slope * np.arange(1, horizon + 1)


def persistence(values: Column, split: Split) -> Baseline:  # noqa: ARG001 - all methods are fitted alike
    """The last value that happened."""
    return SeasonalNaive("naive", 1)


def drift(values: Column, split: Split) -> Baseline:
    """The mean change is the slope from the first value to the last."""
    known = np.flatnonzero(~np.isnan(values[: split.calibration]))
    first, last = known[0], known[-1]
    return Drift("drift", float((values[last] - values[first]) / max(1, last - first)))


def seasonal(values: Column, split: Split) -> Baseline:
    """The season with the least validation error among those of the training part.

    Where none is seen, it is the lag of at least 2 with the least error in the training part.
    """
    train = filled(values[: split.train])
    found = seasons(train[:, None]) or [_least_error_lag(train[~np.isnan(train)])]
    candidates = [SeasonalNaive(f"seasonal naive ({season})", season) for season in found]
    return min(candidates, key=lambda candidate: validation_error(candidate, values, split))


def _least_error_lag(train: Column) -> int:
    """Lag from 2 to a third of the rows, by mean square of train[t] - train[t - lag]; of equal ones the shortest."""
    rows = len(train)
    centred = train - train.mean()
    lags = np.arange(2, max(3, rows // 3))
    spectrum = np.fft.rfft(centred, 2 * rows + 4)  # room for every lag without wrapping around
    products = np.fft.irfft(np.abs(spectrum) ** 2, 2 * rows + 4)[lags]
    squares = np.concatenate([[0.0], np.cumsum(centred**2)])
    sums = squares[-1] - squares[np.minimum(lags, rows)] + squares[np.maximum(rows - lags, 0)] - 2 * products
    errors = sums / np.maximum(rows - lags, 1)
    rounding = 1e-9 * squares[-1] / rows
    return int(lags[errors <= errors.min() + rounding][0])
