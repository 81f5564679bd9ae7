"""Requests of one session that come at the same time, over a store whose commits really take time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.custody import Custody
from service.engine import Engine, Prediction
from service.errors import SessionDeleted, StepConflict, StoreUnavailable
from service.metrics import Metrics
from service.schemas import ForecastRequest, PredictRequest, RestoreRequest
from service.sessions import Record
from service.settings import Settings
from tests.conftest import random_checkpoint
from tests.service.sessions.test_sqlite import Gated, no_more_disk
from tests.service.sessions.test_stores import Clock

CHECKPOINT = random_checkpoint()
PREDICTOR = CHECKPOINT.predictor("cpu")
START = [9.0, 11.0]


class Race:
    """An engine over a store with a gate, and what has been seen of session s."""

    def __init__(self, store: Gated, **settings: Any) -> None:
        chosen = Settings(**settings)
        self.store = store
        self.engine = Engine(CHECKPOINT, PREDICTOR, store, chosen, Metrics())
        self.custody = Custody(self.engine, chosen)

    def predict(
        self, *values: float, step: int | None = None, session_id: str = "s"
    ) -> Coroutine[Any, Any, Prediction]:
        return self.engine.predict(PredictRequest(values=list(values), session_id=session_id, step=step))

    async def ahead(self) -> list[Any]:
        """What the network would do next: two sessions with the same context agree in it."""
        return (await self.engine.forecast(ForecastRequest(session_id="s", horizon=3))).forecast


@asynccontextmanager
async def race(folder: Path, commit_seconds: float = 5, **settings: Any) -> AsyncIterator[Race]:
    """Nothing is left waiting at the end, and the file holds what the memory holds."""
    store = Gated(folder / "sessions.db", Clock(), commit_seconds)
    try:
        yield (running := Race(store, **settings))
        await settle()
        assert len(running.engine.keeping.turns) == 0
        kept = await store.page("", "", 100)
    finally:
        store.gate.set()
        await store.close()
    again = Gated(folder / "sessions.db", Clock())
    found = await again.page("", "", 100)
    await again.close()
    assert [(key, record.pack()) for key, record in found] == [(key, record.pack()) for key, record in kept]


async def settle() -> None:
    """Time enough for everything that can happen to happen."""
    await asyncio.sleep(0.02)


async def together(*requests: Awaitable[Any]) -> list[Any]:
    """The outcomes of requests that come at the same time, in this order."""
    return await asyncio.gather(*requests, return_exceptions=True)


def oracle(values: list[float]) -> list[float]:
    predictions = PREDICTOR.observe(np.array(values)[None, :, None], PREDICTOR.zero_context()).predictions
    return [float(prediction) for prediction in predictions[0, :, 0]]


def continued(values: list[float]) -> list[float]:
    context = PREDICTOR.observe(np.array(values)[None, :, None], PREDICTOR.zero_context()).context
    return [float(value) for value in PREDICTOR.forecast(context, 3).path[0, :, 0]]


@pytest.mark.parametrize("start", [[], START], ids=["new", "live"])
def test_of_several_requests_for_one_step_the_first_is_applied(tmp_path: Path, start: list[float]) -> None:
    async def run() -> None:
        async with race(tmp_path) as running:
            if start:
                await running.predict(*start)
            step = len(start)
            first, *others = await together(*(running.predict(value, step=step) for value in (5.0, 6.0, 7.0)))
            assert first.response.predictions == oracle([*start, 5.0])[-1:]
            for other in others:
                assert isinstance(other, StepConflict)
                assert other.details == {"expected_step": step + 1}
            assert await running.ahead() == continued([*start, 5.0])

    asyncio.run(run())


@pytest.mark.parametrize("start", [[], START], ids=["new", "live"])
def test_of_several_equal_requests_one_is_applied_and_all_are_answered(tmp_path: Path, start: list[float]) -> None:
    async def run() -> None:
        async with race(tmp_path) as running:
            if start:
                await running.predict(*start)
            outcomes = await together(*(running.predict(5.0, 6.0, step=len(start)) for _ in range(4)))
            assert [outcome.replayed for outcome in outcomes] == [False, True, True, True]
            assert all(outcome.response == outcomes[0].response for outcome in outcomes)
            assert await running.ahead() == continued([*start, 5.0, 6.0])

    asyncio.run(run())


def test_without_a_step_all_are_applied_one_after_the_other(tmp_path: Path) -> None:
    async def run() -> None:
        async with race(tmp_path) as running:
            values = [float(value) for value in range(10)]
            outcomes = await together(*(running.predict(value) for value in values))
            assert [outcome.response.step for outcome in outcomes] == list(range(1, 11))
            assert [outcome.response.predictions[0] for outcome in outcomes] == oracle(values)

    asyncio.run(run())


def test_many_sessions_at_once_stay_independent(tmp_path: Path) -> None:
    async def run() -> None:
        async with race(tmp_path) as running:
            streams = np.random.default_rng(0).normal(10, 4, (20, 10)).tolist()
            sent = [(name, value) for values in zip(*streams, strict=True) for name, value in enumerate(values)]
            outcomes = await together(*(running.predict(value, session_id=str(name)) for name, value in sent))
            for name, values in enumerate(streams):
                answers = [outcome.response for outcome in outcomes if outcome.response.session_id == str(name)]
                assert [answer.predictions[0] for answer in answers] == oracle(values)
            assert len(running.store.groups) < len(sent)  # sessions that do not wait for each other share commits

    asyncio.run(run())


def test_deletion_and_prediction_keep_their_order(tmp_path: Path) -> None:
    async def run() -> None:
        async with race(tmp_path) as running:
            delete = running.custody.delete
            first, deleted, second, again = await together(
                running.predict(5.0), delete("s"), running.predict(6.0), delete("s")
            )
            assert (first.response.predictions, deleted) == (oracle([5.0]), None)
            assert isinstance(second, SessionDeleted)
            assert isinstance(again, SessionDeleted)

    asyncio.run(run())


def test_of_a_restoration_and_a_prediction_for_one_step_the_first_is_applied(tmp_path: Path) -> None:
    async def run() -> None:
        async with race(tmp_path) as running:
            await running.predict(*START)
            token = RestoreRequest(context=(await running.custody.show("s")).context)
            predicted, restored = await together(
                running.predict(5.0, step=2), running.custody.restore("s", token, if_step=2)
            )
            assert predicted.response.step == 3
            assert isinstance(restored, StepConflict)
            restored, predicted = await together(
                running.custody.restore("s", token, if_step=3), running.predict(5.0, step=3)
            )
            assert restored[0].step == 2
            assert isinstance(predicted, StepConflict)
            assert await running.ahead() == continued(START)

    asyncio.run(run())


def test_whoever_leaves_while_waiting_for_the_turn_leaves_no_trace(tmp_path: Path) -> None:
    async def run() -> None:
        async with race(tmp_path) as running:
            await running.predict(*START)
            running.store.gate.clear()
            first, leaving, last = (asyncio.ensure_future(running.predict(value)) for value in (5.0, 6.0, 7.0))
            await settle()
            leaving.cancel()
            await settle()
            running.store.gate.set()
            await together(first, leaving, last)
            assert leaving.cancelled()
            assert [first.result().response.step, last.result().response.step] == [3, 4]
            assert await running.ahead() == continued([*START, 5.0, 7.0])

    asyncio.run(run())


@pytest.mark.parametrize("moments", range(8))
def test_whoever_leaves_while_committing_has_been_there_or_not(tmp_path: Path, moments: int) -> None:
    """Either it is applied, then the next goes on from there; or it never was. No step has two contexts."""

    async def watch(running: Race, contexts: dict[int, set[bytes]]) -> None:
        while True:
            found = await running.store.get("s")
            assert isinstance(found, Record)
            contexts.setdefault(found.step, set()).add(found.context.tobytes())
            await asyncio.sleep(0)

    async def run() -> None:
        async with race(tmp_path) as running:
            await running.predict(*START)
            contexts: dict[int, set[bytes]] = {}
            watching = asyncio.ensure_future(watch(running, contexts))
            running.store.gate.clear()
            leaving = asyncio.ensure_future(running.predict(5.0))
            for _ in range(moments):
                await asyncio.sleep(0)
            leaving.cancel()
            following = asyncio.ensure_future(running.predict(6.0))
            await settle()
            running.store.gate.set()
            answer = (await following).response
            await settle()
            watching.cancel()
            seen = [*START, 5.0, 6.0] if answer.step == 4 else [*START, 6.0]
            assert leaving.cancelled()
            assert answer.predictions == oracle(seen)[-1:]
            assert await running.ahead() == continued(seen)
            assert [len(different) for different in contexts.values()] == [1] * len(contexts)

    asyncio.run(run())


def test_a_request_whose_commit_takes_too_long_is_applied_once_when_it_is_repeated(tmp_path: Path) -> None:
    async def run() -> None:
        async with race(tmp_path, commit_seconds=0.05) as running:
            await running.predict(*START)
            running.store.gate.clear()
            with pytest.raises(StoreUnavailable, match=r"within 0\.05 s; ask again with the same step") as late:
                await running.predict(5.0, step=2)
            assert late.value.details == {"retry_after": 1}
            again = asyncio.ensure_future(running.predict(5.0, step=2))
            await settle()
            running.store.gate.set()
            assert (await again).response.predictions == oracle([*START, 5.0])[-1:]
            assert await running.ahead() == continued([*START, 5.0])

    asyncio.run(run())


def test_requests_that_fail_in_the_store_leave_no_trace_and_nobody_waiting(tmp_path: Path) -> None:
    async def run() -> None:
        async with race(tmp_path) as running:
            await running.predict(*START)
            with no_more_disk(running.store):
                outcomes = await together(*(running.predict(value, step=2) for value in (5.0, 6.0)))
            assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 2
            assert await running.ahead() == continued(START)
            assert (await running.predict(7.0, step=2)).response.predictions == oracle([*START, 7.0])[-1:]

    asyncio.run(run())
