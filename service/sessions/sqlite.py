"""Sessions that survive a crash: in memory for reading, and in a SQLite file before any answer is given."""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path

from service.errors import SessionCapacity, StoreUnavailable
from service.sessions import snapshot
from service.sessions.memory import OVERHEAD_BYTES, Entry, Indices, MemoryStore
from service.sessions.record import Record
from service.sessions.store import Gone, Limits

FORGET = "DELETE FROM sessions WHERE key = ?"
DROP = "DELETE FROM gone WHERE key = ?"
MAX_GROUP = 1000
MAX_ROWS = 64
WAL_PAGES = 8000  # 32 MB beside the file; moving them into it more often costs a sixth of the throughput

logger = logging.getLogger("elman")

Statement = tuple[str, tuple[object, ...]]


def check(path: Path) -> None:
    """See whether a file can be opened as a store; it is made where there is none.

    Raises:
        StoreUnavailable: it cannot.
    """
    connection, _ = _open(path)
    connection.close()


@dataclass(frozen=True, slots=True)
class Write:
    """Statements that belong together, and who waits for them (None: nobody)."""

    statements: list[Statement]
    done: asyncio.Future[None] | None = None


class SqliteStore(MemoryStore):
    """A memory store whose every change is first committed to a file, by a thread of its own.

    Requests that arrive while a commit is under way share the next one (group commit), so that the price of a
    transaction is paid once for all of them. The file is in WAL mode with full synchronisation, and locked for this
    process as long as it lives.

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
    ) -> None:
        super().__init__(limits, expired, clock=clock)
        self._connection, rows = _open(path)
        self._failing = False
        self._arriving: dict[str, int] = {}  # new ones that are being committed, and their bytes
        self._changes: dict[str, asyncio.Future[None]] = {}
        self._writes: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._restore(*rows)
        self._writer = threading.Thread(target=self._write_forever, name="sessions", daemon=True)
        self._writer.start()

    async def keep(self, key: str, row: int) -> None:
        await self._admitted(key, row)

    async def keep_all(self, keys: Sequence[str], rows: Indices) -> None:
        self._arriving |= dict.fromkeys((key for key in keys if key not in self._live), self._row_size())
        await self._committed(keys, rows.tolist())

    async def commit(self, key: str, record: Record) -> None:
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
        await self._committed((key,), (entry,))

    async def _committed(self, keys: Sequence[str], entries: Sequence[Entry]) -> None:
        """First in the file, then in memory."""
        statements: list[Statement] = [
            (snapshot.KEEP, (key, self._packed(entry))) for key, entry in zip(keys, entries, strict=True)
        ]
        statements += [(DROP, (key,)) for key in keys if key in self._gone]

        def kept(done: asyncio.Future[None]) -> None:
            failed = done.exception() is not None
            for key, entry in zip(keys, entries, strict=True):
                self._arriving.pop(key, None)
                if failed:
                    self._leave(entry)
                else:
                    self._put(key, entry)

        await self._written(keys, statements, kept)

    async def delete(self, key: str) -> Record | Gone | None:
        found = await self.get(key)
        if isinstance(found, Record):
            gone = Gone("deleted", self._clock())

            def deleted(done: asyncio.Future[None]) -> None:
                if done.exception() is None:
                    MemoryStore._forget(self, key, gone)

            await self._written((key,), _forgetting(key, gone), deleted)
        return found

    async def _written(
        self, keys: Sequence[str], statements: list[Statement], then: Callable[[asyncio.Future[None]], None]
    ) -> None:
        """Have it written, and see it through: a request that leaves meanwhile does not know the outcome, but `then` is
        told, and before anybody who waits.
        """
        done = asyncio.get_running_loop().create_future()
        self._changes.update(dict.fromkeys(keys, done))
        done.add_done_callback(then)
        done.add_done_callback(lambda _: [self._changes.pop(key) for key in keys])
        self._writes.put(Write(statements, done))
        await asyncio.shield(done)

    def close(self) -> None:
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
            _tell(writes, self._transact(writes))

    def _transact(self, writes: list[Write]) -> Exception | None:
        connection = self._connection
        try:
            connection.execute("BEGIN")
            for sql, parameters in _gathered(statement for write in writes for statement in write.statements):
                connection.execute(sql, parameters)
            connection.execute("COMMIT")
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


def _gathered(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Records that follow each other are one statement: whenever SQLite is called the interpreter is let go of, and has
    to be won back from the event loop.
    """
    for sql, same in groupby(statements, key=itemgetter(0)):
        parameters = [parameters for _, parameters in same]
        if sql != snapshot.KEEP:
            yield from ((sql, each) for each in parameters)
            continue
        for start in range(0, len(parameters), MAX_ROWS):
            rows = parameters[start : start + MAX_ROWS]
            yield snapshot.keep(len(rows)), tuple(chain.from_iterable(rows))


def _forgetting(key: str, gone: Gone) -> list[Statement]:
    return [(FORGET, (key,)), (snapshot.REMEMBER, (key, gone.reason, gone.at))]


def _tell(writes: list[Write], error: Exception | None) -> None:
    waiting = [write.done for write in writes if write.done is not None]
    if waiting:
        with suppress(RuntimeError):  # the loop has ended, and with it all who waited
            waiting[0].get_loop().call_soon_threadsafe(_resolve, waiting, error)


def _resolve(waiting: list[asyncio.Future[None]], error: Exception | None) -> None:
    for future in waiting:
        if not future.done():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


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
