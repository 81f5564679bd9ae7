"""From observations to rows that have seen them: the model is called, and what came of it is noted.

Axes: B streams, T time, F features, O targets, K kinds of numbers that are answered.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import NumericalError, Predictor, ValueRangeError
from models.predictor import Advanced, Values, failure
from service import observations
from service.batches import Batches, Job
from service.errors import InvalidRequest, NumericalFailure, ServiceError
from service.metrics import Metrics
from service.schemas import Bound
from service.sessions import Rows
from service.sessions.rows import began
from service.statistics import Executions


@dataclass(slots=True)
class Stepped:
    """What a stream is answered. answer: for each of the K kinds T numbers, or lists of O; alarm: the step at which the
    running one began, 0: there is none; seconds: of computing.
    """

    answer: list[list[Bound]]
    alarm: int
    seconds: float


class Stepping:
    """The one place where the contexts of sessions advance."""

    def __init__(self, predictor: Predictor, rows: Rows, metrics: Metrics) -> None:
        self._predictor = predictor
        self._rows = rows
        self._metrics = metrics
        self._kinds = rows.shape.kinds
        self._batches = Batches(self._step)
        self.executions = Executions()

    def is_long(self, steps: int) -> bool:
        """So many observations take so long that others must not wait for them: they are computed beside, and into
        another row.
        """
        return steps > self._predictor.at_once

    async def one(self, row: int, after: int, values: Values, digest: bytes, level: float | None) -> Stepped:
        """One stream, (1, T, F).

        Raises:
            InvalidRequest, NumericalFailure: nothing has changed.
        """
        if values.shape[1] == 1:
            return await self._batches.join(Job(row, after, values[0], digest, level))
        started = time.perf_counter()
        before, behind = np.array([row]), np.array([after])
        arguments = values, self._rows.contexts, before, behind, level
        if self.is_long(values.shape[1]):
            advanced = await _beside(self._predictor.advance, *arguments)
        else:
            advanced = self._predictor.advance(*arguments)
        if advanced.failed[0]:
            raise refusal(failure(advanced.failed[0]))
        now, numbers = time.time(), advanced.numbers[: self._kinds, 0]
        if row != after:
            self._rows.follow(before, behind, now)
        self._rows.advanced_long(after, values[0], numbers, digest, now)
        self.learn(advanced.numbers, self._predictor.alarms(self._rows.contexts, behind))
        seconds = time.perf_counter() - started
        self.executions.add(1, 1, 0.0, seconds, 0.0)
        return Stepped(plain_answer(numbers), self._rows.alarm(after), seconds)

    def many(
        self,
        rows: NDArray[np.int64],
        after: NDArray[np.int64],
        values: Values,
        digests: NDArray[np.uint64],
        level: float | None,
    ) -> tuple[Advanced, NDArray[np.int64]]:
        """One observation each of many streams, (B, 1, F), and the steps at which their running alarms began, 0 where
        none runs, (B,). A stream that fails leaves nothing behind.
        """
        advanced = self._predictor.advance(values, self._rows.contexts, rows, after, level)
        now, fine = time.time(), slice(None)
        numbers, moved = advanced.numbers, rows is not after
        if advanced.failed.any():
            fine = advanced.failed == 0
            rows, after, numbers = rows[fine], after[fine], numbers[:, fine]
        if moved:
            self._rows.follow(rows, after, now)
        answers = numbers[: self._kinds, :, 0].swapaxes(0, 1)
        self._rows.advanced(after, values[fine, 0], answers, digests[fine], now)
        ages = self._predictor.alarms(self._rows.contexts, after)
        self.learn(numbers, ages)
        running = np.zeros(len(values), np.int64)
        if ages.any():
            running[fine] = began(ages, self._rows.step[after])
        return advanced, running

    def learn(self, numbers: Values, ages: NDArray[np.int64]) -> None:
        """Count what has been applied, and how good the predictions were. numbers: (K', B, T, O), ages: (B, 2)"""
        _, streams, steps, _ = numbers.shape
        self._metrics.steps.inc(streams * steps)
        if len(numbers) > 1:
            self._metrics.learn(numbers[3:])
            if ages.any():
                since = ages[:, 0]
                self._metrics.alarms.inc(int(((since > 0) & (since <= steps)).sum()))

    def _step(self, jobs: Sequence[Job]) -> Sequence[Stepped | ServiceError]:
        started = time.perf_counter()
        rows = np.array([job.row for job in jobs])
        after = rows if all(job.after == job.row for job in jobs) else np.array([job.after for job in jobs])
        values = np.array([job.values for job in jobs])  # (B, 1, F)
        digests = np.frombuffer(b"".join([job.digest for job in jobs]), np.uint64).reshape(len(jobs), -1)
        gathered = time.perf_counter()
        advanced, running = self.many(rows, after, values, digests, jobs[0].level)
        computed = time.perf_counter()
        answers, failures = plain_answers(advanced.numbers[: self._kinds, :, 0]), advanced.failed.tolist()
        seconds = computed - started
        self.executions.add(
            len(jobs), failures.count(0), gathered - started, computed - gathered, time.perf_counter() - computed
        )
        return [
            refusal(failure(failed)) if failed else Stepped(answer, alarm, seconds)
            for answer, failed, alarm in zip(answers, failures, running.tolist(), strict=True)
        ]


def plain_answer(numbers: Values) -> list[list[Bound]]:
    """(K, T, O) -> for each kind T numbers, or lists of O; None for NaN"""
    return [observations.to_bounds(part) for part in numbers]


def plain_answers(numbers: Values) -> list[list[list[Bound]]]:
    """The same for one step of many streams, (K, B, O), all at once if that will do."""
    streams = numbers.swapaxes(0, 1)[:, :, None]  # (B, K, T = 1, O)
    if np.isnan(numbers).any():
        return [plain_answer(stream) for stream in streams]
    plain: list[list[list[Bound]]] = (streams[..., 0] if numbers.shape[2] == 1 else streams).tolist()
    return plain


def refusal(error: ValueRangeError | NumericalError) -> ServiceError:
    """What the model could not do, as a client is told."""
    return InvalidRequest(f"values: {error}") if isinstance(error, ValueRangeError) else NumericalFailure(str(error))


async def _beside(compute: Callable[..., Advanced], *arguments: Any) -> Advanced:
    """In a thread. Whoever leaves meanwhile leaves when it has ended: until then it uses the rows."""
    computing = asyncio.ensure_future(asyncio.to_thread(compute, *arguments))
    try:
        return await asyncio.shield(computing)
    except asyncio.CancelledError:
        while not computing.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([computing])
        raise
