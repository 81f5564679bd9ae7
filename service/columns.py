"""One observation each for many sessions, in columns: what is usual is done with arrays, the rest one by one.

Usual is a session of this process, live or new, that nobody works on, at the step that the request says, if it says
one. Everything else (another model's, a retry, a conflict, an id that came before in the same request) takes the way of
a request of its own, in the order given. Rows succeed or fail one by one.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.predictor import NUMBERS, Values, failure
from service import observations
from service.engine import Engine
from service.errors import InvalidRequest, ServiceError, SessionCapacity, StoreUnavailable
from service.schemas import PredictBatchRequest
from service.sessions import ELSEWHERE, START, MemoryStore
from service.stepping import refusal

UNSAID = -1

Indices = NDArray[np.int64]


@dataclass(slots=True)
class _Sheet:
    """What the rows of a request are answered. numbers: (K, B, O), NaN at failed rows; steps: (B,), UNSAID there."""

    numbers: Values
    steps: Indices
    alarms: dict[int, int] = field(default_factory=dict)
    errors: dict[int, ServiceError] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """As JSON has it; arrays are left as they are."""
        narrow = self.numbers.shape[2] == 1
        columns = self.numbers.reshape(len(self.numbers), -1) if narrow else self.numbers
        answer: dict[str, Any] = dict(zip(NUMBERS, columns, strict=False)) | {"steps": self.steps, "errors": []}
        if self.alarms:
            answer["alarms"] = [{"index": i, "start_step": step} for i, step in sorted(self.alarms.items())]
        for index, error in sorted(self.errors.items()):
            answer["errors"].append({"index": index, "error": error.code, "message": str(error), **error.details})
        if self.errors:
            for name in (*NUMBERS[: len(columns)], "steps"):
                answer[name] = [None if i in self.errors else x for i, x in enumerate(answer[name].tolist())]
        return answer


class Columns:
    """The other half of POST /predict_batch, beside the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.store if isinstance(engine.store, MemoryStore) else None

    async def predict(self, request: PredictBatchRequest, owner: str = "") -> dict[str, Any]:
        """Observe one value for each session, and predict the next; the answer as JSON has it, with arrays in it."""
        engine, ids = self._engine, request.session_ids
        for name, column in (("values", request.values), ("steps", request.steps)):
            if column is not None and len(column) != len(ids):
                raise InvalidRequest(f"{name}: {len(column)} of them for {len(ids)} session_ids; one each is needed")
        values = engine.values_of(request.values).swapaxes(0, 1)  # (B, 1, F)
        steps = None if request.steps is None else np.array([UNSAID if s is None else s for s in request.steps])
        keys = [owner + session_id for session_id in ids] if owner else ids
        shape = engine.rows.shape
        sheet = _Sheet(np.full((shape.kinds, len(ids), shape.targets), np.nan), np.full(len(ids), UNSAID))
        engine.keeping.enter()
        try:
            rows = self._usual(keys, ids, steps)
            chosen, others = np.flatnonzero(rows != ELSEWHERE), np.flatnonzero(rows == ELSEWHERE).tolist()
            async with asyncio.TaskGroup() as group:
                for index in others:  # they begin when this one waits: after what is done together has its turns
                    value = values[index : index + 1]
                    group.create_task(self._one(sheet, index, keys[index], ids[index], value, steps))
                if len(chosen) and self._store:
                    mine = [keys[index] for index in chosen] if others else keys
                    await self._together(self._store, sheet, chosen, rows[chosen], mine, values)
        finally:
            engine.keeping.leave()
        return sheet.json()

    def _usual(self, keys: Sequence[str], ids: Sequence[str], steps: Indices | None) -> Indices:
        """The rows of what can be done together, START for what is new; ELSEWHERE for everything else."""
        engine = self._engine
        if (store := self._store) is None:
            return np.full(len(keys), ELSEWHERE)
        rows = store.rows(keys)
        if len(engine.keeping.turns):
            rows[[key in engine.keeping.turns for key in keys]] = ELSEWHERE
        if len(set(keys)) < len(keys):
            seen: set[str] = set()
            for index, key in enumerate(keys):
                if key in seen:
                    rows[index] = ELSEWHERE
                seen.add(key)
        if steps is not None:
            rows[(steps != UNSAID) & (steps != engine.rows.step[rows])] = ELSEWHERE
        if (rows == START).any():
            new = np.flatnonzero(rows == START)
            wrong = [index for index in new.tolist() if not engine.is_id(ids[index])]
            rows[wrong if store.has_room(len(new) - len(wrong)) else new] = ELSEWHERE
        return rows

    async def _together(
        self,
        store: MemoryStore,
        sheet: _Sheet,
        chosen: Indices,
        rows: Indices,
        keys: Sequence[str],
        values: Values,
    ) -> None:
        """One call of the model, and one commit."""
        engine = self._engine
        values = values if len(chosen) == len(values) else values[chosen]
        digests = observations.digests(values)
        if not store.in_place:  # else nobody comes between
            engine.keeping.turns.hold(keys)
        try:
            fresh = (rows == START) | (not store.in_place)
            after = rows.copy() if fresh.any() else rows
            after[fresh] = engine.keeping.take(int(fresh.sum()))
            fine = self._note(sheet, chosen, rows, after, values, digests)
            engine.keeping.give_back(after[fresh & ~fine].tolist())
            kept = keys if fine.all() else [key for key, ok in zip(keys, fine.tolist(), strict=True) if ok]
            await store.keep_all(kept, after[fine])
            engine.metrics.created.inc(int((rows[fine] == START).sum()))
        except (SessionCapacity, StoreUnavailable) as error:
            sheet.errors.update(dict.fromkeys(chosen.tolist(), error))
        finally:
            if not store.in_place:
                for key in keys:
                    engine.keeping.give_turn(key)

    def _note(
        self, sheet: _Sheet, chosen: Indices, rows: Indices, after: Indices, values: Values, digests: NDArray[np.uint64]
    ) -> NDArray[np.bool_]:
        """Step them, and write down what they are answered. Tells which did not fail."""
        engine = self._engine
        advanced, began = engine.stepping.many(rows, after, values, digests, None)
        fine: NDArray[np.bool_] = advanced.failed == 0
        sheet.numbers[:, chosen] = advanced.numbers[: len(sheet.numbers), :, 0]
        sheet.steps[chosen] = engine.rows.step[after]
        if began.any():
            sheet.alarms.update((i, step) for i, step in zip(chosen.tolist(), began.tolist(), strict=True) if step)
        for place in np.flatnonzero(~fine).tolist():
            sheet.errors[int(chosen[place])] = refusal(failure(advanced.failed[place]))
        return fine

    async def _one(
        self, sheet: _Sheet, index: int, key: str, session_id: str, values: Values, steps: Indices | None
    ) -> None:
        step = None if steps is None or steps[index] == UNSAID else int(steps[index])
        try:
            answer = (await self._engine.predict_session(key, session_id, values, step)).answer
        except ServiceError as error:
            sheet.errors[index] = error
            return
        for kind, name in enumerate(NUMBERS[: len(sheet.numbers)]):
            sheet.numbers[kind, index] = np.array(answer[name][0], dtype=float)
        sheet.steps[index] = answer["step"]
        if "alarm" in answer:
            sheet.alarms[index] = answer["alarm"]["start_step"]
