"""What a user gets for free: naive, seasonal-naive and AR(p) one-step predictions.

Each takes one column (T,) and its split, fits on the training part only, and returns predictions (T,) where
predictions[t] is for values[t] and uses nothing later than values[t - 1]; NaN where it cannot predict.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data import Split

Column = NDArray[np.float64]
MAX_ORDER = 30


@dataclass(frozen=True)
class Baseline:
    """A name for the report, and one-step predictions (T,)."""

    name: str
    predictions: Column


def all_baselines(values: Column, split: Split) -> list[Baseline]:
    """Naive first: the others are measured against it."""
    return [naive(values), seasonal_naive(values, split), autoregressive(values, split)]


def naive(values: Column) -> Baseline:
    """Persistence: the last value that happened."""
    return Baseline("naive", _lagged(_filled(values), 1))


def seasonal_naive(values: Column, split: Split) -> Baseline:
    """The value one season ago; the season is the lag of at least 2 with the least error in the training part."""
    filled = _filled(values)
    train = filled[: split.train]
    lags = range(2, max(3, split.train // 3))
    errors = [float(np.mean((train[lag:] - train[:-lag]) ** 2)) for lag in lags]
    season = lags[int(np.argmin(errors))]
    return Baseline(f"seasonal-naive({season})", _lagged(filled, season))


def autoregressive(values: Column, split: Split) -> Baseline:
    """AR(p) with intercept by least squares on the training part; p by the error on the validation part."""
    filled = _filled(values)
    best: tuple[float, int, Column] | None = None
    for order in range(1, min(MAX_ORDER, split.train // 4) + 1):
        predictions = _ar(filled, split.train, order)
        errors = (predictions - values)[split.train : split.validation]
        score = float(np.nanmean(errors**2))
        if best is None or score < best[0]:
            best = score, order, predictions
    assert best is not None
    return Baseline(f"AR({best[1]})", best[2])


def _ar(values: Column, train: int, order: int) -> Column:
    lags = np.column_stack([_lagged(values, lag) for lag in range(1, order + 1)])  # (T, p)
    design = np.column_stack([lags, np.ones(len(values))])
    coefficients, *_ = np.linalg.lstsq(design[order:train], values[order:train], rcond=None)
    predictions: Column = design @ coefficients
    return predictions


def _lagged(values: Column, lag: int) -> Column:
    return np.concatenate([np.full(lag, np.nan), values[:-lag]])


def _filled(values: Column) -> Column:
    """Missing values replaced by the last one before; at the very start by the first that exists."""
    known = np.flatnonzero(~np.isnan(values))
    index = np.maximum(np.searchsorted(known, np.arange(len(values)), side="right") - 1, 0)
    return values[known[index]]
