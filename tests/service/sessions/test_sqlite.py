import asyncio
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextlib import closing as disconnecting
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from service.errors import StoreUnavailable
from service.sessions import Gone, Record, SqliteStore, check_store
from service.sessions.sqlite import FORGET, Write
from tests.service.sessions.test_stores import LIMITS, Clock, Shelf, closing, packed, record

PAGE_BYTES = 4096


class Gated(SqliteStore):
    """A store whose writer waits at a gate; it counts the sessions that each transaction keeps."""

    def __init__(self, path: Path, clock: Clock, commit_seconds: float = 5) -> None:
        self.gate = Event()
        self.gate.set()
        self.groups: list[int] = []
        super().__init__(path, LIMITS, clock=clock, commit_seconds=commit_seconds)

    def _transact(self, writes: list[Write]) -> Exception | None:
        self.gate.wait()
        self.groups.append(sum(len(write.keys) for write in writes))
        return super()._transact(writes)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@contextmanager
def opened(path: Path, clock: Clock, **limits: Any) -> Iterator[Shelf]:
    """A store on the file, as after a start, and a graceful stop."""
    with closing(SqliteStore(path, replace(LIMITS, **limits), clock=clock)) as store:
        yield Shelf(store, clock)


@contextmanager
def gated(path: Path, clock: Clock) -> Iterator[Gated]:
    """A store whose gate is open at the start and at the end."""
    with closing(Gated(path, clock)) as store:
        try:
            yield store
        finally:
            store.gate.set()


def test_sessions_survive_being_reopened(path: Path, clock: Clock) -> None:
    with opened(path, clock) as shelf:
        shelf.put("a", "b")
        shelf.put("a", step=2)
    with opened(path, clock) as shelf:
        assert packed(shelf.get("a")) == record(clock, 2).pack()
        assert (shelf.page(), shelf.store.live()) == (["a", "b"], 2)


def test_the_order_of_use_survives(path: Path, clock: Clock) -> None:
    with opened(path, clock) as shelf:
        shelf.put("a", "b")
        clock.now = 1030
        shelf.put("a")
    with opened(path, clock) as shelf:
        clock.now = 1061
        assert (shelf.get("b"), shelf.step("a")) == (Gone("expired", 1060), 1)


def test_the_order_of_creation_survives(path: Path, clock: Clock) -> None:
    with opened(path, clock) as shelf:
        shelf.put("older")
        clock.now = 1010
        shelf.put("newer")
        shelf.put("older", created_at=1000)
    with opened(path, clock, max_age_seconds=50) as shelf:
        clock.now = 1051
        assert (shelf.get("older"), shelf.step("newer")) == (Gone("expired", 1050), 1)


def test_the_order_of_leaving_survives(path: Path, clock: Clock) -> None:
    with opened(path, clock) as shelf:
        shelf.put("a", "b")
        shelf.delete("b")
        clock.now = 1010
        shelf.delete("a")
    with opened(path, clock) as shelf:
        clock.now = 1601
        assert (shelf.get("b"), shelf.get("a")) == (None, Gone("deleted", 1010))


def test_what_is_remembered_of_the_gone_survives(path: Path, clock: Clock) -> None:
    with opened(path, clock) as shelf:
        shelf.put("deleted", "restored", "expired", "unseen")
        for key in ("deleted", "restored"):
            shelf.delete(key)
        shelf.put("restored", step=3)
        clock.now = 1061
        shelf.put("restored", step=4)
        assert shelf.get("expired") == Gone("expired", 1060)
    clock.now = 1100
    with opened(path, clock) as shelf:
        assert (shelf.get("deleted"), shelf.step("restored")) == (Gone("deleted", 1000), 4)
        assert shelf.get("expired") == shelf.get("unseen") == Gone("expired", 1060)
    clock.now = 1661
    with opened(path, clock) as shelf:
        assert [shelf.get(key) for key in ("deleted", "expired", "unseen")] == [None] * 3


def test_the_file_forgets_what_the_memory_forgets(path: Path, clock: Clock) -> None:
    def kept() -> list[tuple[str, str]]:
        with disconnecting(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT key, '' FROM sessions UNION SELECT key, reason FROM gone").fetchall()

    with opened(path, clock) as shelf:
        shelf.put("deleted", "restored", "expired")
        for key in ("deleted", "restored"):
            shelf.delete(key)
        clock.now = 1061
        shelf.put("restored")
    assert kept() == [("deleted", "deleted"), ("expired", "expired"), ("restored", "")]
    clock.now = 2000
    with opened(path, clock) as shelf:
        shelf.get("whatever")
    assert kept() == []


HOLDER = """
import asyncio, sys, time
from pathlib import Path
from service.sessions import SqliteStore
from tests.service.sessions.test_stores import LIMITS, Clock, record
store = SqliteStore(Path(sys.argv[1]), LIMITS, clock=Clock())
asyncio.run(store.commit("a", record(Clock(), 7)))
print("committed", flush=True)
time.sleep(600)
"""


def test_a_file_is_for_one_process_and_outlives_its_being_killed(path: Path, clock: Clock) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "committed\n"
            with pytest.raises(StoreUnavailable, match="another process has it; one worker and one service per file"):
                check_store(f"sqlite:///{path}", None)
        finally:
            holder.kill()
    with opened(path, clock) as shelf:
        assert shelf.step("a") == 7


def garbage(path: Path) -> None:
    path.write_bytes(b"no database at all " * 500)


def foreign(path: Path) -> None:
    with disconnecting(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE sessions (key TEXT PRIMARY KEY, record BLOB)")


def future(path: Path) -> None:
    asyncio.run(SqliteStore(path, LIMITS).close())
    with disconnecting(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")


def cut(path: Path) -> None:
    with opened(path, Clock()) as shelf:
        shelf.put(*map(str, range(99)))
    path.write_bytes(path.read_bytes()[: -2 * PAGE_BYTES])


def unreadable(path: Path) -> None:
    with opened(path, Clock()) as shelf:
        shelf.put("a")
    with disconnecting(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE sessions SET record = x'02ff'")


NOT_OURS = [garbage, foreign, future, cut, unreadable]


@pytest.mark.parametrize("spoil", NOT_OURS)
def test_a_file_that_is_not_ours_or_damaged_is_refused_and_left_as_it_is(
    path: Path, clock: Clock, spoil: Callable[[Path], None]
) -> None:
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match=r"session store .*sessions\.db: "):
        SqliteStore(path, LIMITS, clock=clock)
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", ["folder", "file/sessions.db", "file/below/sessions.db"])
def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match=f"session store .*{place}: "):
        SqliteStore(tmp_path / place, LIMITS)


def test_requests_that_come_together_share_a_transaction(path: Path, clock: Clock) -> None:
    async def crowd(store: Gated) -> None:
        store.gate.clear()
        commits = [asyncio.ensure_future(store.commit(str(i), record(clock))) for i in range(50)]
        await asyncio.sleep(0.01)
        assert (store.live(), [commit.done() for commit in commits]) == (0, [False] * 50)
        store.gate.set()
        await asyncio.gather(*commits)
        assert store.live() == 50

    with gated(path, clock) as store:
        asyncio.run(crowd(store))
        assert sum(store.groups) == 50
        assert len(store.groups) <= 2  # whatever the writer had taken before the gate, and all others
    with opened(path, clock) as shelf:
        assert shelf.store.live() == 50


def test_what_is_kept_in_a_turn_of_the_loop_is_kept_together_or_not_at_all(path: Path, clock: Clock) -> None:
    async def crowd(store: Gated) -> list[BaseException | None]:
        commits = [store.commit(str(i), record(clock)) for i in range(9)]
        return await asyncio.gather(*commits, store.commit("large", large(clock)), return_exceptions=True)

    with gated(path, clock) as store:
        asyncio.run(store.commit("0", record(clock)))
        with no_more_disk(store):
            assert [type(outcome) for outcome in asyncio.run(crowd(store))] == [StoreUnavailable] * 10
        assert store.live() == 1
        assert asyncio.run(crowd(store)) == [None] * 10
        assert store.groups == [1, 10, 10]
    with opened(path, clock) as shelf:
        assert shelf.store.live() == 10


@pytest.mark.parametrize("moments", range(3))
def test_what_is_being_kept_when_the_store_stops_is_kept(path: Path, clock: Clock, moments: int) -> None:
    async def stop(store: SqliteStore) -> None:
        keeping = asyncio.ensure_future(store.commit("a", record(clock)))
        await asyncio.sleep(0)
        for _ in range(moments):
            await asyncio.sleep(0)
        await store.close()
        await keeping

    asyncio.run(stop(SqliteStore(path, LIMITS, clock=clock)))
    with opened(path, clock) as shelf:
        assert shelf.step("a") == 1


def test_a_commit_that_takes_too_long_is_refused_in_time_and_seen_through(path: Path, clock: Clock) -> None:
    async def wait(store: Gated) -> None:
        store.gate.clear()
        for acting in (store.commit("a", record(clock)), store.delete("b")):
            with pytest.raises(StoreUnavailable, match=r"within 0\.05 s") as late:
                await acting
            assert late.value.details == {"retry_after": 1}
        assert (await store.get("a"), packed(await store.get("b"))) == (None, record(clock).pack())
        changes = [store.pending(key) for key in "ab"]
        store.gate.set()
        await asyncio.gather(*(change for change in changes if change is not None))
        assert (packed(await store.get("a")), await store.get("b")) == (record(clock).pack(), Gone("deleted", 1000))
        assert [store.pending(key) for key in "ab"] == [None, None]

    with closing(Gated(path, clock, commit_seconds=0.05)) as store:
        asyncio.run(store.commit("b", record(clock)))
        asyncio.run(wait(store))


@contextmanager
def no_more_pages(store: SqliteStore) -> Iterator[None]:
    """The file may not grow."""
    limit = "PRAGMA max_page_count = {}"
    store._connection.execute(limit.format(1))  # SQLite takes the number that there are
    yield
    store._connection.execute(limit.format(10**6))


@contextmanager
def no_more_disk(store: SqliteStore) -> Iterator[None]:
    """No file of this process may grow over one page, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (PAGE_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


Failure = Callable[[SqliteStore], AbstractContextManager[None]]
failures = pytest.mark.parametrize("failure", [no_more_pages, no_more_disk])


def large(clock: Clock) -> Record:
    """A record that needs pages of its own."""
    return replace(record(clock, 9), history=np.zeros((5 * PAGE_BYTES, 1)))


@failures
def test_a_commit_that_fails_changes_nothing_and_the_store_goes_on(path: Path, clock: Clock, failure: Failure) -> None:
    with gated(path, clock) as store:
        shelf = Shelf(store, clock)
        shelf.put("a", "b")
        with failure(store):
            for key in ("a", "new"):
                with pytest.raises(StoreUnavailable, match=r"could not commit .* nothing was changed") as error:
                    asyncio.run(store.commit(key, large(clock)))
                assert error.value.details == {"retry_after": 1}
            assert (packed(shelf.get("a")), shelf.get("new")) == (record(clock).pack(), None)
    with gated(path, clock) as store:
        shelf = Shelf(store, clock)
        assert (packed(shelf.get("a")), shelf.page()) == (record(clock).pack(), ["a", "b"])
        with failure(store), pytest.raises(StoreUnavailable):
            asyncio.run(store.commit("a", large(clock)))
        for key in ("a", "new"):
            asyncio.run(store.commit(key, large(clock)))
    with opened(path, clock) as shelf:
        assert packed(shelf.get("a")) == packed(shelf.get("new")) == large(clock).pack()


def test_a_deletion_that_fails_changes_nothing(path: Path, clock: Clock) -> None:
    with gated(path, clock) as store:
        shelf = Shelf(store, clock)
        shelf.put("a")
        with no_more_disk(store), pytest.raises(StoreUnavailable):
            shelf.delete("a")
        assert shelf.step("a") == 1
        shelf.delete("a")
        assert shelf.get("a") == Gone("deleted", clock.now)


def test_whatever_a_write_fails_of_the_next_one_is_written(path: Path, clock: Clock) -> None:
    lone_surrogate = "\ud800"
    with opened(path, clock) as shelf:

        async def write() -> None:
            with pytest.raises(StoreUnavailable):
                await shelf.store.commit(lone_surrogate, record(clock))
            await shelf.store.commit("a", record(clock))

        asyncio.run(asyncio.wait_for(write(), 5))
        assert shelf.page() == ["a"]


@pytest.mark.parametrize("moments", range(4))
@pytest.mark.parametrize("act", ["commit", "delete"])
def test_memory_and_file_agree_after_a_cancellation(path: Path, clock: Clock, act: str, moments: int) -> None:
    async def cancel(store: Gated) -> Record | Gone | None:
        await store.commit("a", record(clock))
        store.gate.clear()
        acting = store.commit("a", record(clock, 2)) if act == "commit" else store.delete("a")
        task = asyncio.ensure_future(acting)
        for _ in range(moments):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        store.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await store.commit("b", record(clock))  # whatever was under way has ended before this
        return await store.get("a")

    with gated(path, clock) as store:
        found = asyncio.run(cancel(store))
    with opened(path, clock) as shelf:
        again = shelf.get("a")
    assert found == again if isinstance(found, Gone) else packed(found) == packed(again)


@pytest.mark.parametrize("moments", range(1, 5))
@pytest.mark.parametrize("act", ["commit", "delete"])
def test_a_session_does_not_expire_while_it_is_committed_or_deleted(
    path: Path, clock: Clock, act: str, moments: int
) -> None:
    async def overtake(store: Gated) -> None:
        await store.commit("a", record(clock))
        clock.now = 1060
        store.gate.clear()
        acting = asyncio.ensure_future(store.commit("a", record(clock, 2)) if act == "commit" else store.delete("a"))
        for _ in range(moments):
            await asyncio.sleep(0)
        clock.now = 1061
        await store.get("a")
        store.gate.set()
        await acting

    def ended(shelf: Shelf) -> bool:
        return shelf.step("a") == 2 if act == "commit" else shelf.get("a") == Gone("deleted", 1060)

    with gated(path, clock) as store:
        asyncio.run(overtake(store))
        assert ended(Shelf(store, clock))
    with opened(path, clock) as shelf:
        assert ended(shelf)


def test_many_records_are_few_statements_and_what_leaves_leaves_first(path: Path, clock: Clock) -> None:
    keys = [str(number % 100) for number in range(150)]
    records = [record(clock, step).pack() for step in range(1, 151)]
    with opened(path, clock) as shelf:
        store = shelf.store
        assert isinstance(store, SqliteStore)
        shelf.put("left", "0")
        statements: list[str] = []
        store._connection.set_trace_callback(statements.append)
        kept = [Write([], [key], [packed]) for key, packed in zip(keys, records, strict=True)]
        assert store._transact([*kept, Write([(FORGET, ("left",)), (FORGET, ("0",))])]) is None
        store._connection.set_trace_callback(None)
        assert len(statements) == 7  # begin, two that are forgotten, 64, 64 and 22 records, commit
        found = dict(store._connection.execute("SELECT key, record FROM sessions"))
    assert found == dict(zip(keys, records, strict=True))


@failures
def test_a_check_finds_out_whether_it_commits_again(path: Path, clock: Clock, failure: Failure) -> None:
    with gated(path, clock) as store:
        asyncio.run(store.check())
        assert store.groups == []  # cheap while nothing is wrong
        with failure(store), pytest.raises(StoreUnavailable):
            asyncio.run(store.commit("a", large(clock)))
        asyncio.run(store.check())
        asyncio.run(store.check())
        assert store.groups == [1, 0]


def test_a_check_fails_as_long_as_nothing_can_be_written(path: Path, clock: Clock) -> None:
    with gated(path, clock) as store:
        with no_more_disk(store):
            for refused in (store.commit("a", large(clock)), store.check(), store.check()):
                with pytest.raises(StoreUnavailable, match="could not commit"):
                    asyncio.run(refused)
        asyncio.run(store.check())


def test_a_check_fails_as_long_as_commits_take_too_long(path: Path, clock: Clock) -> None:
    with closing(Gated(path, clock, commit_seconds=0.05)) as store:
        store.gate.clear()
        for refused in (store.commit("a", record(clock)), store.check()):
            with pytest.raises(StoreUnavailable, match=r"did not commit within 0\.05 s"):
                asyncio.run(refused)
        store.gate.set()
        asyncio.run(store.check())
