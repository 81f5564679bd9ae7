"""Policy: what a request means for a context. No HTTP here, and no arithmetic.

A context is advanced by one request at a time. Everything that follows from a request is computed first and committed
as one record; what fails before leaves everything as it was, and nothing is answered before it is kept.
"""

import re
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from models import Checkpoint, Predictor
from models.predictor import Context, Forecast, Values
from service import observations
from service.answers import answered, forecasted, predicted
from service.codec import encode
from service.errors import (
    InvalidRequest,
    ServiceError,
    SessionDeleted,
    SessionExpired,
    SessionUnknown,
    StepConflict,
)
from service.keeping import Keeping
from service.metrics import Metrics
from service.model import Model, name_of
from service.schemas import (
    ForecastRequest,
    ForecastResponse,
    PredictRequest,
    PredictResponse,
)
from service.sessions import START, Answer, Found, Gone, News, Record, Rows, Store, Superseded
from service.sessions.rows import began
from service.settings import Settings, listed
from service.stepping import Stepped, Stepping, plain_answer
from service.times import rfc3339
from service.tokens import Token, Tokens
from service.watching import RECENT, Watching, ended, observed


@dataclass(slots=True)
class Timing:
    """Where the time of a request went, in seconds."""

    queue: float = 0.0
    compute: float = 0.0
    store: float = 0.0


class Part(NamedTuple):
    """Where in its session a request stands.

    start: it begins the session anew, whatever there was (True), goes on with one that lives (False), or takes what it
    finds (None). end: nothing comes behind it, so the session is deleted. horizon: steps to look ahead behind it.
    """

    start: bool | None = None
    end: bool = False
    horizon: int = 0


ANYWHERE = Part()


@dataclass(slots=True)
class Prediction:
    """An answer, as JSON has it; whether it had been given before; how long it took; what was seen ahead of it; and the
    answer's text, if it has been written down already.
    """

    answer: dict[str, Any]
    replayed: bool
    timing: Timing
    forecast: Forecast | None = None
    text: bytes = b""

    @property
    def response(self) -> PredictResponse:
        """The answer as it is described."""
        return PredictResponse.model_validate(self.answer)


class Engine:
    """One checkpoint on one device, and the contexts that it advances."""

    def __init__(
        self, checkpoint: Checkpoint, predictor: Predictor, store: Store, settings: Settings, metrics: Metrics
    ) -> None:
        self.model = Model(checkpoint, predictor, settings)
        self.store = store
        self.tokens = Tokens(listed(settings.token_key), settings.token_seconds)
        self._id_pattern = re.compile(settings.session_id_pattern)
        shape = self.model.shape()
        room = store.room(shape.row_bytes)
        together = settings.max_values if room is None else min(settings.max_values, room)
        self.rows = Rows(shape, predictor, START + 1 + (room or 0) + settings.max_queue + together)
        self.keeping = Keeping(store, self.rows, settings)
        self.metrics = metrics
        metrics.active.now = store.live
        metrics.in_alarm.now = lambda: self.rows.in_alarm() if store.live() else store.live()  # which ends those over
        metrics.calibrated(checkpoint.calibration)
        self.stepping = Stepping(predictor, self.rows, metrics)
        self.watching = Watching(settings.max_watchers, store.wire)
        metrics.watchers.now = lambda: float(len(self.watching))

    async def close(self) -> None:
        """Stop gracefully."""
        await self.store.close()

    async def predict(self, request: PredictRequest, owner: str = "") -> Prediction:
        """Observe, and predict the value after each observation. All of it is applied, or nothing."""
        values = self.model.values_of(request.values)
        self.model.check_level(request.level)
        if request.session_id is None:
            return await self._predict_token(request, values)
        if request.context is not None:
            raise InvalidRequest("session_id and context: a request belongs to a session or to a token, not to both")
        key = owner + request.session_id
        self.keeping.enter()
        try:
            return await self.predict_session(key, request.session_id, values, request.step, request.level)
        finally:
            self.keeping.leave()

    async def infer(
        self,
        values: Values,
        session_id: str | None,
        expected: int | None = None,
        level: float | None = None,
        part: Part = ANYWHERE,
        owner: str = "",
    ) -> Prediction:
        """The same for values that are numbers already, (1, T, F); without a session nothing is kept of them."""
        self.model.check_number(values.shape[1])
        self.model.check_level(level)
        self.model.check_horizon(part.horizon)
        if session_id is None:
            after, stepped = await self._advanced(self.model.nothing(), values, expected, level)
            ahead = self.model.forecast(after.context, part.horizon, level) if part.horizon else None
            answer = answered(stepped, after.step, self.model.name)
            return Prediction(answer, False, Timing(compute=stepped.seconds), ahead)
        self.keeping.enter()
        try:
            return await self.predict_session(owner + session_id, session_id, values, expected, level, part)
        finally:
            self.keeping.leave()

    async def predict_session(
        self,
        key: str,
        session_id: str,
        values: Values,
        expected: int | None,
        level: float | None = None,
        part: Part = ANYWHERE,
    ) -> Prediction:
        """The same for a session, at the step that the request expects, if it says one. values: (1, T, F)"""
        started = time.perf_counter()
        await self.keeping.take_turn(key)
        try:
            timing = Timing(queue=time.perf_counter() - started)
            return await self.predict_held(key, session_id, values, expected, level, part, timing)
        finally:
            self.keeping.give_turn(key)

    async def predict_held(
        self,
        key: str,
        session_id: str,
        values: Values,
        expected: int | None,
        level: float | None = None,
        part: Part = ANYWHERE,
        timing: Timing | None = None,
    ) -> Prediction:
        """The same for who has the turn."""
        started = time.perf_counter()
        while True:
            try:
                return await self._apply(key, session_id, values, expected, level, part, timing or Timing())
            except Superseded:
                self.metrics.superseded.inc()
                self.keeping.check_patience(started)

    async def _apply(
        self,
        key: str,
        session_id: str,
        values: Values,
        expected: int | None,
        level: float | None,
        part: Part,
        timing: Timing,
    ) -> Prediction:
        """The caller has the turn."""
        digest = observations.digest(values)
        there = found = await self.store.find(key)
        if not isinstance(found, int):
            self.check_id(session_id)
        if part.start is not None:
            found = self._found(found, session_id, expected, digest, part.start)
        if (again := self._replayed(found, session_id, expected, digest)) is not None:
            ahead = self._ahead(found, part.horizon, level)
            self.metrics.replays.inc()
            if part.end:
                await self.end(key, session_id)
            return Prediction(again, True, timing, ahead)
        row, rebuilt = self._row_of(found)
        kept = {START, found if isinstance(found, int) else START}
        in_place = self.store.in_place and not part.horizon and not self.stepping.is_long(values.shape[1])
        after = row if row not in kept or (in_place and row != START) else self.keeping.take()[0]
        try:
            stepped = await self.stepping.one(row, after, values, digest, level)
            ahead = self._ahead(after, part.horizon, level)
        except BaseException:
            self.keeping.give_back({row, after} - kept)
            raise
        timing.compute = stepped.seconds
        if rebuilt:
            self.rows.rebuilt(after, rebuilt)
            self.metrics.rebuilds.inc()
        step = int(self.rows.step[after])
        hidden = self.hidden(after) if key in self.watching.closely else None  # as the row may be another's soon
        created_at = float(self.rows.created_at[after])
        news = None if self.watching.wire is None else News(session_id, values[0, -RECENT:])
        started = time.perf_counter()
        await self.store.keep(key, after, there, news)
        timing.store = time.perf_counter() - started
        if not isinstance(there, int | Record):
            self.metrics.created.inc()
        answer = answered(stepped, step, self.model.name, session_id=session_id, rebuilt=rebuilt)
        text = b""
        if key in self.watching.watched and not (news and news.told):
            text = encode(answer)
            self.watching.tell(key, observed(answer, values[0], created_at, text), hidden=hidden)
        if part.end:
            await self.end(key, session_id)
        return Prediction(answer, False, timing, ahead, text)

    def _found(self, found: Found, session_id: str, expected: int | None, digest: bytes, start: bool) -> Found:
        """What there is for a request that says whether it begins its session: nothing, if it does and is no retry.

        Raises:
            SessionUnknown: it does not, and there is none.
            StepConflict: it does, and says a step above 0.
        """
        if not start:
            if found is None:
                raise SessionUnknown(f"no session {session_id!r} to go on with; sequence_start begins one")
            return found
        if expected:
            self.metrics.conflicts.inc()
            raise StepConflict(f"a session that begins is at step 0, not at {expected}", expected_step=0)
        if expected is None or not isinstance(found, int | Record):
            return None
        last = self._last(found)
        return found if last is not None and (last.base, last.digest) == (0, digest) else None

    def _ahead(self, found: Found, horizon: int, level: float | None) -> Forecast | None:
        """What the network would go on with by itself; None if nobody asks."""
        if not horizon:
            return None
        if isinstance(found, int):
            return self.model.forecast(self.model.predictor.read(self.rows.contexts, found), horizon, level)
        assert isinstance(found, Record)
        return self.model.forecast(self.model.current(found)[0].context, horizon, level)

    async def end(self, key: str, session_id: str) -> Record | Gone | None:
        """Delete a session, whose id is remembered; gives what there was. The caller has the turn."""
        news = News(session_id)
        found = await self.store.delete(key, news)
        if isinstance(found, Record):
            self.metrics.deleted.inc()
            if key in self.watching.watched and not news.told:
                self.watching.tell(
                    key, ended(session_id, why_gone(Gone("deleted", time.time()), session_id)), live=False
                )
        return found

    def hidden(self, row: int) -> Context:
        """The hidden state of a row, (L, H)."""
        return self.model.hidden(self.rows.contexts, row)

    def _replayed(self, found: Found, session_id: str, expected: int | None, digest: bytes) -> dict[str, Any] | None:
        """The answer that was given, if the request was the last one to be applied.

        Raises:
            SessionUnknown, SessionExpired, SessionDeleted: there is no such session, but the request says a step.
            StepConflict: it says another step than the session's.
        """
        if isinstance(found, Gone) or found is None:
            check_not_gone(found, session_id)
            if expected:
                raise SessionUnknown(
                    f"no session {session_id!r}, so none at step {expected}; begin without step or with 0"
                )
            return None
        step, model = self._at(found)
        if expected is None or expected == step:
            return None
        last = self._last(found)
        if last is not None and (expected, digest) == (last.base, last.digest):
            return predicted(last, step, name_of(model), session_id=session_id)
        self.metrics.conflicts.inc()
        raise StepConflict(f"session {session_id!r} is at step {step}, not at {expected}", expected_step=step)

    def _last(self, found: int | Record) -> Answer | None:
        """What a live session answered last."""
        return found.last if isinstance(found, Record) else self.rows.last(found)

    def _at(self, found: int | Record) -> tuple[int, bytes]:
        """Step and model of a live session."""
        return (found.step, found.model) if isinstance(found, Record) else (int(self.rows.step[found]), self.model.key)

    def _row_of(self, found: Found) -> tuple[int, int]:
        """The row of what was found, and from how many observations its context was rebuilt (0: it was not).

        Raises:
            ModelChanged: it belongs to another model and cannot be rebuilt.
        """
        if isinstance(found, int):
            return found, 0
        if not isinstance(found, Record):
            return START, 0
        record, rebuilt = self.model.current(found)
        (row,) = self.keeping.take()
        self.rows.write(row, record)
        return row, rebuilt

    async def _predict_token(self, request: PredictRequest, values: Values) -> Prediction:
        after, stepped = await self._advanced(self._token(request.context), values, request.step, request.level)
        answer = answered(stepped, after.step, self.model.name, context=self.tokens.issue(after))
        return Prediction(answer, False, Timing(compute=stepped.seconds))

    async def _advanced(
        self, token: Token, values: Values, expected: int | None, level: float | None
    ) -> tuple[Token, Stepped]:
        """A context that no session holds, after these values, and what they are answered."""
        if expected is not None and expected != token.step:
            self.metrics.conflicts.inc()
            raise StepConflict(f"the context is at step {token.step}, not at {expected}", expected_step=token.step)
        started = time.perf_counter()
        observed = await self.model.observe(values, token.context, level)
        seconds = time.perf_counter() - started
        after = Token(self.model.key, observed.context, token.step + values.shape[1])
        ages = np.array([self.model.predictor.alarm(observed.context)])
        numbers = observed.numbers
        self.stepping.learn(numbers, ages)
        self.stepping.executions.add(1, 1, 0.0, seconds, 0.0)
        alarm = int(began(ages, np.array([after.step]))[0])
        return after, Stepped(plain_answer(numbers[: self.rows.shape.kinds, 0]), alarm, seconds)

    async def forecast(self, request: ForecastRequest, owner: str = "") -> ForecastResponse:
        """Run free from a session's context, from a token's, or from zero. Commits nothing."""
        self.model.check_horizon(request.horizon)
        if request.session_id is not None and request.context is not None:
            raise InvalidRequest("session_id and context: a forecast is of a session or of a token, not of both")
        hypothetical = None if request.values is None else self.model.values_of(request.values)
        if request.session_id is not None:
            self.check_id(request.session_id)
            found = await self.store.get(owner + request.session_id)
            record, _ = self.model.current(self.needed(found, request.session_id))
            context, step = record.context, record.step
        else:
            token = self._token(request.context)
            context, step = token.context, token.step
        self.model.check_level(request.level)
        if hypothetical is not None:
            context = (await self.model.observe(hypothetical, context)).context
        return forecasted(self.model.forecast(context, request.horizon, request.level), step, self.model.name)

    def _token(self, text: str | None) -> Token:
        if text is None:
            return self.model.nothing()
        token = self.tokens.read(text)
        self.model.check_token(token)
        return token

    def needed(self, found: Record | Gone | None, session_id: str) -> Record:
        """The record of a session that must be alive.

        Raises:
            SessionUnknown, SessionExpired, SessionDeleted: it is not.
        """
        check_not_gone(found, session_id)
        if not isinstance(found, Record):
            raise SessionUnknown(f"no session {session_id!r}; predict creates one")
        return found

    def record(self, found: Found) -> Record | None:
        """The record of a live session."""
        if isinstance(found, int):
            return self.rows.record(found)
        return found if isinstance(found, Record) else None

    def is_id(self, session_id: str) -> bool:
        """Whether it looks like a session id, as the setting says."""
        return self._id_pattern.fullmatch(session_id) is not None

    def check_id(self, session_id: str) -> None:
        """Refuse what does not look like a session id.

        Raises:
            InvalidRequest: it does not match the setting.
        """
        if not self.is_id(session_id):
            raise InvalidRequest(f"the id of a session must match {self._id_pattern.pattern}")


def check_not_gone(found: Found, session_id: str) -> None:
    """See whether there was a session whose context is gone.

    Raises:
        SessionExpired, SessionDeleted: there was.
    """
    if isinstance(found, Gone):
        raise why_gone(found, session_id)


def why_gone(gone: Gone, session_id: str) -> ServiceError:
    """As a client is told that its session is gone."""
    when = rfc3339(gone.at)
    kind, field = (SessionExpired, "expired_at") if gone.reason == "expired" else (SessionDeleted, "deleted_at")
    return kind(
        f"session {session_id!r} {'expired' if gone.reason == 'expired' else 'was deleted'} at {when} and its "
        f"context is gone; go on under another id, or restore it from a token with PUT /sessions/{session_id}; at /v2 "
        "sequence_start begins it anew",
        **{field: when},
    )
