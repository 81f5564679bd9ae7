"""Sessions as things that are held: shown, listed, made, restored, deleted. The engine advances them."""

import secrets
import time
from collections.abc import Callable
from functools import partial

from models.predictor import Context
from service import observations
from service.answers import predicted
from service.engine import Engine, check_not_gone, why_gone
from service.errors import (
    InvalidRequest,
    SessionDeleted,
    SessionExists,
    SessionExpired,
    SessionUnknown,
    StepConflict,
)
from service.model import name_of
from service.schemas import RestoreRequest, SessionResponse, SessionsResponse, SessionState, SessionSummary
from service.sessions import Gone, News, Record, Superseded
from service.settings import Settings
from service.times import rfc3339
from service.tokens import Token
from service.watching import ended, observed, placed

MAX_PAGE = 1000
ID_BYTES = 16


class Custody:
    """The session routes' other half, beside the engine whose store and turns it shares. It is the audience of the
    store's wire, on behalf of who watches.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        if engine.store.wire is not None:
            engine.store.wire.audience = self

    async def show(self, session_id: str, owner: str = "") -> SessionResponse:
        """A live session with its context. Looking does not count as use."""
        self._engine.check_id(session_id)
        record = self._engine.needed(await self._engine.store.get(owner + session_id), session_id)
        return self._response(session_id, record)

    async def look(self, session_id: str, owner: str = "") -> tuple[bool, Callable[[], bytes]]:
        """Whether a session is alive, and what tells how it is, for who watches it.

        Raises:
            StoreUnavailable: that cannot be told now.
        """
        try:
            self._engine.check_id(session_id)
            record = self._engine.needed(await self._engine.store.get(owner + session_id), session_id)
        except (InvalidRequest, SessionUnknown, SessionExpired, SessionDeleted) as error:
            return False, partial(ended, session_id, error)
        return True, partial(self._placed, session_id, record)

    def wants(self, key: str) -> bool:
        """Whether somebody watches this session."""
        return key in self._engine.watching.watched

    def heard(self, key: str, found: Record | Gone, news: News) -> None:
        """Some process kept this: who watches is told the same as if it had been this one."""
        session_id, live, hidden = news.session_id, isinstance(found, Record), None
        if isinstance(found, Gone):
            event = ended(session_id, why_gone(found, session_id))
        elif news.values is None or found.last is None:
            event = self._placed(session_id, found)
        else:
            answer = predicted(found.last, found.step, name_of(found.model), session_id=session_id)
            event = observed(answer, news.values, found.created_at)
            hidden = self._hidden(found) if key in self._engine.watching.closely else None
        self._engine.watching.tell(key, event, live=live, hidden=hidden)

    def missed(self) -> None:
        """Some process may have kept something that was not heard."""
        self._engine.watching.doubt()

    async def page(self, owner: str = "", cursor: str = "", limit: int = 100, prefix: str = "") -> SessionsResponse:
        """Live sessions in order of their ids, those that begin with `prefix`, from behind the cursor on."""
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidRequest(f"limit: from 1 to {MAX_PAGE}")
        found = await self._engine.store.page(owner + prefix, owner + cursor, limit + 1)
        sessions = [self._summary(key.removeprefix(owner), record) for key, record in found[:limit]]
        more = len(found) > limit
        return SessionsResponse(sessions=sessions, cursor=sessions[-1].session_id if more else None)

    async def create(self, owner: str = "") -> SessionResponse:
        """A session at step 0 under an id that nobody can guess."""
        session_id, record = secrets.token_hex(ID_BYTES), self._engine.model.fresh()
        await self._engine.store.commit(owner + session_id, record, None)
        self._engine.metrics.created.inc()
        return self._response(session_id, record)

    async def restore(
        self, session_id: str, request: RestoreRequest, owner: str = "", if_step: int | None = None
    ) -> tuple[SessionResponse, bool]:
        """Hold a token's context under this id: a new session, also in place of one that is gone; or, where `if_step`
        names the step of the live one, that one taken to the token's step. Also tells whether it is new.
        """
        engine = self._engine
        engine.check_id(session_id)
        token = engine.tokens.read(request.context)
        engine.model.check_token(token)
        key, news, started = owner + session_id, News(session_id), time.perf_counter()
        async with engine.keeping.turn(key):
            while True:
                try:
                    record, new = await self._put(key, news, token, if_step)
                    break
                except Superseded:
                    engine.keeping.check_patience(started)
            if key in engine.watching.watched and not news.told:
                engine.watching.tell(key, self._placed(session_id, record))
        if new:
            engine.metrics.created.inc()
        return self._response(session_id, record), new

    async def _put(self, key: str, news: News, token: Token, if_step: int | None) -> tuple[Record, bool]:
        """The caller has the turn."""
        session_id = news.session_id
        store, now, fresh = self._engine.store, time.time(), self._engine.model.fresh()
        found = await store.find(key)
        live = self._engine.record(found)
        if live is not None:
            self._check_step(session_id, live.step, if_step)
        elif if_step is not None:
            check_not_gone(found, session_id)
            raise SessionUnknown(f"no session {session_id!r}, so it is not at step {if_step}")
        record = Record(token.model, token.context, token.step, live.created_at if live else now, now, fresh.history)
        await store.commit(key, record, found, news)
        return record, live is None

    async def delete(self, session_id: str, owner: str = "") -> None:
        """Forget a live session; its id is remembered as deleted."""
        self._engine.check_id(session_id)
        key = owner + session_id
        async with self._engine.keeping.turn(key):
            self._engine.needed(await self._engine.end(key, session_id), session_id)

    def _check_step(self, session_id: str, step: int, if_step: int | None) -> None:
        if if_step is None:
            raise SessionExists(
                f"session {session_id!r} is alive at step {step}; to replace its context send if-match: {step}",
                step=step,
            )
        if if_step != step:
            self._engine.metrics.conflicts.inc()
            raise StepConflict(f"session {session_id!r} is at step {step}, not at {if_step}", expected_step=step)

    def _response(self, session_id: str, record: Record) -> SessionResponse:
        token = self._engine.tokens.issue(Token(record.model, record.context, record.step))
        return SessionResponse(**dict(self._state(session_id, record)), context=token)

    def _placed(self, session_id: str, record: Record) -> bytes:
        return placed(self._state(session_id, record).model_dump(exclude_none=True))

    def _state(self, session_id: str, record: Record) -> SessionState:
        model = self._engine.model
        condition = model.condition(record)
        return SessionState(
            **dict(self._summary(session_id, record)),
            error_level=None if condition is None else observations.to_bounds(condition.error[None])[0],
            interval_width=None if condition is None else observations.to_bounds(condition.width[None])[0],
            hidden_state=None if (hidden := self._hidden(record)) is None else observations.to_state(hidden),
        )

    def _hidden(self, record: Record) -> Context | None:
        """The hidden state, (L, H); None for a context of another model."""
        model = self._engine.model
        return model.hidden(record.context) if record.model == model.key else None

    def _summary(self, session_id: str, record: Record) -> SessionSummary:
        expires = record.used_at + self._settings.session_idle_seconds
        if (age := self._settings.session_max_age_seconds) is not None:
            expires = min(expires, record.created_at + age)
        return SessionSummary(
            session_id=session_id,
            step=record.step,
            model=name_of(record.model),
            created_at=rfc3339(record.created_at),
            used_at=rfc3339(record.used_at),
            expires_at=rfc3339(expires),
            last_alarm=self._engine.model.last_alarm(record),
        )
