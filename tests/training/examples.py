"""Small series that a test can say something about, and what it takes to train on them."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models import ElmanConfig
from training.data import Dataset, Series, Split
from training.fit import Fit, fit, silent
from training.loop import Options
from training.streams import Streams, groups_of
from training.team import Team
from training.train import Trained, train

Values = NDArray[np.float64]

QUICK = Options(hidden_size=8, starts=1, epochs=3)


def sine(rows: int, step: float = 0.3) -> Values:
    """(T, 1)"""
    values: Values = np.sin(step * np.arange(rows))[:, None]
    return values


def logistic(rows: int, start: float = 0.3) -> Values:
    """A chaotic parabola that no linear readout follows. (T, 1)"""
    values = [start]
    while len(values) < rows:
        values.append(3.8 * values[-1] * (1 - values[-1]))
    return np.array(values)[:, None]


def autoregression(rows: int, seed: int = 0) -> Values:
    """AR(2). (T, 1)"""
    values, shocks = [0.0, 0.0], np.random.default_rng(seed).normal(size=rows + 100)
    for shock in shocks:
        values.append(1.2 * values[-1] - 0.7 * values[-2] + shock)
    return np.array(values[-rows:])[:, None]


def random_walk(rows: int, seed: int = 1) -> Values:
    """(T, 1)"""
    return np.random.default_rng(seed).normal(size=(rows, 1)).cumsum(axis=0)


def dataset(*values: Values, targets: int | None = None) -> Dataset:
    """Series s0, s1, … of features f0, f1, …"""
    features = tuple(f"f{number}" for number in range(values[0].shape[1]))
    series = tuple(Series(f"s{number}", one, None) for number, one in enumerate(values))
    return Dataset("examples", "0" * 64, features, targets or len(features), series, ())


def splits(*values: Values) -> list[Split]:
    """The default ones."""
    return [Split.of(len(one), None, 0.15) for one in values]


def trained(*values: Values, options: Options = QUICK, targets: int | None = None) -> Trained:
    """Judged beside the last value alone, which is fast."""
    return train(dataset(*values, targets=targets), splits(*values), options, names=("naive",))


def grouped(*values: Values) -> list[Streams]:
    """Already scaled."""
    return groups_of([one.astype(np.float32) for one in values], splits(*values), 10)


def fitted(*values: Values, options: Options = QUICK, taps: Sequence[tuple[int, ...]] = ((1, 2, 3),)) -> Fit:
    """A fit to scaled series, all features of which are targets."""
    features = values[0].shape[1]
    config = ElmanConfig(
        features,
        options.hidden_size,
        features,
        options.num_layers,
        options.nonlinearity,
        options.bias,
        tuple(sorted(set().union(*taps))),
        options.residual,
        bool(options.per_stream_scale),
    )
    return fit(grouped(*values), config, taps, features, options, Team(), silent)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Whether two networks have the same weights, bit for bit."""
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
