import numpy as np
import pytest

from service.errors import SessionCapacity, SessionExpired
from service.sessions import MemorySessions, Session, memory


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> MemorySessions:
    return MemorySessions(max_sessions=3, idle_seconds=10, clock=clock)


def session(step: int = 1) -> Session:
    return Session(np.full((1, 2), step, dtype=np.float32), step)


def test_what_is_put_is_got(sessions: MemorySessions) -> None:
    assert sessions.get("a") is None
    sessions.put("a", session(5))
    found = sessions.get("a")
    assert found is not None
    assert found.step == 5


def test_use_keeps_a_session_alive_and_idleness_ends_it(sessions: MemorySessions, clock: Clock) -> None:
    sessions.put("used", session())
    sessions.put("idle", session())
    clock.now += 9
    sessions.put("used", session(2))
    clock.now += 2
    assert sessions.get("used") is not None
    with pytest.raises(SessionExpired, match="idle for more than 10 s") as gone:
        sessions.get("idle")
    assert gone.value.details == {"expired_at": 1010.0}
    assert len(sessions) == 1


def test_an_expired_session_is_remembered_for_another_idle_limit(sessions: MemorySessions, clock: Clock) -> None:
    sessions.put("a", session())
    clock.now += 19
    with pytest.raises(SessionExpired):
        sessions.get("a")
    clock.now += 2
    assert sessions.get("a") is None


def test_the_memory_of_the_expired_is_bounded(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(memory, "REMEMBERED", 2)
    sessions = MemorySessions(max_sessions=9, idle_seconds=10, clock=clock)
    for name in "abc":
        sessions.put(name, session())
    clock.now += 11
    assert sessions.get("a") is None
    for name in "bc":
        with pytest.raises(SessionExpired):
            sessions.get(name)


def test_a_full_store_refuses_new_sessions_and_evicts_no_live_one(sessions: MemorySessions, clock: Clock) -> None:
    for name in "abc":
        sessions.put(name, session())
    with pytest.raises(SessionCapacity, match="all 3 sessions") as full:
        sessions.put("d", session())
    assert full.value.details["retry_after"] > 0
    sessions.put("a", session(2))
    assert len(sessions) == 3


def test_expired_sessions_make_room(sessions: MemorySessions, clock: Clock) -> None:
    for name in "abc":
        sessions.put(name, session())
    clock.now += 11
    assert sessions.get("d") is None
    sessions.put("d", session())
    assert len(sessions) == 1
