"""What a checkpoint knows of its network's errors before a stream has shown its own.

An error is what happened minus what was predicted, in the stream's unit: one scaled unit, or with `per_stream_scale`
the stream's running scale.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROBABILITIES = (
    *(0.0005, 0.005, 0.0125, 0.025, 0.05, 0.1, 0.15, 0.25, 0.375),
    0.5,
    *(0.625, 0.75, 0.85, 0.9, 0.95, 0.975, 0.9875, 0.995, 0.9995),
)
"""At which the distribution of errors is known; between them and beyond it is interpolated."""

LEVEL = 0.9

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Calibration:
    """Statistics of errors on data of their own, which the network did not learn from. O targets, Q probabilities.

    level: coverage of an interval where no other is asked for.
    error: (O,) mean absolute one-step error.
    quantiles: (O, Q) of one-step errors over the running level of error before them.
    tail: (O, 2) of what lies beyond the outermost quantiles, in units of the distance between these two: scale and
        shape of a generalised Pareto distribution (Pickands, Annals of Statistics 3, 1975).
    settling: how much larger errors are while a context is young, after 0, 1, 2 to 3, 4 to 7, ... observations; from
        the last number of observations on they are as they will be.
    horizons: (J,) steps ahead, rising from 1; paths: (J, O, Q) as `quantiles`, of forecasts so far ahead.

    Raises:
        ValueError: the parts do not fit each other, or a number is impossible.
    """

    level: float
    error: tuple[float, ...]
    quantiles: Rows
    tail: Rows
    settling: tuple[float, ...]
    horizons: tuple[int, ...]
    paths: tuple[Rows, ...]

    def __post_init__(self) -> None:
        targets, knots = len(self.error), len(PROBABILITIES)
        shapes = {
            "quantiles": (targets, knots),
            "tail": (targets, 2),
            "settling": (len(self.settling),),
            "horizons": (len(self.horizons),),
            "paths": (len(self.horizons), targets, knots),
        }
        for name, shape in shapes.items():
            numbers = np.asarray(getattr(self, name), dtype=float)
            if numbers.shape != shape or not np.isfinite(numbers).all() or not numbers.size:
                raise ValueError(f"calibration: {name} must be finite numbers of shape {shape}, not {numbers.shape}")
        if not (isinstance(self.level, int | float) and 0 < self.level < 1):
            raise ValueError(f"calibration: level must be between 0 and 1, not {self.level!r}")
        if not all(0 < error < np.inf for error in self.error) or not all(scale > 0 for scale, _ in self.tail):
            raise ValueError("calibration: errors and tails must have a size")
        if not all(0 < factor < np.inf for factor in self.settling):
            raise ValueError("calibration: settling must be factors above 0")
        whole = all(type(horizon) is int for horizon in self.horizons)
        if not whole or self.horizons[0] != 1 or (np.diff(self.horizons) <= 0).any():
            raise ValueError("calibration: horizons must be whole numbers that rise from 1")
        if (np.diff(self.quantiles) < 0).any() or (np.diff(np.asarray(self.paths)) < 0).any():
            raise ValueError("calibration: quantiles must not fall")

    @property
    def targets(self) -> int:
        """O"""
        return len(self.error)

    def description(self) -> dict[str, Any]:
        """All of it as JSON holds it."""
        return asdict(self)

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> "Calibration":
        """The inverse of `description`."""
        return cls(**{name: _frozen(value) for name, value in described.items()})

    def array(self, name: str) -> NDArray[np.float32]:
        """One of the parts as float32."""
        return np.asarray(getattr(self, name), dtype=np.float32)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
