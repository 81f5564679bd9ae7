"""Made streams, of which everything is known: how rarely a clean one raises an alarm, how soon a shifted one does.

Axes: B streams, T time. A size is in standard deviations of the noise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import Predictor
from models.outlook import AGES
from training.accuracy import CHEAP
from training.data import Dataset, Series, Split
from training.loop import Options
from training.train import train

Values = NDArray[np.float64]
Make = Callable[[np.random.Generator, int, int], Values]

LEVEL, SIGMA = 50.0, 4.0
ROWS, TEST_SHARE = 3000, 0.2
"""Of the series that is learned from; the last rows are never seen."""

STREAMS, STEPS = 200, 5000
RATES = (1e-4, 1e-3)
SIZES = (5.0, 1.0)
BEFORE, AFTER = 1000, 1200
"""Steps of a stream before its shift and after it."""

WITHIN = 300
"""An alarm that comes later does not count as having found a shift."""

CALM_STEPS, RARE, CALM = 100, 0.05, 0.10
"""Calm is a stream of which less than 10 % of the next 100 p-values are below 0.05."""

BINS = 20


def white(random: np.random.Generator, streams: int, steps: int) -> Values:
    """Noise around a level. (B, T)"""
    return LEVEL + SIGMA * random.normal(size=(streams, steps))


def heavy(random: np.random.Generator, streams: int, steps: int) -> Values:
    """The same with Student's t of 5 degrees of freedom, scaled to the same standard deviation. (B, T)"""
    return LEVEL + SIGMA / sqrt(5 / 3) * random.standard_t(5, size=(streams, steps))


def autoregression(random: np.random.Generator, streams: int, steps: int) -> Values:
    """AR(1) with 0.7. (B, T)"""
    noise = random.normal(size=(streams, steps + 50))
    for t in range(1, steps + 50):
        noise[:, t] += 0.7 * noise[:, t - 1]
    values: Values = LEVEL + SIGMA * noise[:, 50:]
    return values


def sine(random: np.random.Generator, streams: int, steps: int) -> Values:
    """A sine of 24 steps, from any phase, under noise of a third of its amplitude. (B, T)"""
    phases = random.uniform(0, 2 * np.pi, size=(streams, 1))
    return white(random, streams, steps) + 3 * SIGMA * np.sin(phases + 2 * np.pi / 24 * np.arange(steps))


KINDS: Mapping[str, Make] = {
    "white noise": white,
    "AR(1), 0.7": autoregression,
    "sine + noise": sine,
    "heavy tails, t(5)": heavy,
}


@dataclass(frozen=True)
class Shifted:
    """What came of a shift: share of the streams that raised an alarm within WITHIN steps, and the median delay.

    A delay of 1 is an alarm at the first shifted value; infinite where half of the streams raised none. rare: share of
    the p-values below RARE in the first CALM_STEPS after the shift; wider: mean width of the intervals in these over
    that in so many steps before; calm: median of the steps until p-values are calm.
    """

    found: float
    delay: float
    rare: float
    wider: float
    calm: float


@dataclass(frozen=True)
class Outcome:
    """How one seed did on a kind of stream.

    alarms: false ones per 10,000 steps, by rate. below: share of p-values below .01 and .1. uneven: by how much of a
    twentieth one of 20 bins of p-values is fuller or emptier, at most. shifted: by size.
    """

    kept: str
    alarms: Mapping[float, float]
    below: Mapping[float, float]
    uneven: float
    shifted: Mapping[float, Shifted]


@dataclass(frozen=True)
class Watched:
    """p: p-values; width: of the interval for the next value, raw units; began: whether an alarm began; runs: whether
    one runs. All (B, T).
    """

    p: Values
    width: Values
    began: NDArray[np.bool_]
    runs: NDArray[np.bool_]


def outcome(task: tuple[str, int]) -> Outcome:
    """Train the default configuration on one stream of a kind, and watch others of the same kind."""
    kind, seed = task
    make, random = KINDS[kind], np.random.default_rng([seed, list(KINDS).index(kind)])
    split = Split.of(ROWS, None, TEST_SHARE)
    dataset = Dataset(kind, "", ("value",), 1, (Series(kind, make(random, 1, ROWS).T, None),), ())
    trained = train(dataset, [split], replace(Options(), seed=seed), names=CHEAP[:1])
    clean = make(random, STREAMS, STEPS)
    seen = {rate: watched(trained.checkpoint.predictor("cpu", alarm_rate=rate), clean) for rate in RATES}
    p = seen[RATES[0]].p
    known = p[np.isfinite(p)]
    return Outcome(
        trained.record["kept"]["kept"],
        {rate: 1e4 * float(found.began.mean()) for rate, found in seen.items()},
        {limit: float((known < limit).mean()) for limit in (0.01, 0.1)},
        uneven(known),
        shifts(trained.checkpoint.predictor("cpu"), make(random, STREAMS, BEFORE + AFTER)),
    )


def watched(predictor: Predictor, values: Values) -> Watched:
    """All streams side by side from the zero context, step by step. values: (B, T) raw units, of the only feature."""
    context, p, widths, ages = predictor.zero_context(len(values)), [], [], []
    for t in range(values.shape[1]):
        observed = predictor.observe(values[:, t, None, None], context)
        context = observed.context
        assert observed.watch is not None
        p.append(observed.watch.anomaly[:, 0, 0])
        widths.append((observed.watch.upper - observed.watch.lower)[:, 0, 0])
        ages.append(context[:, -AGES:])
    since, over = np.stack(ages, axis=2).transpose(1, 0, 2)
    return Watched(np.stack(p, axis=1), np.stack(widths, axis=1), since == 1, (since > 0) & (over == 0))


def shifts(predictor: Predictor, values: Values) -> dict[float, Shifted]:
    """The same streams, all values from BEFORE on shifted by each of SIZES. values: (B, BEFORE + AFTER) raw units"""
    moved = np.arange(values.shape[1]) >= BEFORE
    seen = watched(predictor, np.concatenate([values + size * SIGMA * moved for size in SIZES]))
    parts = [Watched(*(part[at : at + len(values)] for part in vars(seen).values())) for at in _places(values)]
    return {size: shifted(part, BEFORE) for size, part in zip(SIZES, parts, strict=True)}


def shifted(seen: Watched, at: int) -> Shifted:
    """What came of a shift at a step; streams in which an alarm was running already are left out."""
    quiet = ~seen.runs[:, at - 1]
    began: NDArray[np.bool_] = seen.began[quiet, at : at + WITHIN]
    p: Values = seen.p[quiet, at:]
    delays = np.where(began.any(axis=1), began.argmax(axis=1) + 1.0, np.inf)
    rare = float((p[:, :CALM_STEPS] < RARE).mean())
    width = seen.width[quiet]
    wider = float(width[:, at : at + CALM_STEPS].mean() / width[:, at - CALM_STEPS : at].mean())
    found = float(np.isfinite(delays).mean())
    return Shifted(found, float(np.median(delays)), rare, wider, float(np.median(calm_after(p))))


def calm_after(p: Values) -> Values:
    """The first step after which less than CALM of the next CALM_STEPS p-values are below RARE. (B, T) -> (B,)"""
    sums = np.cumsum(np.pad(p < RARE, ((0, 0), (1, 0))), axis=1)
    calm = np.less((sums[:, CALM_STEPS:] - sums[:, :-CALM_STEPS]) / CALM_STEPS, CALM)
    steps: Values = np.where(calm.any(axis=1), calm.argmax(axis=1), np.inf)
    return steps


def uneven(p: Values) -> float:
    """By how much, as a share of what it ought to hold, one of BINS bins is fuller or emptier, at most. (N,)"""
    counts, _ = np.histogram(p, bins=BINS, range=(0, 1))
    return float(np.abs(counts / len(p) * BINS - 1).max())


def record(one: Outcome) -> dict[str, Any]:
    """As JSON holds it."""
    shifted = {f"{size:g}": vars(found) for size, found in one.shifted.items()}
    named = {name: {f"{key:g}": share for key, share in getattr(one, name).items()} for name in ("alarms", "below")}
    return vars(one) | named | {"shifted": shifted}


def _places(values: Values) -> range:
    return range(0, len(SIZES) * len(values), len(values))
