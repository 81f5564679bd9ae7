"""Between raw units and the scaled units that the network sees."""

from dataclasses import dataclass
from functools import cached_property
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from models.errors import ValueRangeError


@dataclass(frozen=True)
class Scaler:
    """Per feature: scaled = (raw - mean) / scale. One scaled unit is about a standard deviation of the training part.

    Raises:
        ValueError: the two differ in length, a number is not finite, or a scale not from 1e-100 to 1e100.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.scale):
            raise ValueError("the scaler's mean and scale differ in length")
        if not all(isfinite(m) for m in self.mean) or not all(1e-100 <= s <= 1e100 for s in self.scale):
            raise ValueError("the scaler's numbers must be finite, and its scale from 1e-100 to 1e100")

    @classmethod
    def fit(cls, values: NDArray[np.float64]) -> "Scaler":
        """Mean and standard deviation over time of values (T, F), missing ones (NaN) left out, outliers drawn in.

        The lowest and the highest twentieth count as if they were at the bounds between them and the rest (winsorised;
        Tukey, Annals of Mathematical Statistics 33, 1962), so that no outlier decides what the network sees of all
        others. Where nothing else varies the outliers are what there is to see, and all count as they are.
        """
        inner = np.clip(values, *np.nanquantile(values, (0.05, 0.95), axis=0))
        scale = np.nanstd(inner, axis=0)
        inner, scale = np.where(scale > 0, inner, values), np.where(scale > 0, scale, np.nanstd(values, axis=0))
        return cls(mean=tuple(np.nanmean(inner, axis=0).tolist()), scale=tuple(scale.tolist()))

    @classmethod
    def identity(cls, features: int) -> "Scaler":
        """Raw units are scaled units."""
        return cls(mean=(0.0,) * features, scale=(1.0,) * features)

    def scaled(self, raw: NDArray[np.float64]) -> NDArray[np.float32]:
        """(..., F) raw float64 -> (..., F) scaled float32. NaN (missing) stays NaN.

        Raises:
            ValueRangeError: a finite value overflows float32 when scaled.
        """
        scaled = self.scaled_or_infinite(raw)
        if np.isinf(scaled).any():
            raise ValueRangeError("an observation is too far from the training data to be represented in float32")
        return scaled

    def scaled_or_infinite(self, raw: NDArray[np.float64]) -> NDArray[np.float32]:
        """The same without a look at what overflows."""
        with np.errstate(over="ignore"):
            scaled: NDArray[np.float32] = ((raw - self._mean) / self._scale).astype(np.float32)
        return scaled

    def raw(self, scaled: NDArray[np.float32]) -> NDArray[np.float64]:
        """(..., F) scaled float32 -> (..., F) raw float64, in decimals of at most 1e-7 scaled units.

        float32 holds no more, and a person reads 15.343188 more easily than 15.343187909841537. A feature that is only
        scaled, with mean 0, keeps 8 significant digits, however small it is: streams of any size share its scale.
        """
        return self._rounded(scaled * self._scale + self._mean)

    def raw_size(self, scaled: NDArray[np.float32]) -> NDArray[np.float64]:
        """A difference or a width: (..., F) scaled float32 -> (..., F) raw float64."""
        return self._rounded(scaled * self._scale)

    def _rounded(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        tenths = _tenths(np.where(self._mean == 0, np.abs(raw), self._scale)) if self._only_scaled else self.tenths
        rounded: NDArray[np.float64] = np.rint(raw * tenths) / tenths
        return rounded

    @cached_property
    def _mean(self) -> NDArray[np.float64]:
        return np.array(self.mean)

    @cached_property
    def _only_scaled(self) -> bool:
        return 0.0 in self.mean

    @cached_property
    def tenths(self) -> NDArray[np.float64]:
        """10^k of the decimals that a feature is told in, where its mean is not 0."""
        return _tenths(self._scale)

    @cached_property
    def _scale(self) -> NDArray[np.float64]:
        return np.array(self.scale)


def _tenths(size: NDArray[np.float64]) -> NDArray[np.float64]:
    """10^k, k decimals being the first that are finer than 1e-7 of a size."""
    tenths: NDArray[np.float64] = 10.0 ** np.maximum(7 - np.floor(np.log10(np.maximum(size, 1e-100))), 0)
    return tenths
