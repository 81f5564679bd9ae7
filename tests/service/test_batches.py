import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from service.batches import Batches, Job
from service.errors import NumericalFailure


def job(row: int, level: float | None = None) -> Job:
    return Job(row, row, np.zeros((1, 1)), bytes(16), level)


class Model:
    """Answers a job with its row, refuses row 0, and breaks at row 99."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.batches = Batches(self.run)

    def run(self, jobs: Sequence[Job]) -> list[int | NumericalFailure]:
        rows = [job.row for job in jobs]
        self.calls.append(rows)
        if 99 in rows:
            raise ZeroDivisionError
        return [row or NumericalFailure("no") for row in rows]


def test_what_comes_in_one_turn_of_the_loop_is_one_call() -> None:
    async def come() -> Model:
        model = Model()
        assert await asyncio.gather(*(model.batches.join(job(row)) for row in (1, 2, 3))) == [1, 2, 3]
        assert await model.batches.join(job(4)) == 4
        return model

    assert asyncio.run(come()).calls == [[1, 2, 3], [4]]


def test_each_level_is_a_call_of_its_own() -> None:
    async def come() -> Model:
        model = Model()
        jobs = [job(1), job(2, 0.5), job(3), job(4, 0.5)]
        assert await asyncio.gather(*map(model.batches.join, jobs)) == [1, 2, 3, 4]
        return model

    assert sorted(asyncio.run(come()).calls) == [[1, 3], [2, 4]]


def test_a_job_that_fails_fails_alone() -> None:
    async def come() -> None:
        batches = Model().batches
        good, bad = batches.join(job(1)), batches.join(job(0))
        assert await good == 1
        with pytest.raises(NumericalFailure):
            await bad

    asyncio.run(come())


def test_a_call_that_breaks_is_told_to_everybody_in_it_and_the_next_one_works() -> None:
    async def come() -> None:
        batches = Model().batches
        for broken in (batches.join(job(99)), batches.join(job(2))):
            with pytest.raises(ZeroDivisionError):
                await broken
        assert await batches.join(job(3)) == 3

    asyncio.run(come())


def test_who_leaves_before_is_not_computed() -> None:
    async def come() -> Model:
        model = Model()
        staying, leaving = model.batches.join(job(1)), model.batches.join(job(2))
        leaving.cancel()
        await staying
        return model

    assert asyncio.run(come()).calls == [[1]]
