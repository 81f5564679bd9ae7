"""What the service has to answer: the same checkpoint, run offline over whole series before the first request.

Axes: B streams, T time, F features.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np

from models import Checkpoint
from models.predictor import Context, Values, Watch

LENGTH = 1000  # observations in a series
BATCH = 64  # series that are drawn and predicted at once, which takes no longer than one
MISSING = 0.01  # share of the observations
TOLERANCE = 1e-5  # scaled units

TOLERANCE_P = 1e-3
TOLD = ("lower", "upper", "anomaly")

WRONG = "wrong prediction"
WRONG_INTERVAL = "wrong interval"


class Oracle:
    """A checkpoint that draws series in the scale of its training data, and knows every prediction for them."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.model = checkpoint.fingerprint[:12]
        self.predictor = checkpoint.predictor("cpu")

    def streams(self) -> Iterator["Stream"]:
        """Streams without end, each with a noisy sine of its own."""
        generator = np.random.default_rng()
        while True:
            values = self._draw(generator)
            observed = self.predictor.observe(values, self.predictor.zero_context(BATCH))
            for number in range(BATCH):
                yield Stream(self, values[number], observed.predictions[number], _told(observed.watch, number))

    def near(self, answer: object, expected: Values) -> bool:
        """Whether an answer from the wire is the expected values (T, F), within TOLERANCE."""
        try:
            values = np.array(answer, dtype=float).reshape(-1, self.predictor.features)
        except (TypeError, ValueError):
            return False
        scale = np.array(self.predictor.scaler.scale)
        return values.shape == expected.shape and bool((np.abs(values - expected) <= TOLERANCE * scale).all())

    def tells(self, answer: Mapping[str, Any], expected: Mapping[str, Values]) -> bool:
        """Whether an answer has the expected bounds and p-values (T, F), NaN = null, and no others."""
        if {name for name in TOLD if name in answer} != expected.keys():
            return False
        for name, values in expected.items():
            tolerance = TOLERANCE_P if name == "anomaly" else TOLERANCE * np.array(self.predictor.scaler.scale)
            try:
                found = np.array(answer[name], dtype=float).reshape(-1, self.predictor.features)
            except (TypeError, ValueError):
                return False
            if found.shape != values.shape or (np.isnan(found) != np.isnan(values)).any():
                return False
            if (np.abs(found - values) > tolerance).any():
                return False
        return True

    def _draw(self, generator: np.random.Generator) -> Values:
        """-> (B, T, F) raw units, NaN = missing"""
        scaler, shape = self.predictor.scaler, (BATCH, 1, self.predictor.features)
        period, phase = generator.uniform(5, 50, shape), generator.uniform(0, 2 * np.pi, shape)
        sine = np.sin(2 * np.pi * np.arange(LENGTH)[:, None] / period + phase)  # (B, T, F)
        values: Values = np.array(scaler.mean) + scaler.scale * (sine + generator.normal(0, 0.3, sine.shape))
        values[generator.random(sine.shape) < MISSING] = np.nan
        return values


def _told(watch: Watch | None, number: int) -> dict[str, Values]:
    return {} if watch is None else {name: getattr(watch, name)[number] for name in TOLD}


@dataclass
class Stream:
    """A series under a session id that no other stream has, and how much of it has been sent.

    values, predictions: (T, F) raw units; predictions[t] is for the value after values[t]. told: bounds and p-values,
    (T, F) each, if the checkpoint knows of its errors.
    """

    oracle: Oracle
    values: Values
    predictions: Values
    told: Mapping[str, Values]
    session_id: str = field(default_factory=lambda: f"load-{uuid4().hex}")
    step: int = 0
    _context: Context = field(init=False, repr=False)
    _context_step: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        self._context = self.oracle.predictor.zero_context()

    @property
    def exhausted(self) -> bool:
        """Whether everything has been sent."""
        return self.step == len(self.values)

    def take(self, count: int) -> list[Any]:
        """The next observations as they go over the wire; fewer at the end of the series."""
        part = self.values[self.step : self.step + count]
        self.step += len(part)
        plain: list[Any] = np.where(np.isnan(part), None, part).tolist()  # type: ignore[call-overload]  # JSON's null
        return [observation[0] if len(observation) == 1 else observation for observation in plain]

    def fault_in_prediction(self, answer: Mapping[str, Any], count: int) -> str | None:
        """What is wrong with the answer to the last `count` observations taken; None: nothing."""
        last = slice(self.step - count, self.step)
        if not self.oracle.near(answer.get("predictions"), self.predictions[last]):
            return WRONG
        if not self.oracle.tells(answer, {name: part[last] for name, part in self.told.items()}):
            return WRONG_INTERVAL
        if answer.get("session_id") != self.session_id:
            return "wrong session"
        return self._fault_in_position(answer)

    def fault_in_forecast(self, answer: Mapping[str, Any], horizon: int) -> str | None:
        """What is wrong with the answer to a forecast after the observations taken so far; None: nothing."""
        unseen = self.values[None, self._context_step : self.step]
        if unseen.size:
            self._context = self.oracle.predictor.observe(unseen, self._context).context
            self._context_step = self.step
        if not self.oracle.near(answer.get("forecast"), self.oracle.predictor.forecast(self._context, horizon).path[0]):
            return WRONG
        return self._fault_in_position(answer)

    def _fault_in_position(self, answer: Mapping[str, Any]) -> str | None:
        if answer.get("step") != self.step:
            return "wrong step"
        return None if answer.get("model") == self.oracle.model else "wrong model"
