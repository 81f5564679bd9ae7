"""One observation each for many sessions, in columns: what is usual is done with arrays, the rest one by one.

Usual is a session, live or new, that nobody works on, at the step that the request says, if it says one. Everything
else (another model's, a retry, a conflict, an id that came before in the same request) takes the way of a request of
its own, in the order given. Rows succeed or fail one by one.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from models.predictor import Context, Values
from service import observations
from service.copies import Copies
from service.engine import Engine
from service.errors import InvalidRequest, ServiceError, SessionCapacity, StoreUnavailable
from service.schemas import PredictBatchRequest
from service.sessions import ELSEWHERE, START, MemoryStore, Shared
from service.sessions.rosters import Roster
from service.sessions.rows import Indices
from service.sheets import UNSAID, Sheet
from service.watching import observed


class Columns:
    """The other half of POST /predict_batch, beside the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        store = engine.store
        self._way = Here(engine, store) if isinstance(store, MemoryStore) else Copies(engine, cast("Shared", store))

    async def predict(self, request: PredictBatchRequest, owner: str = "") -> dict[str, Any]:
        """Observe one value for each session, and predict the next; the answer as JSON has it, with arrays in it."""
        engine, ids = self._engine, request.session_ids
        for name, column in (("values", request.values), ("steps", request.steps)):
            if column is not None and len(column) != len(ids):
                raise InvalidRequest(f"{name}: {len(column)} of them for {len(ids)} session_ids; one each is needed")
        values = engine.model.values_of(request.values).swapaxes(0, 1)  # (B, 1, F)
        steps = None if request.steps is None else np.array([UNSAID if s is None else s for s in request.steps])
        roster = ids if isinstance(ids, Roster) else Roster(ids, owner)
        sheet = Sheet.empty(len(ids), engine.rows.shape)
        engine.keeping.enter()
        try:
            await self._way.fill(sheet, roster, values, steps)
        finally:
            engine.keeping.leave()
        return sheet.json()


class Here:
    """Fills a sheet from the store of this process."""

    def __init__(self, engine: Engine, store: MemoryStore) -> None:
        self._engine = engine
        self._store = store

    async def fill(self, sheet: Sheet, roster: Roster, values: Values, steps: Indices | None) -> None:
        """values: (B, 1, F); steps: UNSAID where none is expected, None: nowhere"""
        rows, keys, ids = self._usual(roster, steps), roster.keys, roster
        chosen, others = np.flatnonzero(rows != ELSEWHERE), np.flatnonzero(rows == ELSEWHERE).tolist()
        if not others:
            await self._together(sheet, chosen, rows, keys, ids, values)
            return
        async with asyncio.TaskGroup() as group:
            for index in others:  # they begin when this one waits: after what is done together has its turns
                value = values[index : index + 1]
                group.create_task(self._one(sheet, index, keys[index], ids[index], value, steps))
            if len(chosen):
                mine = [keys[index] for index in chosen.tolist()]
                await self._together(sheet, chosen, rows[chosen], mine, ids, values)

    def _usual(self, roster: Roster, steps: Indices | None) -> Indices:
        """The rows of what can be done together, START for what is new; ELSEWHERE for everything else."""
        engine, store, keys = self._engine, self._store, roster.keys
        rows = store.rows(roster)
        if len(engine.keeping.turns):
            rows[[key in engine.keeping.turns for key in keys]] = ELSEWHERE
        if not roster.distinct:
            seen: set[str] = set()
            for index, key in enumerate(keys):
                if key in seen:
                    rows[index] = ELSEWHERE
                seen.add(key)
        if steps is not None:
            rows[(steps != UNSAID) & (steps != engine.rows.step[rows])] = ELSEWHERE
        if (rows == START).any():
            new = np.flatnonzero(rows == START)
            wrong = [index for index in new.tolist() if not engine.is_id(roster[index])]
            rows[wrong if store.has_room(len(new) - len(wrong)) else new] = ELSEWHERE
        return rows

    async def _together(
        self, sheet: Sheet, chosen: Indices, rows: Indices, keys: Sequence[str], ids: Sequence[str], values: Values
    ) -> None:
        """One call of the model, and one commit."""
        engine, store = self._engine, self._store
        values = values if len(chosen) == len(values) else values[chosen]
        digests = observations.digests(values)
        if not store.in_place:  # else nobody comes between
            engine.keeping.turns.hold(keys)
        try:
            fresh = (rows == START) | (not store.in_place)
            after = rows.copy() if fresh.any() else rows
            after[fresh] = engine.keeping.take(int(fresh.sum()))
            advanced, began = engine.stepping.many(rows, after, values, digests, None)
            fine = sheet.note_stepped(chosen, advanced, began, engine.rows.step[after])
            engine.keeping.give_back(after[fresh & ~fine].tolist())
            kept = keys if fine.all() else [key for key, ok in zip(keys, fine.tolist(), strict=True) if ok]
            told = self._watched(keys, after, fine) if engine.watching.watched else ()
            if after is not rows:
                await store.keep_all(kept, after[fine])
            engine.metrics.created.inc(int((rows[fine] == START).sum()))
            for place, created_at, hidden in told:
                index = int(chosen[place])
                answer = sheet.answer(index, ids[index], engine.model.name)
                engine.watching.tell(keys[place], observed(answer, values[place], created_at), hidden=hidden)
        except (SessionCapacity, StoreUnavailable) as error:
            sheet.errors.update(dict.fromkeys(chosen.tolist(), error))
        finally:
            if not store.in_place:
                for key in keys:
                    engine.keeping.give_turn(key)

    def _watched(
        self, keys: Sequence[str], after: Indices, fine: NDArray[np.bool_]
    ) -> list[tuple[int, float, Context | None]]:
        """Those that somebody watches, when they were created, and hidden states that are asked for: the rows may be
        others' when they are kept.
        """
        engine, watching = self._engine, self._engine.watching
        told: list[tuple[int, float, Context | None]] = []
        for place, key in enumerate(keys):
            if key in watching.watched and fine[place]:
                row = int(after[place])
                hidden = engine.hidden(row) if key in watching.closely else None
                told.append((place, float(engine.rows.created_at[row]), hidden))
        return told

    async def _one(
        self, sheet: Sheet, index: int, key: str, session_id: str, values: Values, steps: Indices | None
    ) -> None:
        step = None if steps is None or steps[index] == UNSAID else int(steps[index])
        try:
            prediction = await self._engine.predict_session(key, session_id, values, step)
        except ServiceError as error:
            sheet.errors[index] = error
        else:
            sheet.note_answer(index, prediction.answer)
