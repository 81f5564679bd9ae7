"""What a network's errors are like on data that it did not learn from: the statistics that every stream begins with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import Calibration
from models.calibration import PROBABILITIES
from models.elman import Elman
from models.outlook import LEVEL_RATE, LIMIT, MEAN_RATE, SMALLEST
from training.data import Split
from training.streams import Streams

Numbers = NDArray[np.float64]

HORIZONS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
SERIES = 256
"""So many series are looked at, evenly chosen."""

ORIGINS = 1000
"""Forecasts are made from so many places of all of them, about."""

STARTS = 64
"""From so many places, about, the network begins anew, to see how much it errs with a young context."""

DOUBLINGS = 10
"""2^9 observations are the longest that a context is young."""

FEWEST = 10
"""Errors of a target, at least; of fewer nothing is concluded."""

TAILS = 20_000
"""The tail is fitted to so many errors, about, those on what the network learned from among them: a calibration part is
too short to tell how rare the rarest are, and in units of their own level errors are spread alike on both."""

MEMORY = 200
"""A stream is followed from so many rows before the calibration part on: what is farther back it has forgotten."""

STARTUP = 16
"""The first errors of a series, whose context begins at zero, are not among them."""

TAIL_BEGINS = 0.1
CAUTION, CAUTIOUS = 40, 0.05
"""The shape of a tail is a mean with so many errors more that say 0.05: a little heavier than exponential."""

LIGHTEST, HEAVIEST = -0.1, 0.45
ROUND = 6  # significant digits


@dataclass(frozen=True)
class _Trace:
    """One series. inputs: (1, T, F) without gaps, truth, errors: (T, O) of what follows each, unit: (T, O)."""

    inputs: Tensor
    truth: Tensor
    errors: Numbers
    unit: Numbers
    begin: int


@dataclass(frozen=True)
class _Heard:
    """What a stream says of a series that it was sent.

    levels: of error, before each error of the calibration part; relative: each error less the mean, in these levels;
    (T, O) both. longer: `relative` with errors before the calibration part, (T', O).
    """

    levels: Numbers
    relative: Numbers
    longer: Numbers


@torch.no_grad()
def calibrate(
    network: Elman, series: Sequence[NDArray[np.float32]], splits: Sequence[Split], targets: int, level: float
) -> Calibration | None:
    """Statistics of the errors on the calibration parts; None if there are too few.

    network: in float64, learned from what is before the calibration parts; series: (T, F) scaled; level: of the
    intervals where no other is asked for.
    """
    chosen = np.unique(np.linspace(0, len(series) - 1, min(len(series), SERIES)).astype(int))
    traces = [_trace(network, series[number], splits[number], targets) for number in chosen]
    fresh = np.concatenate([trace.errors[trace.begin :] for trace in traces])  # (N, O)
    if (np.isfinite(fresh).sum(axis=0) < FEWEST).any():
        return None
    error = np.maximum(np.nanmean(np.abs(fresh), axis=0), 1e-6)
    heard = [_hear(trace, error, TAILS // len(traces)) for trace in traces]
    relative = np.concatenate([one.relative for one in heard])  # (N, O)
    longer = np.concatenate([one.longer for one in heard])  # (N', O)
    distributions = map(_distribution, map(_known, relative.T), map(_known, longer.T))
    quantiles, tail = zip(*distributions, strict=True)
    horizons, paths = _paths(network, traces, [one.levels for one in heard], targets)
    parts = {
        "error": error,
        "quantiles": quantiles,
        "tail": tail,
        "settling": _settling(network, traces, targets),
        "paths": (quantiles, *paths),
    }
    return Calibration(
        level,
        **{name: _rounded(numbers) for name, numbers in parts.items()},
        horizons=(1, *horizons),
    )


def _trace(network: Elman, values: NDArray[np.float32], split: Split, targets: int) -> _Trace:
    streams = Streams.of([values], [split])
    inputs, truth = streams.heard(network), streams.targets[0, :, :targets]
    reading, _ = network.reading(inputs, inputs.new_zeros(1, network.config.context_size))
    predicted = reading.prediction(network.say(reading.features))[0, :, :targets]
    unit = torch.ones_like(predicted) if reading.scale is None else reading.scale[0, :, :targets]
    errors = torch.where(unit > 0, (truth - predicted) / unit, torch.nan)
    return _Trace(inputs, truth, errors.numpy(), unit.numpy(), split.validation - 1)


def _hear(trace: _Trace, usual: Numbers, rows: int) -> _Heard:
    """usual: (O,), of error, where nothing tells; rows: of `longer`, at least"""
    first = max(min(trace.begin - MEMORY, len(trace.errors) - rows), min(trace.begin, STARTUP))
    begin = trace.begin - first
    levels, relative = _followed(trace.errors[first:], begin, usual)
    return _Heard(levels[begin:], relative[begin:], relative)


def _followed(errors: Numbers, begin: int, usual: Numbers) -> tuple[Numbers, Numbers]:
    """The level of error before each error, and each error less the mean, in these levels; (T, O) both.

    As models/monitor.py keeps them. But what a network learned from it may know by heart, and then its errors there
    tell little of those to come: at row `begin` the level is at least half of what it will be from there on.
    """
    level, least, mean = _size(errors, usual), SMALLEST * usual, np.zeros_like(usual)
    fresh = np.maximum(_size(errors[begin:], usual) / 2, least)
    levels, relative = np.empty_like(errors), np.empty_like(errors)
    for t, error in enumerate(errors):
        levels[t] = level = np.maximum(level, fresh if t == begin else least)
        relative[t] = (error - mean) / level
        bounded = np.where(np.isfinite(error), relative[t], 0.0).clip(-LIMIT, LIMIT)
        mean = mean + MEAN_RATE * bounded * level
        level = np.where(np.isfinite(error), level + LEVEL_RATE * (np.abs(bounded) - 1) * level, level)
    return levels, relative


def _size(errors: Numbers, usual: Numbers) -> Numbers:
    """Their mean absolute value. (T, O) -> (O,)"""
    told = np.isfinite(errors)
    total, count = np.abs(np.where(told, errors, 0.0)).sum(axis=0), told.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), usual)


def _distribution(errors: Numbers, longer: Numbers) -> tuple[Numbers, tuple[float, float]]:
    """Quantiles of errors at PROBABILITIES; scale and shape of the tails beyond, in units of the outermost quantiles'
    distance, fitted to a longer record.

    The shape is the larger of those by probability-weighted moments and by moments (Hosking & Wallis, Technometrics 29,
    1987), of both sides together: too light a tail would raise false alarms. Where there are too few errors for a
    quantile, the tail tells it.
    """
    low, high = _inner(errors)
    lower, upper = _inner(longer)
    excess = np.sort(np.concatenate((longer[longer > upper] - upper, lower - longer[longer < lower])))
    count, mean = len(excess), float(excess.mean()) if len(excess) else 0.0
    shape = CAUTIOUS
    if count > 1 and excess.var() > 0:
        half_difference = float(((2 * np.arange(1, count + 1) - count - 1) * excess).sum()) / (count * (count - 1))
        shape = max(2 - mean / half_difference, 0.5 * (1 - mean**2 / float(excess.var())))
    shape = float(np.clip((shape * count + CAUTIOUS * CAUTION) / (count + CAUTION), LIGHTEST, HEAVIEST))
    shape = shape if abs(shape) > 1e-3 else 1e-3
    scale = mean * (1 - shape) * (high - low) / (upper - lower) if upper > lower else 0.0
    probabilities = np.array(PROBABILITIES)
    rare = np.minimum(probabilities, 1 - probabilities)
    quantiles = np.quantile(errors, probabilities, method="weibull")
    beyond = scale * ((rare / TAIL_BEGINS) ** -shape - 1) / shape
    told = np.where(probabilities < TAIL_BEGINS, low - beyond, high + beyond)
    quantiles = np.sort(np.where(rare * (len(errors) + 1) < 1, told, quantiles))
    width = float(quantiles[-1] - quantiles[0])
    steepness = scale * (PROBABILITIES[0] / TAIL_BEGINS) ** -shape / width if width > 0 else 0.1
    return quantiles, (max(steepness, 1e-3), shape)


def _inner(errors: Numbers) -> tuple[float, float]:
    """Between which the tails are not."""
    low, high = np.quantile(errors, (TAIL_BEGINS, 1 - TAIL_BEGINS), method="weibull")
    return float(low), float(high)


def _settling(network: Elman, traces: Sequence[_Trace], targets: int) -> Numbers:
    """Median error of contexts that began at zero so many doublings ago, over that of those that began long before."""
    young: list[list[Numbers]] = [[] for _ in range(DOUBLINGS)]
    old: list[list[Numbers]] = [[] for _ in range(DOUBLINGS)]
    for trace in traces:
        known = trace.inputs.shape[1]
        steps = min(2 ** (DOUBLINGS - 1), known // 2)
        begins = np.linspace(1, known - steps, STARTS // len(traces) + 3)[1:-1]  # not where all contexts are young
        places = np.unique(begins.astype(int))
        windows = torch.cat([trace.inputs[:, place : place + steps] for place in places])  # (N, K, F)
        start = windows.new_zeros(len(windows), network.config.context_size)
        reading, _ = network.reading(windows, start)
        first = network.peek(start)[:, None] if reading.scale is None else torch.full_like(windows[:, :1], torch.nan)
        predicted = torch.cat((first, reading.prediction(network.say(reading.features))), dim=1)[..., :targets]
        unit = torch.ones_like(predicted)
        if reading.scale is not None:
            unit[:, 1:] = reading.scale[..., :targets]
        truth = torch.stack([trace.truth[place - 1 : place + steps] for place in places])
        errors = torch.where(unit > 0, (truth - predicted) / unit, torch.nan).abs().numpy()  # (N, K + 1, O)
        usual = np.stack([np.abs(trace.errors[place - 1 : place + steps]) for place in places])
        age = np.frexp(np.arange(steps + 1))[1]
        for doubling in range(DOUBLINGS):
            young[doubling].append(errors[:, age == doubling].ravel())
            old[doubling].append(usual[:, age == doubling].ravel())
    found = np.ones(DOUBLINGS + 1)
    for doubling in reversed(range(DOUBLINGS)):
        begun, before = (_known(np.concatenate(part[doubling])) for part in (young, old))
        if len(begun) >= FEWEST and np.median(before) > 0:
            found[doubling] = max(1.0, float(np.median(begun) / np.median(before)))
        elif len(before):
            found[doubling] = found[doubling + 1]
    return found


def _paths(
    network: Elman, traces: Sequence[_Trace], levels: Sequence[Numbers], targets: int
) -> tuple[list[int], list[list[Numbers]]]:
    """Horizons after the first, and quantiles of the errors of forecasts so far ahead, by target."""
    longest = max(trace.inputs.shape[1] - trace.begin for trace in traces) // 4
    horizons = [horizon for horizon in HORIZONS if horizon <= max(1, longest)]
    errors = np.concatenate(
        [
            _free_running(network, trace, level, horizons[-1], max(1, ORIGINS // len(traces)), targets)
            for trace, level in zip(traces, levels, strict=True)
        ]
    )  # (N, K, O)
    found = {}
    for horizon in horizons[1:]:
        columns = [_known(column) for column in errors[:, horizon - 1].T]
        if min(map(len, columns)) < FEWEST:
            break
        found[horizon] = [np.quantile(column, PROBABILITIES, method="weibull") for column in columns]
    return list(found), list(found.values())


def _free_running(network: Elman, trace: _Trace, levels: Numbers, horizon: int, origins: int, targets: int) -> Numbers:
    """Errors (N, K, O) in levels; NaN where nothing happened."""
    known = trace.inputs.shape[1]
    places = np.unique(np.linspace(trace.begin, known - 1, min(origins, known - trace.begin)).astype(int))
    h, before, contexts = trace.inputs.new_zeros(1, network.config.context_size), 0, []
    for place in places:
        _, h = network(trace.inputs[:, before : place + 1], h)
        before = place + 1
        contexts.append(h)
    h, path = torch.cat(contexts), []
    for _ in range(horizon):
        y = network.peek(h)
        path.append(y[:, :targets])
        h = network.advance(y, h)
    ahead = places[:, None] + np.arange(horizon)
    padded = np.concatenate((trace.truth.numpy(), np.full((horizon, targets), np.nan)))
    errors: Numbers = (padded[ahead] - torch.stack(path, dim=1).numpy()) / trace.unit[places][:, None]
    relative: Numbers = errors / levels[places - trace.begin][:, None]
    return np.where(np.isfinite(relative), relative, np.nan)


def _known(numbers: Numbers) -> Numbers:
    return numbers[np.isfinite(numbers)]


def _rounded(numbers: Any) -> Any:
    """As tuples of floats of a few digits, nested as the numbers are."""
    return float(f"{numbers:.{ROUND}g}") if np.ndim(numbers) == 0 else tuple(map(_rounded, numbers))
