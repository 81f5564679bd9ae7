"""Sessions in Redis or Valkey: any number of processes advance them, and none of them keeps anything.

A session is two keys of one slot: `prefix:{id}` is its record behind a revision, which is new with every writing;
`prefix:{id}:gone` says what to remember of it when Redis has let the record go. What was found is replaced only
where its revision still stands: whoever was slower finds again.
"""

import asyncio
import re
import secrets
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil
from typing import Any
from urllib.parse import quote, unquote

from service.errors import StoreUnavailable
from service.sessions.addresses import Address
from service.sessions.pipelines import Pipelines
from service.sessions.record import Record
from service.sessions.rows import Indices, Rows
from service.sessions.store import Found, Gone, Limits, Superseded, Unfit

REVISION_BYTES = 16
LINGER_MS = 1000  # a record outlives its session by so much: the clock of the service ends it, Redis clears up
READY_MS = 60_000
SAFE = "".join(map(chr, range(0x20, 0x7F))).translate(str.maketrans("", "", "%{}"))

GLOB = re.compile(r"([*?\[\]\\])")

FIND = "return redis.call('MGET', KEYS[1], KEYS[2])"

CHANGE = f"""
if redis.call('GETRANGE', KEYS[1], 0, {REVISION_BYTES - 1}) ~= ARGV[1] then return 0 end
local function keep(key, value, milliseconds)
    if tonumber(milliseconds) > 0 then
        redis.call('SET', key, value, 'PX', milliseconds)
    else
        redis.call('DEL', key)
    end
end
keep(KEYS[1], ARGV[2], ARGV[3])
keep(KEYS[2], ARGV[4], ARGV[5])
return 1
"""

READY = """
redis.call('MGET', KEYS[1])
redis.call('GETRANGE', KEYS[1], 0, 1)
redis.call('SET', KEYS[1], '', 'PX', ARGV[1])
redis.call('DEL', KEYS[1])
local memory = redis.pcall('INFO', 'memory')
return type(memory) == 'string' and string.match(memory, 'maxmemory_policy:([%w-]+)') or 'noeviction'
"""
"""Does all that the others do; the policy is not told to everybody."""


class Unreadable(StoreUnavailable):
    """What is kept of one session is damaged, or was written by a later version of this program. It is left alone."""


class RedisStore:
    """A store that other processes use too. What is found is a record, and rows are only passed through."""

    in_place = False

    def __init__(
        self, address: Address, limits: Limits, commit_seconds: float = 5, clock: Callable[[], float] = time.time
    ) -> None:
        self._address = address
        self._limits = limits
        self._clock = clock
        self._pipelines = Pipelines(address, commit_seconds)
        self._find = self._pipelines.script(FIND, writes=False)
        self._change = self._pipelines.script(CHANGE, writes=True)
        self._ready = self._pipelines.script(READY, writes=True)
        self._rows: Rows | None = None

    def live(self) -> int | None:
        return None

    def room(self, row_bytes: int) -> int | None:
        return None

    def adopt(self, rows: Rows, held: Callable[[str], bool]) -> None:
        self._rows = rows

    async def find(self, key: str) -> Record | Gone | None:
        return await self.get(key)

    async def get(self, key: str) -> Record | Gone | None:
        return await self._live(key, await self._ask_for(key))

    async def find_all(self, keys: Sequence[str]) -> list[Found | StoreUnavailable]:
        """As `find`, for many, or why one cannot be told."""
        replies = await asyncio.gather(*map(self._ask_for, keys), return_exceptions=True)
        found: list[Found | StoreUnavailable] = []
        for key, reply in zip(keys, replies, strict=True):
            try:
                found.append(await self._live(key, reply))  # which waits for nothing, unless it is over
            except StoreUnavailable as error:
                found.append(error)
        return found

    async def keep(self, key: str, row: int, found: Found = None) -> None:
        assert self._rows is not None
        record = self._rows.record(row)
        self._rows.give(row)
        await self.commit(key, record, found)

    async def keep_all(
        self, keys: Sequence[str], rows: Indices, found: Sequence[Found]
    ) -> list[Superseded | StoreUnavailable | None]:
        """As `keep`, for many, each by itself; what was in the way of one."""
        own = self._rows
        assert own is not None
        times = zip(own.used_at[rows].tolist(), own.created_at[rows].tolist(), strict=True)
        changes = [
            self._keep(key, packed, *when, before)
            for key, packed, when, before in zip(keys, own.packed(rows), times, found, strict=True)
        ]
        for row in rows.tolist():
            own.give(row)
        replies = await asyncio.gather(*changes, return_exceptions=True)
        return [reply if isinstance(reply, StoreUnavailable) else None if reply else Superseded() for reply in replies]

    async def commit(self, key: str, record: Record, found: Found = None) -> None:
        if not await self._keep(key, record.pack(), record.used_at, record.created_at, found):
            raise Superseded

    def pending(self, key: str) -> None:
        return None

    async def delete(self, key: str) -> Record | Gone | None:
        while isinstance(found := await self.get(key), Record):
            if await self._exchange(key, found.revision, b"", 0, Gone("deleted", self._clock())):
                break
        return found

    async def page(self, prefix: str, after: str, limit: int) -> list[tuple[str, Record]]:
        keys = await self._keys(prefix, after)
        listed: list[tuple[str, Record]] = []
        for start in range(0, len(keys), limit):
            some = keys[start : start + limit]
            for key, found in zip(some, await self.find_all(some), strict=True):
                if isinstance(found, Record):
                    listed.append((key, found))
                elif isinstance(found, StoreUnavailable) and not isinstance(found, Unreadable):
                    raise found
            if len(listed) >= limit:
                break
        return listed[:limit]

    async def check(self) -> None:
        key = f"{self._address.prefix}:ready"
        policy = (await self._pipelines.ask("EVALSHA", self._ready, 1, key, READY_MS)).decode()
        if policy != "noeviction":
            raise Unfit(
                f"the session store at {self._address} may drop live sessions: its maxmemory-policy is {policy}; set "
                "noeviction"
            )

    async def close(self) -> None:
        await self._pipelines.close()

    def _ask_for(self, key: str) -> asyncio.Future[tuple[bytes | None, bytes | None]]:
        return self._pipelines.ask("EVALSHA", self._find, 2, *self._names(key))

    async def _live(self, key: str, reply: Any) -> Record | Gone | None:
        """What Redis has, as it is now; an error is raised."""
        while True:
            if isinstance(reply, BaseException):
                raise reply
            record, gone = reply
            if record is None:
                return self._remembered(key, gone)
            found = _unpacked(key, record)
            if (end := self._end(found.used_at, found.created_at)) >= self._clock():
                return found
            if await self._exchange(key, found.revision, b"", 0, expired := Gone("expired", end)):
                return self._recent(expired)
            reply = await self._ask_for(key)

    def _keep(self, key: str, packed: bytes, used_at: float, created_at: float, found: Found) -> asyncio.Future[int]:
        """0: something else is there than was found."""
        end = self._end(used_at, created_at)
        before = found.revision if isinstance(found, Record) else b""
        after = secrets.token_bytes(REVISION_BYTES) + packed
        return self._exchange(key, before, after, ceil(1000 * (end - self._clock())) + LINGER_MS, Gone("expired", end))

    def _exchange(self, key: str, before: bytes, after: bytes, lives: int, gone: Gone) -> asyncio.Future[int]:
        """Put something in the place of a revision, b"" being none, for so many milliseconds, and say what is to be
        remembered of it then. 0: another revision is there.
        """
        remembered = ceil(1000 * (gone.at + self._limits.gone_seconds - self._clock()))
        values = before, after, lives, f"{gone.reason} {gone.at!r}", remembered
        return self._pipelines.ask("EVALSHA", self._change, 2, *self._names(key), *values)

    def _names(self, key: str) -> tuple[str, str]:
        name = f"{self._address.prefix}:{{{quote(key, SAFE)}}}"
        return name, f"{name}:gone"

    async def _keys(self, prefix: str, after: str) -> list[str]:
        """All that begin with a prefix and sort behind `after`, in order; some may be over."""
        head = f"{self._address.prefix}:{{"
        names = await self._pipelines.names(GLOB.sub(r"\\\1", head + quote(prefix, SAFE)) + "*}")
        return await asyncio.to_thread(_behind, names, len(head), after)

    def _end(self, used_at: float, created_at: float) -> float:
        """When a session expires if nothing comes."""
        end, age = used_at + self._limits.idle_seconds, self._limits.max_age_seconds
        return end if age is None else min(end, created_at + age)

    def _remembered(self, key: str, text: bytes | None) -> Gone | None:
        if text is None:
            return None
        try:
            reason, at = text.decode().split()
            return self._recent(Gone("deleted" if reason == "deleted" else "expired", min(float(at), self._clock())))
        except ValueError as error:
            raise Unreadable(f"what is remembered of session {key!r} cannot be read: {error}", retry_after=1) from None

    def _recent(self, gone: Gone) -> Gone | None:
        return gone if self._clock() - gone.at <= self._limits.gone_seconds else None


def _unpacked(key: str, written: bytes) -> Record:
    try:
        record = Record.unpack(written[REVISION_BYTES:])
    except (ValueError, IndexError, struct.error) as error:
        raise Unreadable(f"session {key!r} cannot be read: {error}", retry_after=1) from None
    return replace(record, revision=written[:REVISION_BYTES])


def _behind(names: list[str], head: int, after: str) -> list[str]:
    keys = (unquote(name[head:-1]) for name in names)
    return sorted(key for key in set(keys) if key > after)
