"""What the service has to answer: the same checkpoint, run offline over whole series before the first request.

Axes: B streams, T time, F features, O targets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models import Checkpoint
from models.predictor import Context, Values
from tests.load.series import draw

SERIES = 256
"""Series that are drawn; streams under many more ids follow them, at paces of their own."""

LENGTH = 512
"""Observations in a series."""

CPU_TOLERANCE, GPU_TOLERANCE = 1e-6, 1e-5
"""In scaled units, of what the device computes."""

P_TOLERANCE = 100
"""The same for p-values: so many times as much, as there is no unit."""

SMALLEST = 1e-9

BOUNDS = ("lower", "upper")
Plain = list[Any]


class Wrong(Exception):
    """An answer is not the right one. kind: which part of it; place: which of several numbers; the message has what was
    got and what was expected.
    """

    def __init__(self, kind: str, got: object, expected: object, place: int = 0) -> None:
        super().__init__(f"got {got!r}, expected {expected!r}")
        self.kind, self.place = f"wrong {kind}", place


@dataclass(frozen=True)
class Series:
    """One series and everything that must be answered to it, as JSON has it: T rows of numbers, or of lists.

    parts: predictions, and lower, upper, anomaly if the checkpoint knows of its errors. alarms: step at which the alarm
    began that runs after each observation, 0: none does.
    """

    values: Plain
    parts: Mapping[str, Plain]
    alarms: list[int]
    raw: Values


class Oracle:
    """A checkpoint that knows every answer."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        tolerance: float = CPU_TOLERANCE,
        *,
        series: int = SERIES,
        length: int = LENGTH,
        seed: int | None = None,
    ) -> None:
        self.model = checkpoint.fingerprint[:12]
        self.predictor = checkpoint.predictor("cpu")
        scale = np.array(self.predictor.scaler.scale[: self.predictor.targets])
        self._tolerances = (tolerance * scale).tolist()
        self._p_tolerances = [tolerance * P_TOLERANCE] * len(scale)
        self.series = self._drawn(np.random.default_rng(seed), series, length)

    def check(self, kind: str, got: object, expected: Plain) -> None:
        """Compare numbers from the wire with what they have to be.

        Raises:
            Wrong: they are others, more or fewer.
        """
        tolerances = self._p_tolerances if kind == "anomaly" else self._tolerances
        if not isinstance(got, list) or len(got) != len(expected):
            raise Wrong(kind, got, expected)
        for place, (found, right) in enumerate(zip(got, expected, strict=True)):
            if not _near(found, right, tolerances):
                raise Wrong(kind, found, right, place)

    def check_forecast(self, answer: Mapping[str, Any], series: Series, step: int, horizon: int, level: float) -> None:
        """Compare a forecast after so many observations of a series.

        Raises:
            Wrong: it is another.
        """
        expected = self.forecast(series, step, horizon, level)
        for name in ("forecast", *BOUNDS):
            if name in expected:
                self.check(name, answer.get(name), expected[name])
            elif name in answer:
                raise Wrong(name, answer[name], None)

    def forecast(self, series: Series, step: int, horizon: int, level: float) -> dict[str, Plain]:
        """What lies ahead after so many observations of a series, and its bounds if they are known."""
        calibrated = self.predictor.calibration is not None
        forecast = self.predictor.forecast(self.context(series, step), horizon, level if calibrated else None)
        parts = {"forecast": forecast.path, "lower": forecast.lower, "upper": forecast.upper}
        return {name: _plain(part[0]) for name, part in parts.items() if part is not None}

    def context(self, series: Series, step: int) -> Context:
        """What a stream carries after so many observations of a series, (1, C)."""
        zero = self.predictor.zero_context()
        return self.predictor.observe(series.raw[None, :step], zero).context if step else zero

    def _drawn(self, generator: np.random.Generator, count: int, length: int) -> list[Series]:
        values = draw(self.predictor.scaler, generator, count, length)
        context = self.predictor.zero_context(count)
        told: dict[str, list[Values]] = {}
        ages = np.zeros((length, count, 2), np.int64)
        for t in range(length):
            observed = self.predictor.observe(values[:, t : t + 1], context)
            context = observed.context
            ages[t] = self.predictor.alarms(context, slice(None))
            told.setdefault("predictions", []).append(observed.predictions)
            if observed.watch is not None:
                for name in (*BOUNDS, "anomaly"):
                    told.setdefault(name, []).append(getattr(observed.watch, name))
        whole = {name: np.concatenate(parts, axis=1) for name, parts in told.items()}  # (B, T, O)
        since, over = ages[..., 0].T, ages[..., 1].T  # (B, T)
        began = np.where((since > 0) & (over == 0), np.arange(1, length + 1) - since + 1, 0)
        return [
            Series(
                _plain(values[number]),
                {name: _plain(part[number]) for name, part in whole.items()},
                began[number].tolist(),
                values[number],
            )
            for number in range(count)
        ]


def _plain(part: Values) -> Plain:
    """(T, F) -> T numbers, or lists of F; None for NaN"""
    plain: Plain = np.where(np.isnan(part), None, part).tolist()  # type: ignore[call-overload]  # JSON's null
    return [row[0] for row in plain] if part.shape[1] == 1 else plain


def _near(got: object, expected: object, tolerances: Sequence[float]) -> bool:
    if isinstance(expected, list):
        return (
            isinstance(got, list)
            and len(got) == len(expected)
            and all(_close(*pair) for pair in zip(got, expected, tolerances, strict=True))
        )
    return _close(got, expected, tolerances[0])


def _close(got: object, expected: Any, tolerance: float) -> bool:
    if expected is None or not isinstance(got, int | float):
        return got is expected
    return bool(abs(got - expected) <= tolerance + SMALLEST)
