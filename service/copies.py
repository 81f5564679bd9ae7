"""One observation each for many sessions of a shared store: fetched together, stepped as copies, kept together.

What is usual for the store goes this way; the rest (another model's, a retry, a conflict, one that somebody else was
faster with) is done one by one, still in the turn that was taken at the beginning. Where the same session comes twice,
or somebody works on it, it waits for its turn like any request.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.predictor import Values
from service import observations
from service.engine import Engine
from service.errors import ServiceError, SessionCapacity, StoreUnavailable
from service.sessions import START, Found, News, Record, Shared, Superseded
from service.sessions.rosters import Roster
from service.sessions.rows import Indices
from service.sheets import UNSAID, Sheet
from service.watching import observed


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the request. step: that it expects, None: none."""

    index: int
    key: str
    session_id: str
    value: Values
    step: int | None


class Copies:
    """Fills a sheet from a store that other processes use too."""

    def __init__(self, engine: Engine, store: Shared) -> None:
        self._engine = engine
        self._store = store

    async def fill(self, sheet: Sheet, roster: Roster, values: Values, steps: Indices | None) -> None:
        """values: (B, 1, F); steps: UNSAID where none is expected, None: nowhere"""
        turns = self._engine.keeping.turns
        expected = [UNSAID] * len(roster) if steps is None else steps.tolist()
        free: dict[str, _Row] = {}
        waiting: list[_Row] = []
        for index, (key, session_id, step) in enumerate(zip(roster.keys, roster, expected, strict=True)):
            row = _Row(index, key, session_id, values[index : index + 1], None if step == UNSAID else step)
            if key in free or key in turns:
                waiting.append(row)
            else:
                free[key] = row
        turns.hold(free)
        async with asyncio.TaskGroup() as group:
            for row in waiting:
                group.create_task(self._wait(sheet, row))
            await self._held(sheet, list(free.values()))

    async def _wait(self, sheet: Sheet, row: _Row) -> None:
        try:
            await self._engine.keeping.take_turn(row.key)
        except StoreUnavailable as error:
            sheet.errors[row.index] = error
            return
        await self._held(sheet, [row])

    async def _held(self, sheet: Sheet, rows: Sequence[_Row]) -> None:
        """Their turns have been taken, and are given back."""
        try:
            found = await self._store.find_all([row.key for row in rows])
            usual: list[tuple[_Row, Found]] = []
            alone: list[_Row] = []
            for row, what in zip(rows, found, strict=True):
                if isinstance(what, StoreUnavailable):
                    sheet.errors[row.index] = what
                elif self._is_usual(row, what):
                    usual.append((row, what))
                else:
                    alone.append(row)
            if usual:
                alone += await self._together(sheet, usual)
            await asyncio.gather(*(self._alone(sheet, row) for row in alone))
        finally:
            for row in rows:
                self._engine.keeping.give_turn(row.key)

    def _is_usual(self, row: _Row, found: Found) -> bool:
        """It can be stepped as it is, with others."""
        if isinstance(found, Record):
            return self._engine.rows.fits(found) and row.step in (None, found.step)
        return found is None and not row.step and self._engine.is_id(row.session_id)

    async def _together(self, sheet: Sheet, rows: Sequence[tuple[_Row, Found]]) -> list[_Row]:
        """One call of the model. Gives those that somebody else was faster with."""
        engine, slab = self._engine, self._engine.rows
        chosen = np.array([row.index for row, _ in rows])
        try:
            after = np.array(engine.keeping.take(len(rows)))
        except SessionCapacity as error:
            sheet.errors.update(dict.fromkeys(chosen.tolist(), error))
            return []
        for place, (_, found) in zip(after.tolist(), rows, strict=True):
            if isinstance(found, Record):
                slab.write(place, found)
        before = np.where([found is None for _, found in rows], START, after)
        values = np.concatenate([row.value for row, _ in rows])
        advanced, began = engine.stepping.many(before, after, values, observations.digests(values), None)
        fine = sheet.note_stepped(chosen, advanced, began, slab.step[after])
        engine.keeping.give_back(after[~fine].tolist())
        kept = [rows[place] for place in np.flatnonzero(fine).tolist()]
        keys, found_before = [row.key for row, _ in kept], [found for _, found in kept]
        news = [News(row.session_id, row.value[0]) for row, _ in kept]
        stepped = zip(keys, after[fine].tolist(), strict=True)
        states = {key: engine.hidden(row) for key, row in stepped if key in engine.watching.closely}
        births = slab.created_at[after[fine]].tolist()
        again = []
        outcomes = await self._store.keep_all(keys, after[fine], found_before, news)
        for (row, found), what, created_at, outcome in zip(kept, news, births, outcomes, strict=True):
            if isinstance(outcome, StoreUnavailable):
                sheet.errors[row.index] = outcome
                continue
            if isinstance(outcome, Superseded):
                engine.metrics.superseded.inc()
                again.append(row)
                continue
            if found is None:
                engine.metrics.created.inc()
            if row.key in engine.watching.watched and not what.told:
                answer = sheet.answer(row.index, row.session_id, engine.model.name)
                engine.watching.tell(row.key, observed(answer, row.value[0], created_at), hidden=states.get(row.key))
        return again

    async def _alone(self, sheet: Sheet, row: _Row) -> None:
        try:
            prediction = await self._engine.predict_held(row.key, row.session_id, row.value, row.step)
        except ServiceError as error:
            sheet.errors[row.index] = error
        else:
            sheet.note_answer(row.index, prediction.answer)
