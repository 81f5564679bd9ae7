"""How far predictions are from what happens, stream by stream: intervals, p-values, alarms.

Every stream carries the running mean and level of its errors, and quantiles of the errors in units of that level. Each
value moves the quantiles a little towards where they would have been right (online conformal prediction: the
quantile tracker of Angelopoulos, Candes & Tibshirani, arXiv 2307.16895, which follows the adaptive conformal inference
of Gibbs & Candes, arXiv 2106.00170), so that coverage holds when the stream drifts. They are sorted after every move
(Chernozhukov, Fernandez-Val & Galichon, Econometrica 78, 2010).

The state of a stream is flat: for every target the numbers that FIELDS names and the Q quantiles, then the two ages of
the alarm (models/alarm.py). All functions are pure and take a batch of streams.
"""

from bisect import bisect
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import alarm
from models.calibration import PROBABILITIES, Calibration

FIELDS = ("count", "last", "mean", "level", "high", "low")
KNOTS = len(PROBABILITIES)
SCORES = tuple(map(NormalDist().inv_cdf, PROBABILITIES))
AGES = 2

LEVEL_RATE = 0.05
"""Weight of the newest error in the level."""

MEAN_RATE, MEAN_RATE_IN_ALARM = 0.005, 0.1
"""Weight of the newest error in the mean: slow, so that the charts see a shift, and fast while one of them is full."""

QUANTILE_RATE = 0.05
"""A quantile moves by so much of itself at most."""

LIMIT = 5.0
"""An error counts for so many levels at most in mean and level: a few wild values blind nobody for long."""

RAMP = 0.1
"""An error so close to a quantile, in levels, counts as partly above it: rounding decides nothing."""

SMALLEST = 1e-3
"""The level never falls below so much of the checkpoint's error: there are no intervals of width zero."""


def state_size(targets: int) -> int:
    """Numbers that a stream carries for its errors."""
    return targets * (len(FIELDS) + KNOTS) + AGES


@dataclass(frozen=True, slots=True)
class Seen:
    """What one value told, (B, O) each, NaN where it is missing or nothing was predicted.

    p: two-sided p-value; error: |value - prediction|, naive: |value - value before|, in the stream's unit.
    """

    p: Tensor
    error: Tensor
    naive: Tensor


class Monitor:
    """The errors of streams of one checkpoint, on a device. It holds no stream's state.

    rate: false alarms per step of an undisturbed stream.
    """

    def __init__(self, calibration: Calibration, device: torch.device, rate: float) -> None:
        def tensor(numbers: object) -> Tensor:
            return torch.tensor(np.asarray(numbers, dtype=np.float32), device=device)

        self.targets = calibration.targets
        self.level = calibration.level
        self._horizons = np.log(calibration.horizons)
        self._paths = tensor(calibration.paths)  # (J, O, Q)
        self._error, self._quantiles = tensor(calibration.error), tensor(calibration.quantiles)
        self.tail = tensor(calibration.tail)  # (O, 2)
        self.settling = tensor(calibration.settling)
        self.smallest = SMALLEST * self._error
        self._probabilities = tensor(PROBABILITIES)
        self._rises = tensor(np.diff(SCORES))
        self.threshold = alarm.threshold(rate, self.targets)
        self.unlikely = -NormalDist().inv_cdf(alarm.unlikely(rate, self.targets) / 2)  # as a score

    def start(self, streams: int) -> Tensor:
        """Of streams that have seen nothing. (B, S)"""
        fields = self._error.new_zeros(self.targets, len(FIELDS))
        fields[:, FIELDS.index("level")] = self._error
        state = torch.cat((fields, self._quantiles), dim=1).flatten()
        return torch.cat((state, state.new_zeros(AGES))).repeat(streams, 1)

    def update(self, x: Tensor, y: Tensor, unit: Tensor, state: Tensor) -> tuple[Seen, Tensor]:
        """One value x, NaN = missing, of which y was predicted; unit: of the errors, 0 = not known yet.

        x, y, unit: (B, O), state: (B, S) -> what it told, state: (B, S)
        """
        before, ages = state[:, :-AGES].reshape(len(state), self.targets, -1), state[:, -AGES:]
        count, last, mean, level, high, low = before[..., : len(FIELDS)].unbind(dim=2)
        quantiles = before[..., len(FIELDS) :]
        missing = x.isnan()
        told = ~missing & (count > 0) & (unit > 0)
        error = (x - y) / unit
        expected = level * self._unsettled(count)
        z = torch.where(told, (error - mean) / expected, 0.0)
        score = self._score(z, quantiles)
        p = torch.erfc(score.abs() * 0.5**0.5)
        high, low = alarm.charted(score, high, low, self.threshold)
        bounded = z.clamp(-LIMIT, LIMIT)
        rate = torch.where(torch.maximum(high, low) > self.threshold, MEAN_RATE_IN_ALARM, MEAN_RATE)
        mean = mean + rate * bounded * expected
        level = torch.maximum(level * (1 - LEVEL_RATE + LEVEL_RATE * bounded.abs()), self.smallest)
        below = ((quantiles - z[..., None]) / RAMP + 0.5).clamp(0, 1)
        pace = QUANTILE_RATE * quantiles.abs().clamp(min=RAMP)
        quantiles = (quantiles + pace * (self._probabilities - below)).sort(dim=2).values
        fields = torch.stack((mean, level, high, low), dim=2)
        moved = torch.where(told[..., None], torch.cat((fields, quantiles), dim=2), before[..., 2:])
        seen = torch.stack(((count + ~missing).clamp(max=self._settled), torch.where(missing, y, x)), dim=2)
        after = torch.cat((seen, moved), dim=2)
        top = moved[..., 2:4].amax(dim=2)  # the fuller chart
        raised = ((top > self.threshold) | (told & (score.abs() > self.unlikely))).any(dim=1)
        calm = (top <= self.threshold / 2).all(dim=1)
        ages = alarm.aged(ages, raised, calm)
        found = torch.stack((p, error.abs(), (x - last).abs() / unit))
        p, error, naive = torch.where(told, found, torch.nan)
        return Seen(p, error, naive), torch.cat((after.flatten(1), ages), dim=1)

    def interval(self, y: Tensor, unit: Tensor, state: Tensor, level: float) -> Tensor:
        """Lower and upper bound for the value that y predicts. (B, O) -> (2, B, O), NaN where no unit is known yet."""
        mean, size, quantiles = self._spread(unit, state)
        return y + unit * mean + size * self._between(quantiles, level)

    def intervals(self, path: Tensor, unit: Tensor, state: Tensor, level: float) -> Tensor:
        """The same for every step of a forecast. path: (B, K, O), unit: (B, O) -> (2, B, K, O)

        What the stream has shown of its one-step errors is carried over to the checkpoint's quantiles of errors at the
        same horizon, in proportion to their spread; beyond the farthest horizon they stay.
        """
        mean, size, quantiles = self._spread(unit, state)
        place = np.interp(np.log(np.arange(1, path.shape[1] + 1)), self._horizons, np.arange(len(self._horizons)))
        near, weight = np.floor(place).astype(int), torch.tensor(place % 1, dtype=path.dtype, device=path.device)
        far = np.minimum(near + 1, len(self._horizons) - 1)
        ahead = torch.lerp(self._paths[near], self._paths[far], weight[:, None, None])  # (K, O, Q)
        low, high = PROBABILITIES.index(0.05), PROBABILITIES.index(0.95)  # farther out a few errors decide
        usual = (self._quantiles[:, high] - self._quantiles[:, low]).clamp(min=1e-6)
        wider = (ahead[..., high] - ahead[..., low]) / usual
        shown = (quantiles - self._quantiles)[:, None]  # (B, 1, O, Q)
        quantiles = (ahead + shown * wider[..., None]).sort(dim=3).values
        return path + (unit * mean)[:, None] + size[:, None] * self._between(quantiles, level)

    def condition(self, unit: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """What one level of error is now, and the width of the interval at the checkpoint's level. (B, O)"""
        _, size, _ = self._spread(unit, state)
        low, high = self.interval(torch.zeros_like(unit), unit, state, self.level)
        return size, high - low

    @property
    def _settled(self) -> int:
        """From so many observations on, settling does not matter."""
        return int(2 ** (len(self.settling) - 1))

    def _spread(self, unit: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean error and what one level is now (NaN where the unit is not known), (B, O); quantiles (B, O, Q)."""
        fields = state[:, :-AGES].reshape(len(state), self.targets, -1)
        count, _, mean, level = fields[..., :4].unbind(dim=2)
        size = unit * level * self._unsettled(count)
        return mean, torch.where(unit > 0, size, torch.nan), fields[..., len(FIELDS) :]

    def _unsettled(self, count: Tensor) -> Tensor:
        """By how much errors are larger after so many observations."""
        return self.settling[torch.frexp(count).exponent.clamp(max=len(self.settling) - 1)]

    def _score(self, z: Tensor, quantiles: Tensor) -> Tensor:
        """The normal score of an error: linear between quantiles, by the tail beyond. (B, O), (B, O, Q) -> (B, O)"""
        first, final = quantiles[..., 0], quantiles[..., -1]
        passed = ((z[..., None] - quantiles[..., :-1]) / quantiles.diff(dim=2).clamp(min=1e-9)).clamp(0, 1)
        inside = SCORES[0] + passed @ self._rises
        beyond = torch.maximum(first - z, z - final).clamp(min=0) / (final - first).clamp(min=1e-6)
        scale, shape = self.tail.unbind(dim=1)
        rarer = (1 + shape * beyond / scale).clamp(min=0.02) ** (-1 / shape)
        outside = torch.special.ndtri((PROBABILITIES[0] * rarer).clamp(min=1e-12))
        return torch.where(z < first, outside, torch.where(z > final, -outside, inside))

    def _between(self, quantiles: Tensor, level: float) -> Tensor:
        """The inverse: errors between which so many lie. (..., O, Q) -> (2, ..., O)"""
        shares, near, far = self.bound(level)
        own, other = torch.tensor(shares, dtype=torch.float32, device=quantiles.device).unbind(dim=1)
        lower = own * quantiles[..., near] + other * quantiles[..., far]
        upper = own * quantiles[..., KNOTS - 1 - near] + other * quantiles[..., KNOTS - 1 - far]
        return torch.stack((lower, upper))

    @lru_cache(maxsize=64)  # noqa: B019  # there is one monitor, as long as the process lives
    def bound(self, level: float) -> tuple[NDArray[np.float64], int, int]:
        """The lower error is a sum of two quantiles: their shares (O, 2) and places. The upper is its mirror image."""
        edge, rare = PROBABILITIES[0], (1 - level) / 2
        if rare >= edge:
            place = min(bisect(PROBABILITIES, rare), KNOTS - 1)
            before, after = SCORES[place - 1 : place + 1]
            share = (NormalDist().inv_cdf(rare) - before) / (after - before)
            return np.tile((1 - share, share), (self.targets, 1)), place - 1, place
        scale, shape = self.tail.cpu().numpy().astype(np.float64).T
        beyond = scale * ((rare / edge) ** -shape - 1) / shape
        return np.stack((1 + beyond, -beyond), axis=1), 0, KNOTS - 1
