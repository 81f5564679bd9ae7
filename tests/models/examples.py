"""Calibrations that a test can say something about."""

from functools import cache
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray

from models import Calibration
from models.calibration import LEVEL, PROBABILITIES
from models.monitor import Monitor
from models.outlook import Outlook
from training.calibrate import _distribution, _followed

Samples = NDArray[np.float64]

MEAN_ABSOLUTE = (2 / np.pi) ** 0.5
"""Of a standard normal."""

NORMAL = tuple(NormalDist().inv_cdf(probability) / MEAN_ABSOLUTE for probability in PROBABILITIES)
"""Quantiles of a normal over its mean absolute value."""

SKEWED = tuple(float(np.exp(quantile)) - 1.5 for quantile in NORMAL)
HORIZONS = (1, 2, 4, 8)


def calibration(
    targets: int = 1,
    *,
    error: float = MEAN_ABSOLUTE,
    level: float = LEVEL,
    quantiles: tuple[float, ...] = NORMAL,
    tail: tuple[float, float] = (0.1, 0.001),
    settling: tuple[float, ...] = (1.0,) * 3,
) -> Calibration:
    """Of standard normal errors, if nothing else is said; forecasts err as a random walk does."""
    wider = [tuple(horizon**0.5 * quantile for quantile in quantiles) for horizon in HORIZONS]
    return Calibration(
        level,
        (error,) * targets,
        (quantiles,) * targets,
        (tail,) * targets,
        settling,
        HORIZONS,
        tuple((row,) * targets for row in wider),
    )


def errors(kind: str, steps: int, streams: int, seed: int = 0) -> Samples:
    """Independent errors, "normal" or Student's "t5". (T, B)"""
    generator = np.random.default_rng(seed)
    shape = (steps, streams)
    return generator.normal(size=shape) if kind == "normal" else generator.standard_t(5, size=shape)


@cache
def calibrated(kind: str) -> Calibration:
    """As training would have found it on 160,000 of these errors."""
    samples = errors(kind, 400, 400, seed=99)
    size = float(np.abs(samples).mean())
    _, relative = _followed(samples, 0, np.full(400, size))
    quantiles, tail = _distribution(relative.ravel(), relative.ravel())
    return calibration(error=size, quantiles=tuple(quantiles.tolist()), tail=tail)


def monitor(known: Calibration, rate: float = 1e-3) -> Monitor:
    return Monitor(Outlook(known, rate), torch.device("cpu"))


def start(watching: Monitor, streams: int) -> torch.Tensor:
    """The state of streams that have seen nothing, (B, S)."""
    return torch.from_numpy(watching.outlook.start(streams))


def column(values: Samples) -> torch.Tensor:
    """Values of one target at one step. (B,) -> (B, 1)"""
    return torch.from_numpy(values.astype(np.float32))[:, None]
