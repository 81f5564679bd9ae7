"""Who watches is told what was kept: in this process here, over HTTP in tests/e2e/test_watch.py."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from service import watching
from service.columns import Columns
from service.custody import Custody
from service.engine import Engine, Part
from service.errors import Overloaded
from service.schemas import PredictBatchRequest, PredictRequest, RestoreRequest
from service.settings import Settings
from service.watching import BEAT, MAX_WAITING, RECENT, Watcher
from tests.conftest import random_checkpoint
from tests.service.test_engine import engine_of

Told = tuple[str, dict[str, Any]]


def events(piece: bytes, *, begun: bool = False) -> list[Told]:
    """What a piece of the stream says; where sessions begin only if that is asked for."""
    found = []
    for block in piece.replace(BEAT, b"").decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return [told for told in found if begun or told[0] != "begun"]


class Ear:
    """One watcher of an engine, listened to event by event. closely: it is told the hidden states."""

    def __init__(self, engine: Engine, *ids: str, owner: str = "", closely: bool = False) -> None:
        custody = Custody(engine, Settings())
        keys = [owner + session_id for session_id in ids]
        self.watcher: Watcher = engine.watching.watch(
            keys, lambda key: custody.look(key.removeprefix(owner), owner), keys if closely else ()
        )
        self._pieces: AsyncIterator[bytes] = aiter(self.watcher)
        self._heard: list[Told] = []

    async def hear(self) -> Told:
        while not self._heard:
            async with asyncio.timeout(5):
                self._heard = events(await anext(self._pieces))
        return self._heard.pop(0)


def predict(engine: Engine, session_id: str, *values: Any, **fields: Any) -> Awaitable[Any]:
    return engine.predict(PredictRequest(session_id=session_id, values=list(values), **fields))


def run(scenario: Callable[[Engine], Awaitable[None]], **settings: Any) -> None:
    async def with_engine() -> None:
        engine = engine_of(random_checkpoint(calibrated=True), **settings)
        await scenario(engine)
        await engine.close()

    asyncio.run(with_engine())


def test_values_arrive_with_what_they_were_answered() -> None:
    async def scenario(engine: Engine) -> None:
        await predict(engine, "s", 9.0)
        ear = Ear(engine, "s")
        name, session = await ear.hear()
        assert (name, session["step"], len(session["hidden_state"][0])) == ("session", 1, 6)
        answer = (await predict(engine, "s", 11.0, None)).answer
        assert await ear.hear() == ("observed", json.loads(json.dumps({**answer, "values": [11.0, None]})))

    run(scenario)


@pytest.mark.parametrize("together", [False, True])
def test_who_asks_for_it_is_told_the_hidden_state_behind_the_last_value(together: bool) -> None:
    async def scenario(engine: Engine) -> None:
        close, usual = Ear(engine, "s", closely=True), Ear(engine, "s", "t")
        for _ in range(2):
            await usual.hear()
        await close.hear()
        if together:
            await Columns(engine).predict(PredictBatchRequest(session_ids=["s", "t"], values=[9.0, 9.0]))
        else:
            await predict(engine, "s", 9.0, 11.0)
        name, told = await close.hear()
        hidden = told.pop("hidden_state")
        assert (name, told) == await usual.hear()
        shown = await Custody(engine, Settings()).show("s")
        assert hidden == shown.hidden_state
        close.watcher.close()
        await predict(engine, "s", 12.0)
        if together:
            await usual.hear()
        assert "hidden_state" not in (await usual.hear())[1]
        assert not engine.watching.closely

    run(scenario)


def test_a_batch_is_told_row_by_row_as_if_each_had_come_by_itself() -> None:
    async def scenario(engine: Engine) -> None:
        ear, other = Ear(engine, "a", "x"), engine_of(random_checkpoint(calibrated=True))
        assert [(await ear.hear())[0] for _ in range(2)] == ["ended", "ended"]
        batch = PredictBatchRequest(session_ids=["a", "b", "a", "x"], values=[9.0, 9.0, 11.0, 8.0], steps=[0, 0, 1, 7])
        answer = await Columns(engine).predict(batch)
        assert [error["index"] for error in answer["errors"]] == [3]
        for value in (9.0, 11.0):
            expected = (await predict(other, "a", value)).answer
            assert await ear.hear() == ("observed", json.loads(json.dumps({**expected, "values": [value]})))

    run(scenario)


@pytest.mark.parametrize("count", [1, RECENT + 1])
def test_a_session_that_begins_or_begins_anew_is_told_before_its_first_values(count: int) -> None:
    async def scenario(engine: Engine) -> None:
        ear, values = Ear(engine, "s"), np.full((1, count, 1), 9.0)
        await ear.hear()
        for start in (True, False, True, False):
            await engine.infer(values, "s", part=Part(start=start))
            await asyncio.sleep(0.002)  # births are told to the millisecond
        told = events(await anext(aiter(ear.watcher)), begun=True)
        assert [name for name, _ in told] == ["begun", "observed", "observed"] * 2
        shown = await Custody(engine, Settings()).show("s")
        now = {"session_id": "s", "step": 0, "model": engine.model.name, "created_at": shown.created_at}
        assert told[3][1] == now != told[0][1]
        assert [data["step"] for _, data in told] == [0, count, 2 * count] * 2

    run(scenario)


def test_what_changes_nothing_is_not_told() -> None:
    async def scenario(engine: Engine) -> None:
        ear = Ear(engine, "s")
        assert (await ear.hear())[1]["error"] == "session_unknown"
        await predict(engine, "s", 9.0, step=0)
        await predict(engine, "s", 9.0, step=0)  # again: a replay
        await predict(engine, "other", 9.0)
        await predict(engine, "s", 10.0, step=1)
        assert [(await ear.hear())[1]["step"] for _ in range(2)] == [1, 2]

    run(scenario)


def test_taken_back_deleted_and_begun_anew_are_told() -> None:
    async def scenario(engine: Engine) -> None:
        custody = Custody(engine, Settings())
        await predict(engine, "s", 9.0, 10.0)
        token = (await custody.show("s")).context
        await predict(engine, "s", 11.0)
        ear = Ear(engine, "s")
        await ear.hear()
        await custody.restore("s", RestoreRequest(context=token), if_step=3)
        assert [(name, told["step"]) for name, told in [await ear.hear()]] == [("session", 2)]
        await custody.delete("s")
        name, told = await ear.hear()
        assert (name, told["error"], "deleted_at" in told) == ("ended", "session_deleted", True)
        await custody.restore("s", RestoreRequest(context=token))
        assert (await ear.hear())[0] == "session"

    run(scenario)


def test_who_expires_is_told_at_the_next_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BEAT_SECONDS", 0.1)

    async def scenario(engine: Engine) -> None:
        await predict(engine, "s", 9.0)
        ear = Ear(engine, "s")
        assert (await ear.hear())[0] == "session"
        row = await engine.store.find("s")
        assert isinstance(row, int)
        engine.rows.used_at[row] -= 70  # seconds; 60 are allowed
        name, told = await ear.hear()
        assert (name, told["error"]) == ("ended", "session_expired")

    run(scenario)


def test_silence_is_broken_by_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BEAT_SECONDS", 0.05)

    async def scenario(engine: Engine) -> None:
        await predict(engine, "s", 9.0)
        pieces = aiter(Ear(engine, "s").watcher)
        assert events(await anext(pieces))[0][0] == "session"
        assert await anext(pieces) == BEAT

    run(scenario)


def test_of_a_long_request_the_last_values_are_told() -> None:
    async def scenario(engine: Engine) -> None:
        ear, values = Ear(engine, "s"), [float(i % 7) for i in range(RECENT + 20)]
        await ear.hear()
        answer = (await predict(engine, "s", *values)).answer
        _, told = await ear.hear()
        assert told["step"] == RECENT + 20
        assert told["values"] == values[20:]
        for name in ("predictions", "lower", "upper", "anomaly"):
            assert told[name] == answer[name][20:]

    run(scenario)


def test_who_reads_too_slowly_loses_the_oldest_and_costs_no_more_memory() -> None:
    async def scenario(engine: Engine) -> None:
        ear = Ear(engine, "s")
        await ear.hear()
        for value in range(MAX_WAITING + 50):
            await predict(engine, "s", float(value % 5))
        steps = [(await ear.hear())[1]["step"] for _ in range(MAX_WAITING)]
        assert steps == list(range(51, MAX_WAITING + 51))

    run(scenario)


def test_watchers_are_limited_and_make_room_when_they_leave() -> None:
    async def scenario(engine: Engine) -> None:
        first, _ = Ear(engine, "s"), Ear(engine, "s")
        with pytest.raises(Overloaded):
            Ear(engine, "s")
        first.watcher.close()
        first.watcher.close()
        assert len(engine.watching) == 1
        third = Ear(engine, "t")
        third.watcher.close()
        assert list(engine.watching.watched) == ["s"]

    run(scenario, max_watchers=2)


def test_owners_see_their_own_sessions_only() -> None:
    async def scenario(engine: Engine) -> None:
        ear = Ear(engine, "s", owner="me:")
        assert (await ear.hear())[0] == "ended"
        await engine.predict(PredictRequest(session_id="s", values=[9.0]), "you:")
        await engine.predict(PredictRequest(session_id="s", values=[10.0]), "me:")
        assert (await ear.hear())[1]["values"] == [10.0]

    run(scenario)


def test_a_stop_ends_the_stream() -> None:
    async def scenario(engine: Engine) -> None:
        ear = Ear(engine, "s")
        await ear.hear()
        engine.watching.close()
        with pytest.raises(StopAsyncIteration):
            await ear.hear()
        assert (await predict(engine, "s", 9.0)).answer["step"] == 1

    run(scenario)
