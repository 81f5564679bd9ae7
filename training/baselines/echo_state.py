"""ESN: a random recurrent network of which only the readout is fitted (Jaeger, "The 'echo state' approach", 2001)."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.baselines.baseline import Baseline, Column, Origins, filled, standard
from training.data import Split
from training.readout import STRENGTHS, Moments, Ridge

UNITS = 200
RADII = (0.9, 0.99)
INPUT_SCALES = (0.1, 0.3, 1.0)
WASHOUT = 100  # rows after the zero state that no readout is fitted to
SEED = 0
FED_BACK = 5.0  # standard deviations; a forecast that runs away would be no baseline


@dataclass(frozen=True)
class Reservoir:
    """h_t = tanh(x_t entry + h_{t-1} recurrence' + bias). H units; entry (H, 1), recurrence (H, H), bias (H)."""

    entry: Tensor
    recurrence: Tensor
    bias: Tensor

    @classmethod
    def random(cls, radius: float, input_scale: float) -> "Reservoir":
        """Always the same draw, with the recurrence scaled to a spectral radius."""
        generator = torch.Generator().manual_seed(SEED)
        recurrence = torch.randn(UNITS, UNITS, generator=generator, dtype=torch.float64)
        recurrence *= radius / torch.linalg.eigvals(recurrence).abs().max()
        entry = torch.rand(UNITS, 2, generator=generator, dtype=torch.float64) * 2 - 1
        return cls(input_scale * entry[:, :1], recurrence, input_scale * entry[:, 1])

    def features(self, x: Tensor) -> Tensor:
        """What is known before every row, state and last input; zero before the first. (T,) -> (T + 1, H + 1)"""
        nothing = x.new_zeros(1, UNITS + 1)
        if not len(x):
            return nothing
        parameters = [self.entry, self.recurrence, self.bias, torch.zeros_like(self.bias)]
        start = x.new_zeros(1, 1, UNITS)
        states, _ = torch.rnn_tanh(x.view(1, -1, 1), start, parameters, True, 1, 0.0, False, False, True)
        return torch.cat((nothing, torch.cat((states[0], x[:, None]), dim=1)))

    def step(self, x: Tensor, features: Tensor) -> Tensor:
        """One input more. x: (N, 1), features: (N, H + 1) -> (N, H + 1)"""
        state = torch.tanh(x @ self.entry.T + features[:, :UNITS] @ self.recurrence.T + self.bias)
        return torch.cat((state, x), dim=1)


@dataclass(frozen=True)
class EchoState(Baseline):
    """A reservoir on values scaled by mean and deviation, and its readout: weight (H + 1, 1), bias (1)."""

    name: str
    mean: float
    deviation: float
    reservoir: Reservoir
    weight: Tensor
    bias: Tensor

    def forecasts(self, values: Column, origins: Origins, horizon: int) -> NDArray[np.float64]:
        """As the protocol says: predictions are fed back, within FED_BACK deviations, all origins at once."""
        features = self.reservoir.features(_scaled(values, self.mean, self.deviation))[torch.from_numpy(origins)]
        steps: list[Tensor] = []
        for step in range(horizon):
            if step:
                features = self.reservoir.step(steps[-1].clamp(-FED_BACK, FED_BACK), features)
            steps.append(features @ self.weight + self.bias)  # (N, 1)
        forecasts: NDArray[np.float64] = torch.cat(steps, dim=1).numpy() * self.deviation + self.mean
        return forecasts


def fit(values: Column, split: Split) -> Baseline:
    """Spectral radius, input scale and strength of the ridge by the validation error."""
    candidates = [_strength(Reservoir.random(*pair), values, split) for pair in product(RADII, INPUT_SCALES)]
    _, reservoir, strength = min(candidates, key=lambda candidate: candidate[0])
    fitting = values[: split.calibration]
    mean, deviation = standard(fitting)
    x = _scaled(fitting, mean, deviation)
    weight, bias = _ridge(reservoir.features(x), _targets(fitting, mean, deviation)).solve(strength)
    return EchoState(f"ESN({UNITS})", mean, deviation, reservoir, weight, bias)


def _strength(reservoir: Reservoir, values: Column, split: Split) -> tuple[float, Reservoir, float]:
    """Least mean squared validation error after a fit on the training part, with the strength that it needs."""
    mean, deviation = standard(values[: split.train])
    features = reservoir.features(_scaled(values[: split.validation], mean, deviation))
    targets = _targets(values[: split.validation], mean, deviation)
    ridge = _ridge(features[: split.train + 1], targets[: split.train])
    validation = features[split.train : split.validation]
    errors = []
    for strength in STRENGTHS:
        weight, bias = ridge.solve(strength)
        error = float((validation @ weight + bias - targets[split.train : split.validation]).square().nanmean())
        errors.append((error if np.isfinite(error) else np.inf, strength))
    return min(errors)[0], reservoir, min(errors)[1]


def _ridge(features: Tensor, targets: Tensor) -> Ridge:
    """features: (T + 1, H + 1), targets: (T, 1), after the washout."""
    washout = min(WASHOUT, len(targets) // 4)
    return Ridge(Moments.of(features[washout:-1], targets[washout:]))


def _scaled(values: Column, mean: float, deviation: float) -> Tensor:
    """Inputs: missing ones filled, with the mean where nothing came before. (T,) -> (T,)"""
    return torch.from_numpy((filled(values) - mean) / deviation).nan_to_num(nan=0.0)


def _targets(values: Column, mean: float, deviation: float) -> Tensor:
    return torch.from_numpy((values - mean) / deviation)[:, None]
