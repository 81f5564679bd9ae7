"""A stream through the service's own engine, in this process: one value at a time, as a client would send them.

Axes: T time, F features, O targets (the first features), N values heard one by one, M origins, K steps ahead.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from models import Checkpoint, save
from models.predictor import ALARM_RATE
from service import observations
from service.engine import Engine
from service.opening import open_engine
from service.schemas import ForecastRequest, PredictRequest, PredictResponse
from service.settings import Settings

Values = NDArray[np.float64]

CHUNK = 1000
SESSION = "stream"


@dataclass(frozen=True)
class Heard:
    """What the service answered from row `begin` on, raw units, NaN where it said nothing.

    predictions, lower, upper: (N, O), of the rows from `begin` on, each said one step before. anomaly: (N, O),
    their p-values. alarms: the rows during which each ran, those that ran at `begin` already included. ahead_lower,
    ahead_upper: (M, K, O), of forecasts from the origins.
    """

    begin: int
    predictions: Values
    lower: Values
    upper: Values
    anomaly: Values
    alarms: tuple[range, ...]
    ahead_lower: Values
    ahead_upper: Values

    @property
    def raised(self) -> tuple[range, ...]:
        """The alarms that began while the values came one by one."""
        return tuple(alarm for alarm in self.alarms if alarm.start >= self.begin)


def hear(checkpoint: Checkpoint, values: Values, begin: int, origins: Sequence[int] = (), horizon: int = 1) -> Heard:
    """Feed the rows before `begin` in chunks and those after it one by one, with a forecast at every origin.

    values: (T, F) raw units, NaN = missing; begin: at least 1; origins: rows from `begin` on, a forecast being made
    before the row is known.
    """
    with tempfile.TemporaryDirectory(prefix="elman-") as folder:
        engine = _opened(checkpoint, Path(folder), "off")
    targets = checkpoint.targets or values.shape[1]
    return asyncio.run(_one_by_one(engine, values, begin, set(origins), horizon, targets))


def adapted(checkpoint: Checkpoint, values: Values, begin: int) -> Values:
    """Predictions (N, O) for the rows from `begin` on, the readout going on to learn (ELMAN_ADAPT=rls).

    All in chunks, which is faster: the numbers do not depend on how a stream is cut.
    """
    with tempfile.TemporaryDirectory(prefix="elman-") as folder:
        engine = _opened(checkpoint, Path(folder), "rls")
    answers = asyncio.run(_in_chunks(engine, values[:-1]))
    said = np.concatenate([_numbers(answer.predictions, checkpoint.targets or values.shape[1]) for answer in answers])
    return said[begin - 1 :]


def _opened(checkpoint: Checkpoint, folder: Path, adapt: str) -> Engine:
    """As the service opens it, from a file; the user's own ELMAN_* variables do not count."""
    path = save(checkpoint, folder / "model.safetensors")
    chosen: dict[str, Any] = {name: field.default for name, field in Settings.model_fields.items()}
    chosen |= {"checkpoint": str(path), "device": "cpu", "alarm_rate": ALARM_RATE, "adapt": adapt, "max_values": CHUNK}
    chosen["token_key"] = SecretStr("no token leaves this process")
    return open_engine(Settings(**chosen))


async def _in_chunks(engine: Engine, values: Values) -> list[PredictResponse]:
    return [await _predict(engine, values[start : start + CHUNK]) for start in range(0, len(values), CHUNK)]


async def _one_by_one(
    engine: Engine, values: Values, begin: int, origins: set[int], horizon: int, targets: int
) -> Heard:
    said: list[PredictResponse] = await _in_chunks(engine, values[:begin])
    said = said[-1:]
    ahead = []
    for row in range(begin, len(values)):
        if row in origins:
            ahead.append(await engine.forecast(ForecastRequest(session_id=SESSION, horizon=horizon)))
        said.append(await _predict(engine, values[row : row + 1]))
    before, after = said[:-1], said[1:]
    return Heard(
        begin,
        _each(before, "predictions", targets),
        _each(before, "lower", targets),
        _each(before, "upper", targets),
        anomaly=_each(after, "anomaly", targets),
        alarms=_alarms(after, begin),
        ahead_lower=_paths([path.lower for path in ahead], targets, horizon),
        ahead_upper=_paths([path.upper for path in ahead], targets, horizon),
    )


async def _predict(engine: Engine, values: Values) -> PredictResponse:
    request = PredictRequest(values=observations.to_bounds(values), session_id=SESSION)
    return (await engine.predict(request)).response


def _alarms(answers: Sequence[PredictResponse], begin: int) -> tuple[range, ...]:
    """answers: to the rows from `begin` on"""
    ends = {answer.alarm.start_step - 1: begin + row + 1 for row, answer in enumerate(answers) if answer.alarm}
    return tuple(range(start, end) for start, end in ends.items())


def _numbers(answer: Sequence[Any] | None, targets: int, steps: int = 1) -> Values:
    """(T, O); NaN, so many steps of them, where there is no answer"""
    if answer is None:
        return np.full((steps, targets), np.nan)
    return np.array(answer, dtype=np.float64).reshape(-1, targets)


def _each(answers: Sequence[PredictResponse], name: str, targets: int) -> Values:
    """The last number of a kind in every answer. (N, O)"""
    lasts = [None if (numbers := getattr(answer, name)) is None else numbers[-1:] for answer in answers]
    return np.concatenate([_numbers(last, targets) for last in lasts])


def _paths(paths: Sequence[Sequence[Any] | None], targets: int, horizon: int) -> Values:
    """(M, K, O)"""
    return np.array([_numbers(path, targets, horizon) for path in paths]).reshape(-1, horizon, targets)
