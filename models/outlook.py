"""What the errors of a stream so far say of the values to come: intervals, one step ahead and farther.

The state of a stream is flat: for every target the numbers that FIELDS names and the Q quantiles of its errors, then
the two ages of its alarm (`aged`). models/monitor.py says how it moves, at the rates that are named here.
"""

from bisect import bisect
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

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

QUANTILE_RATE = 0.03
"""A quantile moves by so much of itself at most."""

LIMIT = 4.0
"""An error counts for so many levels at most in mean and level: a few wild values blind nobody for long."""

RAMP = 0.1
"""An error so close to a quantile, in levels, counts as partly above it: rounding decides nothing."""

SMALLEST = 1e-3
"""The level never falls below so much of the checkpoint's error: there are no intervals of width zero."""

Numbers = NDArray[np.float32]


def state_size(targets: int) -> int:
    """Numbers that a stream carries for its errors."""
    return targets * (len(FIELDS) + KNOTS) + AGES


class Outlook:
    """What is known of the errors of streams of one checkpoint. It holds no stream's state.

    rate: false alarms per step of an undisturbed stream.
    """

    def __init__(self, calibration: Calibration, rate: float) -> None:
        self.targets = calibration.targets
        self.level = calibration.level
        self.error, self.quantiles = calibration.array("error"), calibration.array("quantiles")
        self.tail, self.settling = calibration.array("tail"), calibration.array("settling")
        self.smallest = np.float32(SMALLEST) * self.error
        self.threshold = alarm.threshold(rate, self.targets)
        self.unlikely = -NormalDist().inv_cdf(alarm.unlikely(rate, self.targets) / 2)  # as a score
        self._horizons, self._paths = np.log(calibration.horizons), calibration.array("paths")  # (J,), (J, O, Q)

    def start(self, streams: int) -> Numbers:
        """Of streams that have seen nothing. (B, S)"""
        fields = np.zeros((self.targets, len(FIELDS)), dtype=np.float32)
        fields[:, FIELDS.index("level")] = self.error
        state = np.concatenate((fields, self.quantiles), axis=1).ravel()
        return np.tile(np.concatenate((state, np.zeros(AGES, dtype=np.float32))), (streams, 1))

    def condition(self, unit: Numbers, state: Numbers) -> tuple[Numbers, Numbers]:
        """What one level of error is now, and the width of the interval at the checkpoint's level.

        unit: of the errors, 0 = not known yet, (B, O), state: (B, S) -> (B, O) each, NaN where no unit is known
        """
        _, size, quantiles = self._spread(unit, state)
        lower, upper = self._between(quantiles, self.level)
        return size, size * (upper - lower)

    def intervals(self, path: Numbers, unit: Numbers, state: Numbers, level: float) -> Numbers:
        """Lower and upper bounds for every step of a forecast. path: (B, K, O), unit: (B, O) -> (2, B, K, O)

        What the stream has shown of its one-step errors is carried over to the checkpoint's quantiles of errors at the
        same horizon, in proportion to their spread; beyond the farthest horizon they stay.
        """
        mean, size, quantiles = self._spread(unit, state)
        place = np.interp(np.log(np.arange(1, path.shape[1] + 1)), self._horizons, np.arange(len(self._horizons)))
        near, weight = np.floor(place).astype(int), (place % 1).astype(np.float32)[:, None, None]
        far = np.minimum(near + 1, len(self._horizons) - 1)
        ahead = self._paths[near] + weight * (self._paths[far] - self._paths[near])  # (K, O, Q)
        low, high = PROBABILITIES.index(0.05), PROBABILITIES.index(0.95)  # farther out a few errors decide
        usual = np.maximum(self.quantiles[:, high] - self.quantiles[:, low], np.float32(1e-6))
        wider = (ahead[..., high] - ahead[..., low]) / usual
        shown = (quantiles - self.quantiles)[:, None]  # (B, 1, O, Q)
        quantiles = np.sort(ahead + shown * wider[..., None], axis=3)
        bounds: Numbers = path + (unit * mean)[:, None] + size[:, None] * self._between(quantiles, level)
        return bounds

    @lru_cache(maxsize=64)  # noqa: B019  # there is one outlook, as long as the process lives
    def bound(self, level: float) -> tuple[Numbers, int, int]:
        """The lower error is a sum of two quantiles: their shares (O, 2) and places. The upper is its mirror image."""
        edge, rare = PROBABILITIES[0], (1 - level) / 2
        if rare >= edge:
            place = min(bisect(PROBABILITIES, rare), KNOTS - 1)
            before, after = SCORES[place - 1 : place + 1]
            share = (NormalDist().inv_cdf(rare) - before) / (after - before)
            return np.tile(np.array((1 - share, share), dtype=np.float32), (self.targets, 1)), place - 1, place
        scale, shape = self.tail.astype(np.float64).T
        beyond = scale * ((rare / edge) ** -shape - 1) / shape
        return np.stack((1 + beyond, -beyond), axis=1).astype(np.float32), 0, KNOTS - 1

    def _spread(self, unit: Numbers, state: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Mean error and what one level is now (NaN where the unit is not known), (B, O); quantiles (B, O, Q)."""
        fields = state[:, :-AGES].reshape(len(state), self.targets, -1)
        count, _, mean, level = (fields[..., place] for place in range(4))
        young = np.minimum(np.frexp(count)[1], len(self.settling) - 1)
        size = np.where(unit > 0, unit * level * self.settling[young], np.float32(np.nan))
        return mean, size, fields[..., len(FIELDS) :]

    def _between(self, quantiles: Numbers, level: float) -> Numbers:
        """Errors between which so many lie. (..., O, Q) -> (2, ..., O)"""
        shares, near, far = self.bound(level)
        own, other = shares[:, 0], shares[:, 1]
        lower = own * quantiles[..., near] + other * quantiles[..., far]
        upper = own * quantiles[..., KNOTS - 1 - near] + other * quantiles[..., KNOTS - 1 - far]
        return np.stack((lower, upper))
