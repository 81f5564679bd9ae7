"""Requests that come together are computed together: one call of the model for all that wait.

Whoever comes first in a turn of the event loop arranges for everybody who comes in the same turn; alone it waits for
nobody, because the turn ends at once.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from models.predictor import Values
from service.errors import ServiceError

Result = TypeVar("Result")


@dataclass(slots=True)
class Job:
    """One observation (1, F) of a stream: from which row to which, and the digest of what came."""

    row: int
    after: int
    values: Values
    digest: bytes
    level: float | None


class Batches(Generic[Result]):
    """Hands the jobs of a turn to `run`, those of one level at a time; it gives a result or an error for each."""

    def __init__(self, run: Callable[[Sequence[Job]], Sequence[Result | ServiceError]]) -> None:
        self._run = run
        self._waiting: list[tuple[Job, asyncio.Future[Result]]] = []

    def join(self, job: Job) -> asyncio.Future[Result]:
        """A future of the job's result. If it is cancelled before it is computed, it will not be."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._flush)
        done = loop.create_future()
        self._waiting.append((job, done))
        return done

    def _flush(self) -> None:
        waiting, self._waiting = [(job, done) for job, done in self._waiting if not done.cancelled()], []
        levels = {job.level for job, _ in waiting}
        for level in levels:
            chosen = waiting if len(levels) == 1 else [pair for pair in waiting if pair[0].level == level]
            try:
                results = self._run([job for job, _ in chosen])
            except Exception as error:
                for _, done in chosen:
                    done.set_exception(error)
                continue
            for (_, done), result in zip(chosen, results, strict=True):
                if isinstance(result, ServiceError):
                    done.set_exception(result)
                else:
                    done.set_result(result)
