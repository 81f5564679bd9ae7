"""Sessions in the memory of this process, optionally kept over a graceful stop in a snapshot file."""

import asyncio
import heapq
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path

from service.errors import SessionCapacity
from service.sessions import snapshot
from service.sessions.record import Record, times
from service.sessions.store import Gone, Limits

OVERHEAD_BYTES = 170  # of a session besides its packed record: key, dictionary entry, object heads; measured
RETRY_AFTER_SECONDS = 10
LISTED_INLINE = 10_000


class MemoryStore:
    """Packed records in order of last use, so that the expired ones are always at the front."""

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
        self._live: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._births: deque[tuple[float, str]] = deque()  # oldest first, kept only where age is limited
        self._gone: OrderedDict[str, Gone] = OrderedDict()
        self._snapshot_file = snapshot_file
        if snapshot_file is not None:
            self._restore(*snapshot.take(snapshot_file))

    def __len__(self) -> int:
        return len(self._live)

    async def get(self, key: str) -> Record | Gone | None:
        return self._find(key)

    async def commit(self, key: str, record: Record) -> None:
        packed = record.pack()
        self._admit(key, packed)
        self._keep(key, packed)

    def pending(self, key: str) -> asyncio.Future[None] | None:
        return None

    async def delete(self, key: str) -> Record | Gone | None:
        found = self._find(key)
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
        found = [(key, self._find(key)) for key in chosen]
        return [(key, record) for key, record in found if isinstance(record, Record)]

    def close(self) -> None:
        if self._snapshot_file is not None:
            self._expire()
            snapshot.write(self._snapshot_file, self._live.items(), self._gone.items())

    def _find(self, key: str) -> Record | Gone | None:
        self._expire()
        packed = self._live.get(key)
        return self._gone.get(key) if packed is None else Record.unpack(packed)

    def _admit(self, key: str, packed: bytes, reserved: int = 0, reserved_bytes: int = 0) -> None:
        """A live session always goes on; a new one needs room beside those that are being committed."""
        self._expire()
        if key in self._live:
            return
        limits = self._limits
        full = len(self._live) + reserved >= limits.max_sessions
        if full or self._bytes + reserved_bytes + len(packed) + OVERHEAD_BYTES > limits.max_bytes:
            what = f"{limits.max_sessions} sessions" if full else f"{limits.max_bytes} bytes of sessions"
            raise SessionCapacity(
                f"there is no room for a new session beside {what} in use; try again later",
                retry_after=RETRY_AFTER_SECONDS,
            )

    def _keep(self, key: str, packed: bytes) -> None:
        before = self._live.get(key)
        self._bytes += len(packed) + OVERHEAD_BYTES if before is None else len(packed) - len(before)
        if before is None and self._limits.max_age_seconds is not None:
            self._births.append((times(packed)[1], key))
        self._live[key] = packed
        self._live.move_to_end(key)
        self._gone.pop(key, None)

    def _forget(self, key: str, gone: Gone) -> bool:
        """A session leaves. Tells whether it is remembered: not if it was gone for too long already."""
        self._bytes -= len(self._live.pop(key)) + OVERHEAD_BYTES
        recent = self._clock() - gone.at <= self._limits.gone_seconds
        if recent:
            self._gone[key] = gone
        return recent

    def _end(self, packed: bytes) -> float:
        """When a session expires if nothing comes."""
        used_at, created_at = times(packed)
        age = self._limits.max_age_seconds
        idle_end = used_at + self._limits.idle_seconds
        return idle_end if age is None else min(idle_end, created_at + age)

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
        while self._live:
            key = next(iter(self._live))
            packed = self._live[key]
            if now - times(packed)[0] <= self._limits.idle_seconds or self.pending(key):
                break
            self._forget(key, Gone("expired", self._end(packed)))

    def _expire_old(self, now: float) -> None:
        age = self._limits.max_age_seconds
        while age is not None and self._births:
            born, key = self._births[0]
            if now - born <= age or self.pending(key):
                break
            self._births.popleft()
            packed = self._live.get(key)
            if packed is not None and times(packed)[1] == born:  # not of an earlier session of this id
                self._forget(key, Gone("expired", self._end(packed)))

    def _drop(self, key: str) -> None:
        """Forget even that a session existed."""
        del self._gone[key]

    def _restore(self, live: list[tuple[str, bytes]], gone: list[tuple[str, Gone]]) -> None:
        for key, packed in sorted(live, key=lambda item: times(item[1])[0]):
            self._keep(key, packed)
        self._births = deque(sorted(self._births))
        self._gone.update(sorted(gone, key=lambda item: item[1].at))


def _chosen(keys: list[str], prefix: str, after: str, limit: int) -> list[str]:
    return heapq.nsmallest(limit, (key for key in keys if key.startswith(prefix) and key > after))
