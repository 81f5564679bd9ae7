"""AR(p): the next value as a linear function of the last p."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from training.baselines.baseline import Baseline, Column, Origins, padded, standard, validation_error
from training.data import Split

MAX_ORDER = 60


@dataclass(frozen=True)
class Autoregression(Baseline):
    """values[t] = intercept + weights @ values[t - p : t]; weights (p,), the oldest lag first."""

    name: str
    weights: Column
    intercept: float

    def forecasts(self, values: Column, origins: Origins, horizon: int) -> NDArray[np.float64]:
        """As the protocol says: predictions are read as if they had happened. NaN with less than p rows before."""
        order = len(self.weights)
        path = np.empty((len(origins), order + horizon))
        path[:, :order] = _pasts(values, order)[origins]
        for step in range(horizon):
            path[:, order + step] = path[:, step : step + order] @ self.weights + self.intercept
        return path[:, order:]


def fit(values: Column, split: Split) -> Baseline:
    """Least squares; p from 1 to 60, at most a quarter of the training part's known rows."""
    known = int(np.sum(~np.isnan(values[: split.train])))
    most = max(1, min(MAX_ORDER, known // 4))
    candidates = _least_squares(values[: split.train], most)
    best = min(candidates, key=lambda candidate: validation_error(candidate, values, split))
    return _least_squares(values[: split.calibration], len(best.weights))[-1]


def _least_squares(values: Column, most: int) -> list[Autoregression]:
    """AR(1) to AR(most), all fitted on the same rows.

    The columns are the intercept and then the lags, the nearest first: a lower order is a leading part of them, and so
    is its triangle in the QR decomposition of the highest.
    """
    mean, scale = standard(values)
    scaled = (values - mean) / scale
    design = np.column_stack([np.ones(len(values)), _pasts(scaled, most)[:-1, ::-1]])  # (T, 1 + most)
    known = ~(np.isnan(design).any(axis=1) | np.isnan(scaled))
    if not known.any():
        return [Autoregression("AR(1)", np.ones(1), 0.0)]  # no row has a whole past: persistence
    q, r = np.linalg.qr(design[known])
    projected = q.T @ scaled[known]
    fits = []
    for order in range(1, most + 1):
        leading = slice(1 + order)
        solution, *_ = np.linalg.lstsq(r[leading, leading], projected[leading], rcond=None)
        intercept = solution[0] * scale + mean * (1 - solution[1:].sum())
        fits.append(Autoregression(f"AR({order})", solution[:0:-1].copy(), float(intercept)))
    return fits


def _pasts(values: Column, length: int) -> NDArray[np.float64]:
    """Row t: the `length` values before t, missing ones filled. (T,) -> (T + 1, length)"""
    return sliding_window_view(padded(values, length), length)
