"""Series that look like what such a service is fed: seasons, loads, levels that jump, sensors that fail.

Axes: B streams, T time, F features.
"""

import numpy as np

from models import Scaler
from models.predictor import Values

MISSING = 0.01
"""Share of the observations that never came, besides whole gaps."""

GAPS = 0.2
"""Share of the series with a gap."""

LONGEST_GAP = 12
SPIKES = 0.004


def draw(scaler: Scaler, generator: np.random.Generator, streams: int, length: int) -> Values:
    """-> (B, T, F) raw units, NaN = missing, in the scale of what the network was trained on."""
    shape = (streams, length, len(scaler.mean))
    kinds = np.stack([kind(generator, shape) for kind in (_season, _load, _wandering, _jumping)])
    chosen = generator.integers(len(kinds), size=streams)
    values: Values = np.array(scaler.mean) + np.array(scaler.scale) * kinds[chosen, np.arange(streams)]
    _lose(values, generator)
    return np.round(values, 4)


def _season(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """A wave with noise."""
    return _wave(generator, shape, 5, 50) + generator.normal(0, 0.3, shape)


def _load(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """Days within weeks, and spikes."""
    spikes = (generator.random(shape) < SPIKES) * generator.uniform(3, 8, shape)
    return _wave(generator, shape, 24, 24) + 0.5 * _wave(generator, shape, 168, 168) + spikes + _noise(generator, shape)


def _wandering(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """A price: it drifts, and comes back."""
    values = generator.normal(0, 0.25, shape)
    for t in range(1, shape[1]):
        values[:, t] += 0.97 * values[:, t - 1]
    return values


def _jumping(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """A machine with states: its level jumps, which raises alarms."""
    jumps = (generator.random(shape) < 0.01) * generator.normal(0, 1.5, shape)
    return np.clip(np.cumsum(jumps, axis=1), -4, 4) + _noise(generator, shape)


def _wave(generator: np.random.Generator, shape: tuple[int, ...], shortest: float, longest: float) -> Values:
    streams, length, features = shape
    period = generator.uniform(shortest, longest, (streams, 1, features))
    phase = generator.uniform(0, 2 * np.pi, (streams, 1, features))
    wave: Values = np.sin(2 * np.pi * np.arange(length)[:, None] / period + phase)
    return wave


def _noise(generator: np.random.Generator, shape: tuple[int, ...]) -> Values:
    return generator.normal(0, 0.15, shape)


def _lose(values: Values, generator: np.random.Generator) -> None:
    """Single observations, and gaps."""
    streams, length, _ = values.shape
    values[generator.random(values.shape) < MISSING] = np.nan
    for stream in np.flatnonzero(generator.random(streams) < GAPS):
        begin = generator.integers(length)
        values[stream, begin : begin + generator.integers(2, LONGEST_GAP)] = np.nan
