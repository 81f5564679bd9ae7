"""The contract of a store, which every kind of store keeps in the same way."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import SessionCapacity
from service.sessions import (
    ELSEWHERE,
    START,
    Answer,
    Gone,
    Limits,
    MemoryStore,
    Record,
    Rows,
    Shape,
    SqliteStore,
    Store,
)
from service.sessions.addresses import Address
from service.sessions.memory import OVERHEAD_BYTES
from service.sessions.redis import RedisStore
from service.sessions.rosters import Roster
from tests.conftest import random_checkpoint
from tests.redis_server import RedisServer

LIMITS = Limits(
    idle_seconds=60, max_age_seconds=None, max_sessions=100, max_bytes=10**6, gone_seconds=600, max_gone=100
)


AnyStore = TypeVar("AnyStore", bound=Store)
Run = Callable[[Coroutine[Any, Any, Any]], Any]


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def record(clock: Clock, step: int = 1, created_at: float | None = None) -> Record:
    """What a stream leaves behind that was used just now."""
    answer = Answer(step - 1, bytes(16), np.full((1, 1), 0.5))
    created_at = clock.now if created_at is None else created_at
    return Record(bytes(16), np.full((1, 4), step, np.float32), step, created_at, clock.now, np.empty((0, 1)), answer)


def packed(found: Record | Gone | None) -> bytes:
    """A live record's every bit."""
    assert isinstance(found, Record)
    return found.pack()


class Shelf:
    """A store seen from code that does not wait."""

    def __init__(self, store: Store, clock: Clock, run: Run = asyncio.run) -> None:
        self.store = store
        self.clock = clock
        self.run = run

    def has(self, sessions: int) -> bool:
        """Whether so many are live, as far as that is known here."""
        return self.store.live() in (sessions, None)

    def put(self, *keys: str, step: int = 1, created_at: float | None = None) -> None:
        for key in keys:
            self.commit(key, record(self.clock, step, created_at))

    def commit(self, key: str, record: Record) -> None:
        found = self.run(self.store.find(key))
        self.run(self.store.commit(key, record, found))

    def get(self, key: str) -> Record | Gone | None:
        found: Record | Gone | None = self.run(self.store.get(key))
        return found

    def step(self, key: str) -> int:
        found = self.get(key)
        assert isinstance(found, Record)
        return found.step

    def delete(self, key: str) -> Record | Gone | None:
        found: Record | Gone | None = self.run(self.store.delete(key))
        return found

    def page(self, prefix: str = "", after: str = "", limit: int = 100) -> list[str]:
        return [key for key, _ in self.run(self.store.page(prefix, after, limit))]


MakeShelf = Callable[..., Shelf]
OWN = ["memory", "memory in rows", "sqlite", "sqlite in rows"]


@contextmanager
def closing(store: AnyStore) -> Iterator[AnyStore]:
    """A store until the end of the context, where it is stopped gracefully."""
    try:
        yield store
    finally:
        asyncio.run(store.close())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[int]:
    """How many sessions had expired, each time that a store said so."""
    return []


def rows(places: int = 1000) -> Rows:
    """Rows that `record` fits."""
    predictor = random_checkpoint(hidden_size=4).predictor("cpu")
    return Rows(Shape.of(bytes(16), predictor, 0), predictor, places)


@pytest.fixture(params=OWN)
def make_own(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, told: list[int]) -> Iterator[MakeShelf]:
    """A store of each kind that is this process's own; keyword arguments are limits."""
    with own(request.param, tmp_path, clock, told) as make:
        yield make


@pytest.fixture(params=[*OWN, "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, told: list[int]) -> Iterator[MakeShelf]:
    """A store of each kind; keyword arguments are limits."""
    if request.param == "redis":
        making = shared(request.getfixturevalue("redis"), clock)
    else:
        making = own(request.param, tmp_path, clock, told)
    with making as make:
        yield make


@contextmanager
def own(kind: str, folder: Path, clock: Clock, told: list[int]) -> Iterator[MakeShelf]:
    with ExitStack() as stack:

        def make(**limits: Any) -> Shelf:
            bounds = replace(LIMITS, **limits)
            if kind.startswith("memory"):
                store = MemoryStore(bounds, told.append, clock=clock)
            else:
                store = SqliteStore(folder / "sessions.db", bounds, told.append, clock)
            if kind.endswith("rows"):
                store.adopt(rows(), lambda _: False)
            return Shelf(stack.enter_context(closing(store)), clock)

        yield make


@contextmanager
def shared(server: RedisServer, clock: Clock) -> Iterator[MakeShelf]:
    with asyncio.Runner() as runner, ExitStack() as stack:

        def make(**limits: Any) -> Shelf:
            store = RedisStore(Address.parse(server.url), replace(LIMITS, **limits), clock=clock)
            stack.callback(lambda: runner.run(store.close()))
            return Shelf(store, clock, runner.run)

        yield make


@pytest.fixture
def shelf(make: MakeShelf) -> Shelf:
    return make()


def test_what_is_committed_is_got(shelf: Shelf, clock: Clock) -> None:
    assert shelf.get("a") is None
    shelf.put("a", step=5)
    assert packed(shelf.get("a")) == record(clock, 5).pack()
    assert shelf.has(1)


def test_a_commit_takes_the_place_of_the_one_before(shelf: Shelf) -> None:
    shelf.put("a", "b")
    shelf.put("a", step=2)
    assert (shelf.step("a"), shelf.step("b")) == (2, 1)
    assert shelf.has(2)


def test_what_is_got_is_a_copy_that_nobody_shares(shelf: Shelf, clock: Clock) -> None:
    shelf.put("a")
    found = shelf.get("a")
    assert isinstance(found, Record)
    found.context[:] = 9
    assert packed(shelf.get("a")) == record(clock).pack()


def test_a_deleted_session_is_remembered_as_deleted(shelf: Shelf, clock: Clock) -> None:
    assert shelf.delete("a") is None
    shelf.put("a", step=3)
    assert packed(shelf.delete("a")) == record(clock, 3).pack()
    gone = Gone("deleted", clock.now)
    clock.now += 1
    assert (shelf.get("a"), shelf.delete("a")) == (gone, gone)
    assert shelf.has(0)


def test_use_keeps_a_session_alive_and_idleness_ends_it(shelf: Shelf, clock: Clock) -> None:
    shelf.put("used", "idle")
    clock.now = 1059
    shelf.put("used", step=2)
    clock.now = 1060
    assert shelf.step("idle") == 1
    clock.now = 1061
    assert shelf.get("idle") == Gone("expired", 1060)
    assert shelf.step("used") == 2
    assert shelf.has(1)


def test_looking_at_a_session_is_no_use_of_it(shelf: Shelf, clock: Clock) -> None:
    shelf.put("a")
    clock.now += 50
    shelf.get("a")
    shelf.page()
    clock.now += 11
    assert shelf.get("a") == Gone("expired", 1060)


def test_age_ends_a_session_however_much_it_is_used(make: MakeShelf, clock: Clock) -> None:
    shelf = make(max_age_seconds=100)
    for clock.now in (1000, 1050, 1100):
        shelf.put("a", created_at=1000)
    assert shelf.step("a") == 1
    clock.now = 1101
    assert shelf.get("a") == Gone("expired", 1100)
    assert shelf.has(0)


def test_a_session_that_is_both_idle_and_old_expired_when_the_first_of_both_was_over(
    make: MakeShelf, clock: Clock
) -> None:
    shelf = make(max_age_seconds=100)
    for clock.now in (1000, 1090):
        shelf.put("a", created_at=1000)
    clock.now = 1200
    assert shelf.get("a") == Gone("expired", 1100)


def test_it_is_told_how_many_expired_and_not_who_was_deleted(
    make_own: MakeShelf, clock: Clock, told: list[int]
) -> None:
    shelf = make_own()
    shelf.put("a", "b", "deleted")
    shelf.delete("deleted")
    clock.now = 1061
    assert (shelf.store.live(), told) == (0, [2])


AGEING: list[dict[str, Any]] = [{}, {"max_age_seconds": 60, "idle_seconds": 10**6}]
either_way = pytest.mark.parametrize("limits", AGEING, ids=["idle", "old"])


@either_way
def test_the_gone_are_remembered_for_a_time(make: MakeShelf, clock: Clock, limits: dict[str, Any]) -> None:
    shelf = make(**limits)
    shelf.put("expired", "deleted")
    shelf.delete("deleted")
    clock.now = 1600
    assert (shelf.get("deleted"), shelf.get("expired")) == (Gone("deleted", 1000), Gone("expired", 1060))
    clock.now = 1660
    assert (shelf.get("deleted"), shelf.get("expired")) == (None, Gone("expired", 1060))
    clock.now = 1661
    assert shelf.get("expired") is None


@either_way
def test_what_expired_unseen_long_ago_is_not_remembered(make: MakeShelf, clock: Clock, limits: dict[str, Any]) -> None:
    shelf = make(**limits)
    shelf.put("a")
    clock.now = 1661
    assert shelf.get("a") is None


def test_the_gone_are_remembered_up_to_a_number_the_latest_of_them(make_own: MakeShelf, clock: Clock) -> None:
    shelf = make_own(max_gone=2)
    shelf.put("a", "b", "c")
    clock.now = 1061
    shelf.put("d")
    shelf.delete("d")
    assert [shelf.get(key) for key in "abcd"] == [None, None, Gone("expired", 1060), Gone("deleted", 1061)]


def test_nothing_of_the_gone_is_remembered_where_that_is_the_limit(make_own: MakeShelf, clock: Clock) -> None:
    shelf = make_own(max_gone=0)
    shelf.put("a")
    shelf.delete("a")
    assert shelf.get("a") is None


def test_a_session_is_restored_over_one_that_is_gone(shelf: Shelf, clock: Clock) -> None:
    shelf.put("deleted", "expired")
    shelf.delete("deleted")
    clock.now += 61
    shelf.put("deleted", "expired", step=7)
    assert (shelf.step("deleted"), shelf.step("expired")) == (7, 7)
    clock.now += 61
    assert shelf.get("deleted") == Gone("expired", 1121)


def test_a_full_store_refuses_new_sessions_and_evicts_no_live_one(make_own: MakeShelf) -> None:
    shelf = make_own(max_sessions=2)
    shelf.put("a", "b")
    with pytest.raises(SessionCapacity, match="no room for a new session beside 2 sessions in use") as full:
        shelf.put("c")
    assert full.value.details["retry_after"] > 0
    assert shelf.get("c") is None
    shelf.put("a", step=2)
    assert (shelf.step("a"), shelf.step("b"), shelf.store.live()) == (2, 1, 2)


def test_bytes_are_a_limit_like_the_number(make_own: MakeShelf, clock: Clock) -> None:
    size = len(record(clock).pack()) + OVERHEAD_BYTES
    shelf = make_own(max_bytes=2 * size + size // 2)
    shelf.put("a", "b")
    with pytest.raises(SessionCapacity, match="bytes of sessions in use"):
        shelf.put("c")
    shelf.put("a", step=2)
    shelf.delete("b")
    shelf.put("c")
    assert shelf.page() == ["a", "c"]


def test_a_live_session_goes_on_even_where_it_grows_over_the_limit(make_own: MakeShelf, clock: Clock) -> None:
    larger = replace(record(clock, 60), last=Answer(10, bytes(16), np.zeros((50, 1))))
    shelf = make_own(max_bytes=len(record(clock).pack()) + OVERHEAD_BYTES)
    shelf.put("a")
    shelf.commit("a", larger)
    assert packed(shelf.get("a")) == larger.pack()


@either_way
def test_the_expired_make_room_at_once(make_own: MakeShelf, clock: Clock, limits: dict[str, Any]) -> None:
    shelf = make_own(max_sessions=2, **limits)
    shelf.put("a", "b")
    clock.now += 61
    shelf.put("c")
    assert shelf.store.live() == 1


@pytest.mark.parametrize("limit", ["max_sessions", "max_bytes"])
def test_sessions_that_come_at_once_fill_a_store_no_further(make_own: MakeShelf, clock: Clock, limit: str) -> None:
    size = len(record(clock).pack()) + OVERHEAD_BYTES
    store = make_own(**{limit: 2 if limit == "max_sessions" else 2 * size}).store

    async def create() -> list[BaseException | None]:
        return await asyncio.gather(*(store.commit(key, record(clock)) for key in "abcd"), return_exceptions=True)

    outcomes = asyncio.run(create())
    assert [type(outcome) for outcome in outcomes] == [type(None)] * 2 + [SessionCapacity] * 2
    assert store.live() == 2


def test_room_that_was_refused_or_left_is_room_again(make_own: MakeShelf) -> None:
    shelf = make_own(max_sessions=1)
    for key in "abc":
        shelf.put(key)
        with pytest.raises(SessionCapacity):
            shelf.put("other")
        shelf.delete(key)
    shelf.put("d")


def test_a_page_has_the_keys_in_order_behind_the_cursor_up_to_a_limit(shelf: Shelf) -> None:
    shelf.put("c", "a", "d", "b")
    assert shelf.page() == ["a", "b", "c", "d"]
    assert shelf.page(limit=2) == ["a", "b"]
    assert shelf.page(after="b", limit=2) == ["c", "d"]
    assert shelf.page(after="bb") == ["c", "d"]
    assert shelf.page(after="d") == []


def test_a_page_shows_one_owner_only(shelf: Shelf) -> None:
    shelf.put("ann/1", "ann/2", "bob/1", "b")
    assert shelf.page("ann/") == ["ann/1", "ann/2"]
    assert shelf.page("ann/", after="ann/1") == ["ann/2"]
    assert shelf.page("bob/", after="ann/1") == ["bob/1"]


@either_way
def test_a_page_is_full_of_live_sessions_where_there_are_enough(
    make: MakeShelf, clock: Clock, limits: dict[str, Any]
) -> None:
    shelf = make(**limits)
    shelf.put("a", "b", "c")
    shelf.delete("c")
    clock.now += 61
    shelf.put("d", "e")
    assert shelf.page(limit=2) == ["d", "e"]


def test_a_page_of_very_many_is_the_same(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.put("b", "a", "c")
    monkeypatch.setattr("service.sessions.memory.LISTED_INLINE", 2)
    assert shelf.page(after="a") == ["b", "c"]


@given(keys=st.sets(st.text("ab", min_size=1)), prefix=st.text("ab", max_size=2), limit=st.integers(1, 4))
def test_pages_put_together_are_all_sessions_once(keys: set[str], prefix: str, limit: int) -> None:
    shelf = Shelf(MemoryStore(LIMITS, clock=Clock()), Clock())
    shelf.put(*keys)
    pages = [shelf.page(prefix, limit=limit)]
    while pages[-1]:
        pages.append(shelf.page(prefix, after=pages[-1][-1], limit=limit))
    assert [key for page in pages for key in page] == sorted(key for key in keys if key.startswith(prefix))


@pytest.mark.parametrize("limits", [{}, {"max_age_seconds": 60, "idle_seconds": 600}], ids=["idle", "old"])
def test_a_batch_finds_no_session_that_is_over_behind_one_that_somebody_holds(clock: Clock, limits: Any) -> None:
    store = MemoryStore(replace(LIMITS, **limits), clock=clock)
    shelf = Shelf(store, clock)
    own = rows()
    store.adopt(own, {"held"}.__contains__)
    shelf.put("held", "over")
    held, over = store.rows(Roster(["held", "over"])).tolist()
    assert START < held < over
    own.used_at[held] = 1000.5  # computed, and not kept yet
    clock.now = 1060.2
    assert store.rows(Roster(["over", "new"])).tolist() == [ELSEWHERE, START]  # it is then looked at by itself
    assert shelf.get("over") == Gone("expired", 1060)


@given(
    happening=st.lists(
        st.tuples(st.sampled_from(["put", "keep", "all", "delete", "wait", "other"]), st.sampled_from("abc")),
        max_size=12,
    )
)
def test_what_is_known_of_a_roster_is_what_is_found_anew(happening: list[tuple[str, str]]) -> None:
    """Whatever came, went, moved or was forgotten in between."""
    clock = Clock()
    store = MemoryStore(replace(LIMITS, gone_seconds=150), clock=clock)
    shelf, own, roster = Shelf(store, clock), rows(), Roster("abc")
    store.adopt(own, lambda _: False)
    for what, key in happening:
        if what == "put":
            shelf.put(key)
        elif what == "other":  # of another model
            shelf.commit(key, replace(record(clock), model=bytes(16)))
        elif what in ("keep", "all") and (what == "keep" or store.rows(Roster([key])) == START):
            (row,) = own.take()
            own.write(row, record(clock))
            shelf.run(store.keep(key, row) if what == "keep" else store.keep_all([key], np.array([row])))
        elif what == "delete":
            shelf.delete(key)
        elif what == "wait":
            clock.now += 40
        assert store.rows(roster).tolist() == store.rows(Roster("abc")).tolist()


def test_a_session_that_somebody_holds_is_over_and_forgotten_as_if_nobody_did(
    make_own: MakeShelf, clock: Clock
) -> None:
    shelf = make_own()
    shelf.store.adopt(rows(), {"a", "b"}.__contains__)
    shelf.put("a", "b")
    clock.now = 1061
    assert shelf.get("a") == shelf.get("b") == Gone("expired", 1060)
    clock.now = 1661
    assert (shelf.get("a"), shelf.run(shelf.store.find("b"))) == (None, None)
    assert shelf.has(1)
    shelf.put("a", step=3)
    assert shelf.step("a") == 3
