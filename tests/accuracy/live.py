"""One series, live: how intervals, forecasts and alarms do on its test part, value by value through the service."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from models import Calibration, Predictor
from models.calibration import LEVEL
from models.elman import Elman
from models.predictor import Values
from tests.accuracy.engine import Heard, adapted, hear
from tests.accuracy.scores import hits, mean, rmse, winkler, worst_window
from training.accuracy import CHEAP, Case
from training.calibrate import calibrate
from training.choice import read_with
from training.evaluate import origins_of
from training.loop import Options
from training.train import Trained, train

HORIZONS = (1, 8, 24)


@dataclass(frozen=True)
class Figures:
    """Of one target. Shares are of the test part's values that are known; widths and scores are in raw units.

    rows: values judged. worst: coverage of the worst window. ahead: coverage by steps ahead, of forecasts. adapted:
    RMSE with a readout that goes on learning over RMSE without.
    """

    target: str
    rows: int
    coverage: float
    worst: float
    width: float
    naive_width: float
    winkler: float
    naive_winkler: float
    ahead: Mapping[int, float]
    adapted: float

    @property
    def to_naive(self) -> float:
        """The network's Winkler score over that of persistence, whose intervals are made in the same way."""
        return self.winkler / self.naive_winkler


@dataclass(frozen=True)
class Outcome:
    """How one seed did: what was kept, alarms per 10,000 steps, and the figures of every target."""

    kept: str
    alarms: float
    figures: tuple[Figures, ...]


def outcome(task: tuple[Case, int]) -> Outcome:
    """Train the default configuration with a seed, and go through the test part value by value."""
    case, seed = task
    trained = trained_on(case, seed)
    return judged(case, trained, heard_of(case, trained))


def trained_on(case: Case, seed: int) -> Trained:
    """The default configuration."""
    return train(case.dataset, [case.split], replace(Options(), seed=seed), names=CHEAP[:1])


def heard_of(case: Case, trained: Trained) -> Heard:
    """The test part through the engine, with forecasts from up to 100 places of it."""
    values, split = case.dataset.series[0].values, case.split
    horizon = max(h for h in HORIZONS if h <= split.rows - split.calibration)
    return hear(trained.checkpoint, values, split.calibration, origins_of(split, horizon), horizon)


def judged(case: Case, trained: Trained, heard: Heard) -> Outcome:
    """All figures of what was heard, and of persistence and the adapting readout beside it."""
    values, begin = case.dataset.series[0].values, case.split.calibration
    learning = adapted(trained.checkpoint, values, begin)
    naive_lower, naive_upper = persistence(case, trained)
    figures = []
    for column, target in enumerate(case.dataset.features[: case.dataset.targets]):
        truth, lower, upper = values[begin:, column], heard.lower[:, column], heard.upper[:, column]
        naive = naive_lower[:, column], naive_upper[:, column]
        inside = hits(truth, lower, upper)
        figures.append(
            Figures(
                target,
                len(inside),
                mean(inside),
                worst_window(inside),
                mean(upper - lower),
                mean(naive[1] - naive[0]),
                winkler(truth, lower, upper, LEVEL),
                winkler(truth, *naive, LEVEL),
                ahead(case, heard, column),
                rmse(learning[:, column] - truth) / rmse(heard.predictions[:, column] - truth),
            )
        )
    return Outcome(trained.record["kept"]["kept"], 1e4 * len(heard.raised) / len(heard.predictions), tuple(figures))


def ahead(case: Case, heard: Heard, column: int) -> dict[int, float]:
    """Share of values within the intervals of forecasts, by steps ahead."""
    truth, horizon = case.dataset.series[0].values[:, column], heard.ahead_lower.shape[1]
    origins = np.array(origins_of(case.split, horizon))
    bounds = heard.ahead_lower[..., column], heard.ahead_upper[..., column]
    return {
        h: mean(hits(truth[origins + h - 1], *(side[:, h - 1] for side in bounds))) for h in HORIZONS if h <= horizon
    }


@torch.no_grad()
def persistence(case: Case, trained: Trained) -> tuple[Values, Values]:
    """Lower and upper bounds (N, O) of the test part around the value before, made in the same way as the network's.

    A network of the same architecture that says no change, calibrated on the same rows, in the same runtime.
    """
    network = no_change(trained.checkpoint.network)
    scaler, targets, begin = trained.checkpoint.scaler, case.dataset.targets, case.split.calibration
    values = case.dataset.series[0].values
    known: Calibration | None = calibrate(network, [scaler.scaled(values)], [case.split], targets, LEVEL)
    predictor = Predictor(network.weights(), scaler, "cpu", targets, known)
    watch = predictor.observe(values[None, :-1], predictor.zero_context()).watch
    if watch is None:
        nothing = np.full((len(values) - begin, targets), np.nan)
        return nothing, nothing
    return watch.lower[0, begin - 1 :], watch.upper[0, begin - 1 :]


@torch.no_grad()
def no_change(network: Elman) -> Elman:
    """A network of the same architecture, in float64, whose prediction is the last value."""
    clone = Elman(replace(network.config, residual=True))
    clone.load_state_dict(network.state_dict())
    clone = clone.double()
    outputs = clone.readout_weight.shape[1]
    read_with(clone, torch.zeros_like(clone.readout_weight), clone.readout_weight.new_zeros(outputs))
    return clone


def record(one: Outcome) -> dict[str, Any]:
    """As JSON holds it."""
    figures = [vars(of) | {"ahead": {str(h): share for h, share in of.ahead.items()}} for of in one.figures]
    return vars(one) | {"figures": figures}
