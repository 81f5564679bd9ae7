"""Judgements of random walks by the fast baselines, an AR in the network's place."""

from dataclasses import replace

import numpy as np

from training.baselines import Column, fit_baselines
from training.data import Split
from training.evaluate import HORIZONS, NETWORK, Interval, Judgement, _by_horizon, _coverage, _scores, origins_of


def judgement(values: Column, name: str = "walk") -> Judgement:
    """What `evaluate` would say with an AR as the network."""
    split = Split.of(len(values), 0.15, 0.15)
    horizon = max((h for h in HORIZONS if h <= split.rows - split.calibration), default=1)
    origins = origins_of(split, horizon)
    *others, stand_in = fit_baselines(values, split, ("naive", "drift", "AR"))
    methods = {NETWORK: stand_in} | {other.name: other for other in others}
    predictions = {method: fitted.predictions(values) for method, fitted in methods.items()}
    horizons = {
        method: _by_horizon(values, fitted.forecasts(values, np.array(origins), horizon), origins)
        for method, fitted in methods.items()
    }
    size = np.nanstd(values - predictions[NETWORK])
    z = (values - predictions[NETWORK]) / size
    p = np.exp(-(z**2))  # as good as any p-value here
    interval = Interval(0.9, predictions[NETWORK] - 2 * size, predictions[NETWORK] + 2 * size, p)
    scores = _scores(values, predictions, split)
    return Judgement(name, values, split, predictions, scores, horizons, interval, _coverage(interval, split))


def walk(rows: int, seed: int = 0) -> Column:
    """A random walk with some memory in its steps; (rows,)"""
    steps = np.random.default_rng(seed).normal(size=rows + 1)
    return np.cumsum(steps[1:] + 0.8 * steps[:-1])


def walks(count: int, rows: int = 200) -> list[Judgement]:
    """Many targets; only the first is judged, the others repeat it under other names."""
    first = judgement(walk(rows))
    return [replace(first, name=f"walk {place}") for place in range(count)]
