"""Sessions in the memory of this process, optionally kept over a graceful stop in a snapshot file."""

import asyncio
import heapq
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.errors import SessionCapacity
from service.sessions import snapshot
from service.sessions.idleness import Idleness
from service.sessions.record import Record, times
from service.sessions.rosters import Roster
from service.sessions.rows import ELSEWHERE, START, Rows
from service.sessions.store import Found, Gone, Limits, News, Wire

OVERHEAD_BYTES = 200  # of a session besides its row or record: key, dictionary entry, object heads; measured, and more
RETRY_AFTER_SECONDS = 10
LISTED_INLINE = 10_000
PACKED_AT_ONCE = 10_000

Entry = int | bytes
Indices = NDArray[np.int64]


class MemoryStore:
    """Sessions by key.

    A session is a row of the arrays of the model that is served, or, where it does not fit them, a packed record: of
    another model, or read from a file before a model was there.
    """

    in_place = True
    wire: Wire | None = None

    def __init__(
        self,
        limits: Limits,
        expired: Callable[[int], None] = lambda _: None,
        snapshot_file: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._limits = limits
        self._on_expired = expired
        self._clock = clock
        self._live: dict[str, Entry] = {}
        self._packed: OrderedDict[str, None] = OrderedDict()  # those that are packed records, in order of last use
        self._bytes = 0
        self._births: deque[tuple[float, str]] = deque()  # oldest first, kept only where age is limited
        self._gone: OrderedDict[str, Gone] = OrderedDict()
        self._rows: Rows | None = None
        self._keys = np.empty(0, np.object_)  # of each row
        self._idleness = Idleness(np.empty(0))
        self._held: Callable[[str], bool] = lambda _: False
        self._moves = 0  # how often a session came, went or moved
        self._snapshot_file = snapshot_file
        if snapshot_file is not None:
            self._restore(*snapshot.take(snapshot_file))

    def live(self) -> int:
        self._expire()
        return len(self._live)

    def room(self, row_bytes: int) -> int:
        return min(self._limits.max_sessions, self._limits.max_bytes // (row_bytes + OVERHEAD_BYTES))

    def adopt(self, rows: Rows, held: Callable[[str], bool]) -> None:
        records = {key: self._record(entry) for key, entry in self._live.items()}
        self._rows, self._held = rows, held
        self._keys, self._idleness = np.empty(len(rows.used_at), np.object_), Idleness(rows.used_at)
        for key, record in records.items():
            self._put(key, self._entered(record))

    async def find(self, key: str) -> Found:
        found = self._look(key)
        if isinstance(found, Gone | None) and (over := self._live.get(key)) is not None:
            self._forget(key, Gone("expired", self._end(over)))
            self._on_expired(1)
            return self._gone.get(key)
        return Record.unpack(found) if isinstance(found, bytes) else found

    def rows(self, roster: Roster) -> Indices:
        """The rows of many keys that nobody holds, START where nothing is known of one, else ELSEWHERE. (B,)"""
        self._expire()
        if roster.as_of != self._moves:
            roster.rows, roster.as_of = self._all_rows(roster.keys), self._moves
        found = roster.rows.copy()
        now, age = self._clock(), self._limits.max_age_seconds
        over = now - self._own.used_at[found] > self._limits.idle_seconds  # whom somebody holds is not swept away
        if age is not None:
            over |= now - self._own.created_at[found] > age
        found[over & (found > START)] = ELSEWHERE
        return found

    def _all_rows(self, keys: Sequence[str]) -> Indices:
        try:
            found = np.fromiter(map(self._live.get, keys, repeat(START)), np.int64, len(keys))
        except (TypeError, ValueError):  # what is no row is no number
            entries = (self._live.get(key, START) for key in keys)
            found = np.array([entry if isinstance(entry, int) else ELSEWHERE for entry in entries], np.int64)
        if self._gone:
            new = np.flatnonzero(found == START).tolist()
            found[[index for index in new if keys[index] in self._gone]] = ELSEWHERE
        return found

    def has_room(self, sessions: int) -> bool:
        """Whether so many new sessions can be kept."""
        return self._has_room(sessions, sessions * self._row_size())

    async def get(self, key: str) -> Record | Gone | None:
        found = self._look(key)
        return self._record(found) if isinstance(found, int | bytes) else found

    async def keep(self, key: str, row: int, found: Found = None, news: News | None = None) -> None:
        if key not in self._live:
            try:
                self._admit(key, self._own.row_bytes)
            except SessionCapacity:
                self._leave(row)
                raise
        self._put(key, row)

    async def keep_all(self, keys: Sequence[str], rows: Indices) -> None:
        """As `keep`, for many: live ones in the rows that they have, and new ones, for which there `has_room`."""
        new = {key: row for key, row in zip(keys, rows.tolist(), strict=True) if key not in self._live}
        taken = np.fromiter(new.values(), np.int64, len(new))
        self._live.update(new)
        self._moves += 1
        self._bytes += len(new) * self._row_size()
        self._keys[taken] = list(new)
        self._idleness.watch_all(taken)
        if self._limits.max_age_seconds is not None:
            self._births.extend(zip(self._own.created_at[taken].tolist(), new, strict=True))

    async def commit(self, key: str, record: Record, found: Found = None, news: News | None = None) -> None:
        entry = self._entered(record)
        if isinstance(entry, int):
            await self.keep(key, entry)
        else:
            self._admit(key, len(entry))
            self._put(key, entry)

    def pending(self, key: str) -> asyncio.Future[None] | None:
        return None

    async def delete(self, key: str, news: News | None = None) -> Record | Gone | None:
        found = await self.get(key)
        if isinstance(found, Record):
            self._forget(key, Gone("deleted", self._clock()))
        return found

    async def page(self, prefix: str, after: str, limit: int) -> list[tuple[str, Record]]:
        self._expire()
        keys = list(self._live)
        if len(keys) <= LISTED_INLINE:
            chosen = _chosen(keys, prefix, after, limit)
        else:  # sorting out a million keys must not keep requests waiting
            chosen = await asyncio.to_thread(_chosen, keys, prefix, after, limit)
        return [(key, self._record(self._live[key])) for key in chosen if key in self._live]

    async def check(self) -> None:
        pass

    async def close(self) -> None:
        if self._snapshot_file is not None:
            self._expire()
            snapshot.write(self._snapshot_file, self._all_packed(), self._gone.items())

    def _look(self, key: str) -> Entry | Gone | None:
        """What there is; a session that is over is gone, though it stays while somebody holds it."""
        entry = self._live.get(key)
        if entry is not None and not self._is_over(key, entry):
            return entry  # whoever else is over may stay until somebody asks for them, or how many there are
        self._expire()
        entry = self._live.get(key)
        if entry is None:
            return self._gone.get(key)
        gone = Gone("expired", self._end(entry))
        return gone if self._is_recent(gone) else None

    @property
    def _own(self) -> Rows:
        """The rows: where an entry is one, they are there."""
        assert self._rows is not None
        return self._rows

    def _record(self, entry: Entry) -> Record:
        if isinstance(entry, int):
            return self._own.record(entry)
        return Record.unpack(entry)

    def _all_as_packed(self, entries: Sequence[Entry]) -> list[bytes]:
        """Each as a packed record."""
        rows = [entry for entry in entries if isinstance(entry, int)]
        packed = iter(self._own.packed(np.array(rows)) if rows else ())
        return [next(packed) if isinstance(entry, int) else entry for entry in entries]

    def _all_packed(self) -> Iterator[tuple[str, bytes]]:
        live = iter(self._live.items())
        while some := dict(islice(live, PACKED_AT_ONCE)):
            yield from zip(some, self._all_as_packed(list(some.values())), strict=True)

    def _entered(self, record: Record) -> Entry:
        """What a record becomes here."""
        if self._rows is not None and self._rows.fits(record) and (taken := self._rows.take()):
            self._rows.write(taken[0], record)
            return taken[0]
        return record.pack()

    def _leave(self, entry: Entry) -> None:
        """What was taken up is not kept."""
        if isinstance(entry, int):
            self._own.give(entry)

    def _times(self, entry: Entry) -> tuple[float, float]:
        """When a session was last used, and when it was created."""
        if isinstance(entry, int):
            return float(self._own.used_at[entry]), float(self._own.created_at[entry])
        return times(entry)

    def _size(self, entry: Entry) -> int:
        if isinstance(entry, int):
            return self._own.row_bytes
        return len(entry)

    def _admit(self, key: str, size: int, reserved: int = 0, reserved_bytes: int = 0) -> None:
        """A live session always goes on; a new one needs room beside those that are being committed."""
        if key in self._live:
            return
        self._expire()
        if not self._has_room(reserved + 1, reserved_bytes + size + OVERHEAD_BYTES):
            limits, full = self._limits, len(self._live) + reserved >= self._limits.max_sessions
            what = f"{limits.max_sessions} sessions" if full else f"{limits.max_bytes} bytes of sessions"
            raise SessionCapacity(
                f"there is no room for a new session beside {what} in use; try again later",
                retry_after=RETRY_AFTER_SECONDS,
            )

    def _has_room(self, sessions: int, size: int) -> bool:
        answers = 0 if self._rows is None else self._rows.long_bytes
        enough = self._bytes + answers + size <= self._limits.max_bytes
        return enough and len(self._live) + sessions <= self._limits.max_sessions

    def _row_size(self) -> int:
        return self._own.row_bytes + OVERHEAD_BYTES

    def _put(self, key: str, entry: Entry) -> None:
        """An entry takes the place of the one before, if there is one."""
        before = self._live.get(key)
        if before != entry:
            self._exchange(key, before, entry)

    def _exchange(self, key: str, before: Entry | None, entry: Entry) -> None:
        self._moves += 1
        if self._limits.max_age_seconds is not None:
            born = self._times(entry)[1]
            if before is None or born != self._times(before)[1]:  # it may begin anew
                self._births.append((born, key))
        if before is None:
            self._bytes += self._size(entry) + OVERHEAD_BYTES
            self._gone.pop(key, None)
        else:
            self._bytes += self._size(entry) - self._size(before)
            self._vacate(key, before)
        self._live[key] = entry
        if isinstance(entry, int):
            self._keys[entry] = key
            self._idleness.watch(entry)
        else:
            self._packed[key] = None

    def _vacate(self, key: str, entry: Entry) -> None:
        """A session has this entry no more."""
        if isinstance(entry, int):
            self._keys[entry] = None
            self._idleness.leave(entry)
            self._own.give(entry)
        else:
            del self._packed[key]

    def _forget(self, key: str, gone: Gone) -> bool:
        """A session leaves. Tells whether it is remembered: not if it was gone for too long already."""
        entry = self._live.pop(key)
        self._moves += 1
        self._bytes -= self._size(entry) + OVERHEAD_BYTES
        self._vacate(key, entry)
        recent = self._is_recent(gone)
        if recent:
            self._gone[key] = gone
        return recent

    def _is_recent(self, gone: Gone) -> bool:
        return self._clock() - gone.at <= self._limits.gone_seconds

    def _end(self, entry: Entry) -> float:
        """When a session expires if nothing comes."""
        used_at, created_at = self._times(entry)
        age = self._limits.max_age_seconds
        idle_end = used_at + self._limits.idle_seconds
        return idle_end if age is None else min(idle_end, created_at + age)

    def _is_over(self, key: str, entry: Entry) -> bool:
        used_at, created_at = self._times(entry)
        age, now = self._limits.max_age_seconds, self._clock()
        over = now - used_at > self._limits.idle_seconds or (age is not None and now - created_at > age)
        return over and self.pending(key) is None

    def _expire(self) -> None:
        """Idle and old sessions leave, and what is remembered of the gone stays within its limits."""
        now, before = self._clock(), len(self._live)
        self._expire_idle(now)
        self._expire_old(now)
        while self._gone:
            key = next(iter(self._gone))
            if now - self._gone[key].at <= self._limits.gone_seconds and len(self._gone) <= self._limits.max_gone:
                break
            self._drop(key)
        if len(self._live) < before:
            self._on_expired(before - len(self._live))

    def _expire_idle(self, now: float) -> None:
        idle = [self._keys[row] for row in self._idleness.over(now, self._limits.idle_seconds)]
        for key in self._packed:
            if now - self._times(self._live[key])[0] <= self._limits.idle_seconds:
                break
            idle.append(key)
        for key in idle:
            if not self._is_busy(key):
                self._forget(key, Gone("expired", self._end(self._live[key])))

    def _expire_old(self, now: float) -> None:
        age = self._limits.max_age_seconds
        while age is not None and self._births:
            born, key = self._births[0]
            if now - born <= age or self._is_busy(key):
                break
            self._births.popleft()
            entry = self._live.get(key)
            if entry is not None and self._times(entry)[1] == born:  # not of an earlier session of this id
                self._forget(key, Gone("expired", self._end(entry)))

    def _is_busy(self, key: str) -> bool:
        """Somebody works on it: its row must stay what it is."""
        return self.pending(key) is not None or self._held(key)

    def _drop(self, key: str) -> None:
        """Forget even that a session existed."""
        del self._gone[key]
        self._moves += 1

    def _restore(self, live: list[tuple[str, bytes]], gone: list[tuple[str, Gone]]) -> None:
        for key, packed in sorted(live, key=lambda item: times(item[1])[0]):
            self._put(key, packed)
        self._births = deque(sorted(self._births))
        self._gone.update(sorted(gone, key=lambda item: item[1].at))


def _chosen(keys: list[str], prefix: str, after: str, limit: int) -> list[str]:
    return heapq.nsmallest(limit, (key for key in keys if key.startswith(prefix) and key > after))
