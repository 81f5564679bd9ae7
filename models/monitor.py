"""How the errors of streams move what is known of them, value by value: p-values, intervals, alarms, in PyTorch.

Every stream carries the running mean and level of its errors, and quantiles of the errors in units of that level. Each
value moves the quantiles a little towards where they would have been right (online conformal prediction: the
quantile tracker of Angelopoulos, Candes & Tibshirani, arXiv 2307.16895, which follows the adaptive conformal inference
of Gibbs & Candes, arXiv 2106.00170), so that coverage holds when the stream drifts. They are sorted after every move
(Chernozhukov, Fernandez-Val & Galichon, Econometrica 78, 2010).

models/outlook.py describes the state of a stream. All functions are pure and take a batch of streams.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from models.alarm import CLIP, LATE, ROOM, SLACK, STEEP
from models.calibration import PROBABILITIES
from models.outlook import (
    AGES,
    FIELDS,
    KNOTS,
    LEVEL_RATE,
    LIMIT,
    MEAN_RATE,
    MEAN_RATE_IN_ALARM,
    QUANTILE_RATE,
    RAMP,
    SCORES,
    Outlook,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one value told, (B, O) each, NaN where it is missing or nothing was predicted.

    p: two-sided p-value; error: |value - prediction|, naive: |value - value before|, in the stream's unit.
    """

    p: Tensor
    error: Tensor
    naive: Tensor


class Monitor:
    """The errors of streams of one checkpoint, on a device. It holds no stream's state."""

    def __init__(self, outlook: Outlook, device: torch.device) -> None:
        def tensor(numbers: object) -> Tensor:
            return torch.tensor(np.asarray(numbers, dtype=np.float32), device=device)

        self.outlook = outlook
        self.targets, self.level = outlook.targets, outlook.level
        self._tail, self._settling, self._smallest = map(tensor, (outlook.tail, outlook.settling, outlook.smallest))
        self._probabilities = tensor(PROBABILITIES)
        self._rises = tensor(np.diff(SCORES))

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
        high, low = charted(score, high, low, self.outlook.threshold)
        bounded = z.clamp(-LIMIT, LIMIT)
        rate = torch.where(torch.maximum(high, low) > self.outlook.threshold, MEAN_RATE_IN_ALARM, MEAN_RATE)
        mean = mean + rate * bounded * expected
        level = torch.maximum(level * (1 - LEVEL_RATE + LEVEL_RATE * bounded.abs()), self._smallest)
        below = ((quantiles - z[..., None]) / RAMP + 0.5).clamp(0, 1)
        pace = QUANTILE_RATE * quantiles.abs().clamp(min=RAMP)
        quantiles = (quantiles + pace * (self._probabilities - below)).sort(dim=2).values
        fields = torch.stack((mean, level, high, low), dim=2)
        moved = torch.where(told[..., None], torch.cat((fields, quantiles), dim=2), before[..., 2:])
        seen = torch.stack(((count + ~missing).clamp(max=self._settled), torch.where(missing, y, x)), dim=2)
        after = torch.cat((seen, moved), dim=2)
        top = moved[..., 2:4].amax(dim=2)  # the fuller chart
        raised = ((top > self.outlook.threshold) | (told & (score.abs() > self.outlook.unlikely))).any(dim=1)
        calm = (top <= self.outlook.threshold / 2).all(dim=1)
        ages = aged(ages, raised, calm)
        found = torch.stack((p, error.abs(), (x - last).abs() / unit))
        p, error, naive = torch.where(told, found, torch.nan)
        return Seen(p, error, naive), torch.cat((after.flatten(1), ages), dim=1)

    def interval(self, y: Tensor, unit: Tensor, state: Tensor, level: float) -> Tensor:
        """Lower and upper bound for the value that y predicts. (B, O) -> (2, B, O), NaN where no unit is known yet."""
        mean, size, quantiles = self._spread(unit, state)
        return y + unit * mean + size * self._between(quantiles, level)

    @property
    def _settled(self) -> int:
        """From so many observations on, settling does not matter."""
        return int(2 ** (len(self._settling) - 1))

    def _spread(self, unit: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean error and what one level is now (NaN where the unit is not known), (B, O); quantiles (B, O, Q)."""
        fields = state[:, :-AGES].reshape(len(state), self.targets, -1)
        count, _, mean, level = fields[..., :4].unbind(dim=2)
        size = unit * level * self._unsettled(count)
        return mean, torch.where(unit > 0, size, torch.nan), fields[..., len(FIELDS) :]

    def _unsettled(self, count: Tensor) -> Tensor:
        """By how much errors are larger after so many observations."""
        return self._settling[torch.frexp(count).exponent.clamp(max=len(self._settling) - 1)]

    def _score(self, z: Tensor, quantiles: Tensor) -> Tensor:
        """The normal score of an error: linear between quantiles, by the tail beyond. (B, O), (B, O, Q) -> (B, O)"""
        first, final = quantiles[..., 0], quantiles[..., -1]
        passed = ((z[..., None] - quantiles[..., :-1]) / quantiles.diff(dim=2).clamp(min=1e-9)).clamp(0, 1)
        inside = SCORES[0] + passed @ self._rises
        beyond = torch.maximum(first - z, z - final).clamp(min=0) / (final - first).clamp(min=1e-6)
        scale, shape = self._tail.unbind(dim=1)
        rarer = (1 + shape * beyond / scale).clamp(min=0.02) ** (-1 / shape)
        outside = torch.special.ndtri((PROBABILITIES[0] * rarer).clamp(min=1e-12))
        return torch.where(z < first, outside, torch.where(z > final, -outside, inside))

    def _between(self, quantiles: Tensor, level: float) -> Tensor:
        """The inverse: errors between which so many lie. (..., O, Q) -> (2, ..., O)"""
        own, other, near, far = self._bound(level)
        lower = own * quantiles[..., near] + other * quantiles[..., far]
        upper = own * quantiles[..., KNOTS - 1 - near] + other * quantiles[..., KNOTS - 1 - far]
        return torch.stack((lower, upper))

    @lru_cache(maxsize=64)  # noqa: B019  # there is one monitor, as long as the process lives
    def _bound(self, level: float) -> tuple[Tensor, Tensor, int, int]:
        """`Outlook.bound` on the device."""
        shares, near, far = self.outlook.bound(level)
        own, other = torch.tensor(shares, device=self._tail.device).unbind(dim=1)
        return own, other, near, far


def charted(score: Tensor, high: Tensor, low: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """The charts for too high and too low values after one more score; all (B, O)."""
    room, score = ROOM * threshold, score.clamp(-CLIP, CLIP)
    rise, fall = (torch.maximum(away - SLACK, STEEP * away - LATE) for away in (score, -score))
    return (high + rise).clamp(0.0, room), (low + fall).clamp(0.0, room)


def aged(ages: Tensor, raised: Tensor, calm: Tensor) -> Tensor:
    """The alarm of every stream after one more step. raised, calm: (B,), ages: (B, 2) -> (B, 2)

    ages: steps since the last alarm began, itself included, 0: there was none; and since it ended, 0: it is running.
    A running alarm ends when everything is calm.
    """
    since, over = ages.unbind(dim=1)
    was = (since > 0) & (over == 0)
    runs = raised | (was & ~calm)
    since = torch.where(runs & ~was, 1.0, since + (since > 0))
    over = torch.where(runs, 0.0, over + ((over > 0) | was))
    return torch.stack((since, over), dim=1)
