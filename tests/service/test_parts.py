"""Requests that say where in their session they stand: at its start, at its end, and how far to look ahead behind."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import Checkpoint
from service.custody import Custody
from service.engine import ANYWHERE, Engine, Part, Prediction
from service.errors import (
    InvalidRequest,
    ModelChanged,
    NumericalFailure,
    SessionDeleted,
    SessionExpired,
    SessionUnknown,
    StepConflict,
    StoreUnavailable,
)
from service.metrics import Metrics
from service.schemas import ForecastRequest
from service.sessions import MemoryStore, News, Record, Store
from service.settings import Settings
from tests.conftest import random_checkpoint
from tests.service.sessions.test_sqlite import Gated, gated
from tests.service.sessions.test_stores import Clock
from tests.service.test_engine import LIMITS, ask, engine_of, forecast, moved, oracle, predict
from tests.service.test_races import race, settle, together

GOES_ON, BEGINS, ENDS = Part(start=False), Part(start=True), Part(start=False, end=True)
WHOLE = Part(start=True, end=True)


def infer(
    engine: Engine, values: list[Any], part: Part = GOES_ON, session_id: str | None = "s", **fields: Any
) -> Prediction:
    array = np.array(values, float).reshape(1, len(values), -1)
    return asyncio.run(engine.infer(array, session_id, part=part, **fields))


def over(store: Store, checkpoint: Checkpoint | None = None) -> Engine:
    checkpoint = checkpoint or random_checkpoint()
    return Engine(checkpoint, checkpoint.predictor("cpu"), store, Settings(), Metrics())


def test_a_request_that_stands_anywhere_is_one_of_the_native_door() -> None:
    engine = engine_of()
    predict(engine, [1.0, 2.0])
    assert infer(engine, [3.0], ANYWHERE).answer["predictions"] == oracle([1.0, 2.0, 3.0])[-1:]
    assert predict(engine, [4.0]) == oracle([1.0, 2.0, 3.0, 4.0])[-1:]


def test_what_goes_on_needs_a_session_that_lives() -> None:
    engine = engine_of()
    for step in (None, 0, 3):
        with pytest.raises(SessionUnknown):
            infer(engine, [1.0], expected=step)
    assert engine.store.live() == 0
    infer(engine, [1.0], BEGINS)
    assert infer(engine, [2.0]).answer["predictions"] == oracle([1.0, 2.0])[-1:]


def test_a_start_begins_anew_whatever_there_was() -> None:
    clock = Clock()
    clock.now = time.time()  # as rows have it
    engine = over(MemoryStore(LIMITS, clock=clock))
    fresh = oracle([9.0])
    for _ in range(2):  # unknown, then live
        first = infer(engine, [9.0], BEGINS)
        assert (first.answer["predictions"], first.answer["step"], first.replayed) == (fresh, 1, False)
        infer(engine, [5.0, 6.0])
    asyncio.run(Custody(engine, Settings()).delete("s"))
    with pytest.raises(SessionDeleted):
        infer(engine, [5.0])
    assert infer(engine, [9.0], BEGINS).answer["predictions"] == fresh
    clock.now += LIMITS.idle_seconds + 30
    with pytest.raises(SessionExpired):
        infer(engine, [5.0])
    assert engine.store.live() == 0
    clock.now -= LIMITS.idle_seconds + 30
    assert infer(engine, [9.0], BEGINS).answer["step"] == 1
    assert infer(engine, [5.0]).answer["predictions"] == oracle([9.0, 5.0])[-1:]


def test_a_start_takes_the_place_of_another_models_session() -> None:
    engine = engine_of()
    predict(engine, [1.0, 2.0])
    other = moved(engine, random_checkpoint(seed=1))
    with pytest.raises(ModelChanged):
        infer(other, [3.0])
    began = infer(other, [3.0], BEGINS).answer
    assert (began["step"], began["model"]) == (1, random_checkpoint(seed=1).fingerprint[:12])


def test_a_start_is_counted_as_created_only_where_nothing_lived() -> None:
    engine = engine_of()
    for _ in range(3):
        infer(engine, [1.0], BEGINS)
    text = engine.metrics.text([engine.metrics.state()]).decode()
    assert "elman_sessions_created_total 1.0" in text
    assert "elman_sessions_active 1.0" in text
    taken = engine.rows._used - 1 - len(engine.rows._free)
    assert taken == 1, "the rows of what was replaced are free"


def test_a_start_says_step_0_or_none() -> None:
    engine = engine_of()
    infer(engine, [1.0, 2.0], BEGINS)
    with pytest.raises(StepConflict, match="is at step 0, not at 2") as conflict:
        infer(engine, [3.0], BEGINS, expected=2)
    assert conflict.value.details == {"expected_step": 0}
    assert infer(engine, [3.0], expected=2).answer["step"] == 3


def test_a_start_with_its_step_is_applied_once() -> None:
    engine = engine_of()
    first = infer(engine, [1.0, 2.0], BEGINS, expected=0)
    again = infer(engine, [1.0, 2.0], BEGINS, expected=0)
    assert (first.replayed, again.replayed, again.answer) == (False, True, first.answer)
    other = infer(engine, [7.0], BEGINS, expected=0)
    assert (other.replayed, other.answer["step"]) == (False, 1)
    infer(engine, [2.0])
    later = infer(engine, [7.0], BEGINS, expected=0)  # the last request is another: no retry, a new beginning
    assert (later.replayed, later.answer["step"]) == (False, 1)


def test_a_start_that_fails_leaves_what_there_was() -> None:
    engine = engine_of()
    infer(engine, [1.0, 2.0], BEGINS)
    with pytest.raises(InvalidRequest, match="too far"):
        infer(engine, [1e300], BEGINS)
    assert infer(engine, [3.0]).answer["predictions"] == oracle([1.0, 2.0, 3.0])[-1:]


def test_an_end_leaves_a_tombstone() -> None:
    engine = engine_of()
    last = infer(engine, [1.0, 2.0], WHOLE)
    assert (last.answer["predictions"], last.answer["step"]) == (oracle([1.0, 2.0]), 2)
    assert engine.store.live() == 0
    for act in (lambda: infer(engine, [3.0]), lambda: predict(engine, [3.0]), lambda: infer(engine, [3.0], ENDS)):
        with pytest.raises(SessionDeleted):
            act()
    assert "elman_sessions_deleted_total 1.0" in engine.metrics.text([engine.metrics.state()]).decode()
    assert infer(engine, [3.0], BEGINS).answer["step"] == 1


def test_who_waits_behind_an_end_comes_too_late(tmp_path: Path) -> None:
    async def run() -> None:
        async with race(tmp_path) as running:
            engine, value = running.engine, np.full((1, 1, 1), 5.0)
            await engine.infer(value, "s", part=BEGINS)
            last, behind, anew = await together(
                engine.infer(value, "s", part=ENDS),
                engine.infer(value, "s", part=GOES_ON),
                engine.infer(value, "s", part=BEGINS),
            )
            assert (last.answer["step"], anew.answer["step"]) == (2, 1)
            assert isinstance(behind, SessionDeleted)

    asyncio.run(run())


@pytest.mark.parametrize("part", [ENDS, WHOLE], ids=["goes on", "whole"])
def test_an_end_that_is_not_deleted_is_an_error_and_its_retry_ends_it(tmp_path: Path, part: Part) -> None:
    class Undying(Gated):
        healthy = False

        async def delete(self, key: str, news: News | None = None) -> Any:
            if not self.healthy:
                raise StoreUnavailable("the disk is full", retry_after=1)
            return await super().delete(key, news)

    store = Undying(tmp_path / "sessions.db", Clock())
    engine = over(store)

    async def run() -> None:
        async def ask(part: Part, step: int) -> Prediction:
            return await engine.infer(np.full((1, 1, 1), 5.0), "s", step, part=part)

        step = 0 if part.start else 1
        if step:
            await ask(BEGINS, 0)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await ask(part, step)
            assert isinstance(found := await store.get("s"), Record)
            assert found.step == step + 1
        store.healthy = True
        again = await ask(part, step)
        assert (again.replayed, again.answer["predictions"]) == (True, oracle([5.0] * (step + 1))[-1:])
        with pytest.raises(SessionDeleted):
            await ask(GOES_ON, step + 1)
        await settle()

    asyncio.run(run())
    asyncio.run(store.close())


def test_an_end_survives_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    with gated(tmp_path / "sessions.db", clock) as store:
        infer(over(store), [1.0], WHOLE)
    with gated(tmp_path / "sessions.db", clock) as store, pytest.raises(SessionDeleted):
        infer(over(store), [2.0])


@pytest.mark.parametrize("values", [[3.0], [3.0, 4.0]], ids=["a step", "a chunk"])
def test_what_is_ahead_is_a_forecast_in_the_same_turn(values: list[float]) -> None:
    engine = engine_of(random_checkpoint(calibrated=True))
    infer(engine, [1.0, 2.0], BEGINS)
    step = Part(start=False, horizon=4)
    asked = infer(engine, values, step, expected=2, level=0.5)
    expected = forecast(engine, session_id="s", horizon=4, level=0.5)
    for seen in (asked, infer(engine, values, step, expected=2, level=0.5)):
        assert seen.forecast is not None
        assert seen.forecast.path[0, :, 0].tolist() == expected.forecast
        assert seen.forecast.lower is not None
        np.testing.assert_array_equal(seen.forecast.lower[0, :, 0], np.array(expected.lower, float))
    ended = infer(engine, [5.0], Part(start=False, end=True, horizon=2))
    assert ended.forecast is not None
    assert ended.forecast.path[0, 0, 0] == ended.answer["predictions"][0]


def test_a_forecast_that_fails_takes_its_step_back(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of()
    infer(engine, [1.0], BEGINS)

    def fail(*_: object) -> None:
        raise NumericalFailure("not finite")

    with monkeypatch.context() as patched:
        patched.setattr(engine.model, "forecast", fail)
        with pytest.raises(NumericalFailure):
            infer(engine, [2.0], Part(start=False, horizon=1))
    assert infer(engine, [3.0], expected=1).answer["predictions"] == oracle([1.0, 3.0])[-1:]


def test_without_a_session_nothing_is_kept() -> None:
    engine = engine_of()
    for _ in range(2):
        alone = infer(engine, [1.0, 2.0], Part(start=False, end=True, horizon=3), None, expected=0)
        assert (alone.answer["predictions"], alone.answer["step"]) == (oracle([1.0, 2.0]), 2)
        assert alone.answer.keys() == {"predictions", "step", "model"}
        assert alone.forecast is not None
        token = ask(engine, [1.0, 2.0], None).response.context
        assert alone.forecast.path[0, :, 0].tolist() == forecast(engine, context=token, horizon=3).forecast
    assert engine.store.live() == 0
    with pytest.raises(StepConflict):
        infer(engine, [1.0], session_id=None, expected=1)


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        (lambda engine: infer(engine, [0.0] * 6, BEGINS), "6 values are over the limit of 5"),
        (lambda engine: infer(engine, [0.0] * 6, session_id=None), "6 values are over the limit of 5"),
        (lambda engine: infer(engine, [0.0], Part(start=True, horizon=4)), "horizon: it is over the limit of 3"),
        (lambda engine: infer(engine, [0.0], BEGINS, level=0.5), "no calibration"),
        (lambda engine: infer(engine, [0.0], BEGINS, "a b"), "the id of a session must match"),
        (lambda engine: infer(engine, [np.inf], BEGINS), "too far"),
    ],
)
def test_limits_are_those_of_the_native_door(act: Callable[[Engine], Prediction], complaint: str) -> None:
    engine = engine_of(max_values=5, max_horizon=3)
    with pytest.raises(InvalidRequest, match=complaint):
        act(engine)
    assert engine.store.live() == 0


@pytest.mark.parametrize("adapt", [False, True])
def test_infinity_is_too_far_for_every_runtime(adapt: bool) -> None:
    checkpoint = random_checkpoint()
    predictor = checkpoint.predictor("cpu", adapt=adapt)
    engine = Engine(checkpoint, predictor, MemoryStore(LIMITS), Settings(), Metrics())
    for values in ([-np.inf], [1.0, np.inf]):
        with pytest.raises(InvalidRequest, match="too far"):
            infer(engine, values, BEGINS)


def test_a_session_that_begins_anew_is_as_old_as_its_beginning() -> None:
    clock, limits = Clock(), replace(LIMITS, idle_seconds=1e9, max_age_seconds=60)
    store = MemoryStore(limits, clock=clock)
    engine = over(store)

    def begin_at(moment: float) -> None:
        infer(engine, [1.0], BEGINS)
        row = asyncio.run(store.find("s"))
        assert isinstance(row, int)
        assert engine.rows.created_at[row] > 0
        clock.now = float(engine.rows.created_at[row]) + moment

    begin_at(40)
    begin_at(40)
    assert store.live() == 1
    clock.now += 40
    assert store.live() == 0, "the sweep finds it without anybody asking for it"


def test_a_result_that_is_not_finite_ends_nothing() -> None:
    checkpoint = random_checkpoint(nonlinearity="relu", bias=False)
    for weight in checkpoint.weights.arrays.values():
        weight.fill(1e25)
    engine = engine_of(checkpoint)
    infer(engine, [10.0], BEGINS)
    for part in (ENDS, WHOLE):
        with pytest.raises(NumericalFailure):
            infer(engine, [1e9, 1e9, 1e9], part)
    assert asyncio.run(engine.forecast(ForecastRequest(session_id="s", horizon=1))).step == 1
