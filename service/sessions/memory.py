"""Sessions in the memory of this process."""

import time
from collections import OrderedDict
from collections.abc import Callable

from service.errors import SessionCapacity, SessionExpired
from service.sessions.record import Session

REMEMBERED = 100_000
RETRY_AFTER_SECONDS = 10


class MemorySessions:
    """At most `max_sessions` sessions, each until it has been idle for `idle_seconds`.

    Sessions are kept in order of last use, so that the expired ones are always at the front. Of an expired session
    its id is remembered, as long as another idle limit and for at most REMEMBERED ids: its next request is told that
    the context is gone, instead of silently starting again from zero.
    """

    def __init__(self, max_sessions: int, idle_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._max_sessions = max_sessions
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._live: OrderedDict[str, Session] = OrderedDict()
        self._expired: OrderedDict[str, float] = OrderedDict()  # id -> when

    def __len__(self) -> int:
        return len(self._live)

    def get(self, session_id: str) -> Session | None:
        """The session, or None if there never was one (or it is long forgotten).

        Raises:
            SessionExpired: it existed, and its context is gone.
        """
        self._expire()
        if (when := self._expired.get(session_id)) is not None:
            raise SessionExpired(
                f"session {session_id!r} was idle for more than {self._idle_seconds:g} s and its context is gone; "
                "go on under another id",
                expired_at=when,
            )
        return self._live.get(session_id)

    def put(self, session_id: str, session: Session) -> None:
        """Commit a session, new or advanced, as just used.

        Raises:
            SessionCapacity: it is new and there is no room.
        """
        if session_id not in self._live and len(self._live) >= self._max_sessions:
            raise SessionCapacity(
                f"all {self._max_sessions} sessions are in use; try again later", retry_after=RETRY_AFTER_SECONDS
            )
        session.used_at = self._clock()
        self._live[session_id] = session
        self._live.move_to_end(session_id)

    def _expire(self) -> None:
        now = self._clock()
        while self._live:
            session_id, session = next(iter(self._live.items()))
            if now - session.used_at <= self._idle_seconds:
                break
            del self._live[session_id]
            self._expired[session_id] = session.used_at + self._idle_seconds
        while self._expired:
            session_id, when = next(iter(self._expired.items()))
            if now - when <= self._idle_seconds and len(self._expired) <= REMEMBERED:
                break
            del self._expired[session_id]
