"""Sessions that survive a crash: in memory for reading, and in a SQLite file before any answer is given."""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

from service.errors import SessionCapacity, StoreUnavailable
from service.sessions import snapshot
from service.sessions.memory import OVERHEAD_BYTES, Entry, Indices, MemoryStore
from service.sessions.record import Record
from service.sessions.store import Found, Gone, Limits, News

FORGET = "DELETE FROM sessions WHERE key = ?"
DROP = "DELETE FROM gone WHERE key = ?"
MAX_GROUP = 1000
MAX_ROWS = 64
WAL_PAGES = 8000  # 32 MB beside the file; moving them into it more often costs a sixth of the throughput

logger = logging.getLogger("elman")

Statement = tuple[str, tuple[object, ...]]

BEGIN: Statement = "BEGIN", ()
COMMIT: Statement = "COMMIT", ()
PROBE: Statement = f"PRAGMA user_version = {snapshot.SCHEMA_VERSION}", ()  # written though it is the same


def check(path: Path) -> None:
    """See whether a file can be opened as a store; it is made where there is none.

    Raises:
        StoreUnavailable: it cannot.
    """
    connection, _ = _open(path)
    connection.close()


@dataclass(slots=True)
class Write:
    """What is written at once: first what leaves, then what is kept, packed when it is written.

    wait: who waits for it, None: nobody.
    """

    statements: list[Statement]
    keys: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    wait: "Wait | None" = None


class Wait:
    """For the end of a write, so long and no longer.

    over: it has been written, or could not be, and `then` knows which; told: what those who wait are told, which may be
    earlier that it takes too long.
    """

    def __init__(self, then: Callable[[bool], None], late: Callable[[], None], seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._then = then
        self._note_late = late
        self._seconds = seconds
        self.over: asyncio.Future[None] = self._loop.create_future()
        self.told: asyncio.Future[None] = self._loop.create_future()
        self.told.add_done_callback(asyncio.Future.exception)  # perhaps nobody is there any more who looks at it
        self._timer = self._loop.call_later(seconds, self._late)

    def end(self, error: Exception | None) -> None:
        """To be called by any thread."""
        with suppress(RuntimeError):  # the loop has ended, and with it all who waited
            self._loop.call_soon_threadsafe(self._end, error)

    def _end(self, error: Exception | None) -> None:
        self._timer.cancel()
        self._then(error is None)
        self.over.set_result(None)
        self._tell(error)

    def _late(self) -> None:
        self._note_late()
        late = f"the session store did not commit within {self._seconds:g} s; ask again with the same step"
        self._tell(StoreUnavailable(late, retry_after=1))

    def _tell(self, error: Exception | None) -> None:
        if self.told.done():
            return
        if error is None:
            self.told.set_result(None)
        else:
            self.told.set_exception(error)


class SqliteStore(MemoryStore):
    """A memory store whose every change is first committed to a file, by a thread of its own.

    What is kept in one turn of the event loop is one write, and writes that come while a commit is under way share the
    next one (group commit), so that the price of a transaction is paid once for all of them. A request that leaves
    meanwhile, or is refused because it takes too long, does not know the outcome; the write is seen through.

    The file is in WAL mode with full synchronisation, and locked for this process as long as it lives.

    Raises:
        StoreUnavailable: the file cannot be opened, or another process has it.
    """

    in_place = False

    def __init__(
        self,
        path: Path,
        limits: Limits,
        expired: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
        commit_seconds: float = 5,
    ) -> None:
        super().__init__(limits, expired, clock=clock)
        self._connection, rows = _open(path)
        self._commit_seconds = commit_seconds
        self._failing = False
        self._late = False  # some write takes too long, or did, and none has been done since
        self._arriving: dict[str, int] = {}  # new ones that are being committed, and their bytes
        self._changes: dict[str, asyncio.Future[None]] = {}
        self._joint: Write | None = None  # what is kept in this turn of the event loop
        self._writes: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._restore(*rows)
        self._writer = threading.Thread(target=self._write_forever, name="sessions", daemon=True)
        self._writer.start()

    async def keep(self, key: str, row: int, found: Found = None, news: News | None = None) -> None:
        await self._admitted(key, row)

    async def keep_all(self, keys: Sequence[str], rows: Indices) -> None:
        self._arriving |= dict.fromkeys((key for key in keys if key not in self._live), self._row_size())
        await self._kept(keys, rows.tolist())

    async def commit(self, key: str, record: Record, found: Found = None, news: News | None = None) -> None:
        await self._admitted(key, self._entered(record))

    def has_room(self, sessions: int) -> bool:
        sizes = sum(self._arriving.values()) + sessions * self._row_size()
        return self._has_room(len(self._arriving) + sessions, sizes)

    def pending(self, key: str) -> asyncio.Future[None] | None:
        return self._changes.get(key)

    async def _admitted(self, key: str, entry: Entry) -> None:
        if key not in self._live:
            size = self._size(entry)
            try:
                self._admit(key, size, len(self._arriving), sum(self._arriving.values()))
            except SessionCapacity:
                self._leave(entry)
                raise
            self._arriving[key] = size + OVERHEAD_BYTES
        await self._kept((key,), (entry,))

    def _kept(self, keys: Sequence[str], entries: Sequence[Entry]) -> asyncio.Future[None]:
        """First in the file, then in memory; together with what else comes in this turn of the event loop."""
        if self._joint is None:
            together: list[str] = []
            theirs: list[Entry] = []
            wait = self._waiting(partial(self._ended, together, theirs))
            self._joint = Write([], together, theirs, wait)
            asyncio.get_running_loop().call_soon(self._hand_over)
        joint = self._joint
        joint.keys += keys
        joint.entries += entries
        return self._wait(keys, joint)

    def _hand_over(self) -> None:
        if (write := self._joint) is not None:
            self._joint = None
            write.statements += [(DROP, (key,)) for key in write.keys if key in self._gone]
            self._writes.put(write)

    def _ended(self, keys: list[str], entries: list[Entry], written: bool) -> None:
        self._note_end(written)
        for key, entry in zip(keys, entries, strict=True):
            self._arriving.pop(key, None)
            self._changes.pop(key, None)
            if written:
                self._put(key, entry)
            else:
                self._leave(entry)

    async def delete(self, key: str, news: News | None = None) -> Record | Gone | None:
        found = await self.get(key)
        if isinstance(found, Record):
            gone = Gone("deleted", self._clock())

            def ended(written: bool) -> None:
                self._note_end(written)
                self._changes.pop(key, None)
                if written:
                    MemoryStore._forget(self, key, gone)

            write = Write(_forgetting(key, gone), wait=self._waiting(ended))
            self._writes.put(write)
            await self._wait((key,), write)
        return found

    async def check(self) -> None:
        if self._failing or self._late:  # it is found out whether that is over, also when nobody comes
            wait = self._waiting(self._note_end)
            self._writes.put(Write([PROBE], wait=wait))
            await asyncio.shield(wait.told)

    def _waiting(self, then: Callable[[bool], None]) -> Wait:
        return Wait(then, self._note_late, self._commit_seconds)

    def _note_late(self) -> None:
        self._late = True

    def _note_end(self, written: bool) -> None:
        self._late = self._late and not written

    def _wait(self, keys: Sequence[str], write: Write) -> asyncio.Future[None]:
        assert write.wait is not None
        self._changes.update(dict.fromkeys(keys, write.wait.over))
        return asyncio.shield(write.wait.told)

    async def close(self) -> None:
        self._hand_over()
        self._writes.put(None)
        self._writer.join()
        self._connection.close()

    def _forget(self, key: str, gone: Gone) -> bool:
        """Expired: nobody waits for it, because a restart would find it expired again."""
        recent = super()._forget(key, gone)
        self._writes.put(Write(_forgetting(key, gone) if recent else [(FORGET, (key,))]))
        return recent

    def _drop(self, key: str) -> None:
        super()._drop(key)
        self._writes.put(Write([(DROP, (key,))]))

    def _write_forever(self) -> None:
        """The writer's life: take all that waits, commit it at once, tell those who wait."""
        stopping = False
        while not stopping:
            group = [self._writes.get()]
            while len(group) < MAX_GROUP:
                try:
                    group.append(self._writes.get_nowait())
                except queue.Empty:
                    break
            writes = [write for write in group if write is not None]
            stopping = len(writes) < len(group)
            error = self._transact(writes)
            for write in writes:
                if write.wait is not None:
                    write.wait.end(error)

    def _transact(self, writes: list[Write]) -> Exception | None:
        connection = self._connection
        try:
            statements = [statement for write in writes for statement in write.statements]
            statements += self._keeping(writes)
            alone = len(statements) == 1  # then it is a transaction by itself
            for sql, parameters in statements if alone else (BEGIN, *statements, COMMIT):
                connection.execute(sql, parameters)
        except Exception as error:  # whatever it is, the writer lives on and those who wait are told
            if not self._failing:
                logger.error("the session store cannot commit: %s", error)
            self._failing = True
            with suppress(sqlite3.Error):
                connection.rollback()
            return StoreUnavailable(f"the session store could not commit ({error}); nothing was changed", retry_after=1)
        if self._failing:
            logger.warning("the session store commits again")
        self._failing = False
        return None

    def _keeping(self, writes: list[Write]) -> Iterator[Statement]:
        """Many records are one statement: around every call of SQLite the interpreter is let go of, and has to be won
        back from the event loop.
        """
        keys = [key for write in writes for key in write.keys]
        packed = self._all_as_packed([entry for write in writes for entry in write.entries])
        for start in range(0, len(keys), MAX_ROWS):
            some = slice(start, start + MAX_ROWS)
            rows = zip(keys[some], packed[some], strict=True)
            yield snapshot.keep(len(keys[some])), tuple(chain.from_iterable(rows))


def _forgetting(key: str, gone: Gone) -> list[Statement]:
    return [(FORGET, (key,)), (snapshot.REMEMBER, (key, gone.reason, gone.at))]


def _open(path: Path) -> tuple[sqlite3.Connection, snapshot.Rows]:
    connection = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=0)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        rows = snapshot.rows(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
        snapshot.prepare(connection)
    except (sqlite3.Error, OSError, StoreUnavailable) as error:
        if connection is not None:
            connection.close()
        locked = "locked" in str(error)
        reason = "another process has it; one worker and one service per file" if locked else str(error)
        raise StoreUnavailable(f"session store {path}: {reason}") from None
    return connection, rows
