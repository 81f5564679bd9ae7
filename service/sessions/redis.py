"""Sessions in Redis or Valkey: any number of processes advance them, and none of them keeps anything.

A session is two keys of one slot: `prefix:{id}` is its record behind a revision, which is new with every writing;
`prefix:{id}:gone` says what to remember of it when Redis has let the record go. What was found is replaced only
where its revision still stands: whoever was slower finds again. A third, `prefix:{id}:watched`, is the sign that
somebody watches (wire.py).
"""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

from service.errors import StoreUnavailable
from service.sessions.addresses import Address
from service.sessions.pipelines import Pipelines
from service.sessions.record import Record
from service.sessions.rows import Indices, Rows
from service.sessions.store import Found, Gone, Limits, News, Superseded, Unfit
from service.sessions.wire import RedisWire, published
from service.sessions.written import (
    GONE,
    REVISION_BYTES,
    SIGN,
    Unreadable,
    begin_of,
    gone_of,
    key_of,
    name_of,
    record_of,
    text_of,
)

LINGER_MS = 1000  # a record outlives its session by so much: the clock of the service ends it, Redis clears up
READY_MS = 60_000

GLOB = re.compile(r"([*?\[\]\\])")

SUPERSEDED, KEPT, PUBLISHED, UNHEARD = range(4)
"""What became of a change: another revision is there; it is kept; and published; or should be, but must not."""

FIND = "return redis.call('MGET', KEYS[1], KEYS[2])"

CHANGE = f"""
if redis.call('GETRANGE', KEYS[1], 0, {REVISION_BYTES - 1}) ~= ARGV[1] then return {SUPERSEDED} end
local function keep(key, value, milliseconds)
    if tonumber(milliseconds) > 0 then
        redis.call('SET', key, value, 'PX', milliseconds)
    else
        redis.call('DEL', key)
    end
end
keep(KEYS[1], ARGV[2], ARGV[3])
keep(KEYS[2], ARGV[4], ARGV[5])
if ARGV[6] == '' or redis.call('GETRANGE', KEYS[3], 0, 0) == '' then return {KEPT} end
local heard = redis.pcall('PUBLISH', ARGV[7], KEYS[1] .. '\\n' .. ARGV[4] .. '\\n' .. ARGV[6] .. ARGV[2])
return type(heard) == 'number' and {PUBLISHED} or {UNHEARD}
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
        self.wire = RedisWire(address, self._pipelines)
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

    async def keep(self, key: str, row: int, found: Found = None, news: News | None = None) -> None:
        assert self._rows is not None
        record = self._rows.record(row)
        self._rows.give(row)
        await self.commit(key, record, found, news)

    async def keep_all(
        self, keys: Sequence[str], rows: Indices, found: Sequence[Found], news: Sequence[News]
    ) -> list[Superseded | StoreUnavailable | None]:
        """As `keep`, for many, each by itself; what was in the way of one."""
        own = self._rows
        assert own is not None
        times = zip(own.used_at[rows].tolist(), own.created_at[rows].tolist(), strict=True)
        changes = [
            self._keep(key, packed, *when, before, what)
            for key, packed, when, before, what in zip(keys, own.packed(rows), times, found, news, strict=True)
        ]
        for row in rows.tolist():
            own.give(row)
        replies = await asyncio.gather(*changes, return_exceptions=True)
        return [
            None if reply == KEPT else self._outcome(reply, what) for reply, what in zip(replies, news, strict=True)
        ]

    async def commit(self, key: str, record: Record, found: Found = None, news: News | None = None) -> None:
        reply = await self._keep(key, record.pack(), record.used_at, record.created_at, found, news)
        if not self._is_kept(reply, news):
            raise Superseded

    def pending(self, key: str) -> None:
        return None

    async def delete(self, key: str, news: News | None = None) -> Record | Gone | None:
        while isinstance(found := await self.get(key), Record):
            reply = await self._exchange(key, found.revision, b"", 0, "deleted", self._clock(), news)
            if self._is_kept(reply, news):
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
        await self.wire.close()
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
            found = record_of(key, record)
            if (end := self._end(found.used_at, found.created_at)) >= self._clock():
                return found
            if await self._exchange(key, found.revision, b"", 0, "expired", end):
                return self._recent(Gone("expired", end))
            reply = await self._ask_for(key)

    def _keep(
        self, key: str, packed: bytes, used_at: float, created_at: float, found: Found, news: News | None
    ) -> asyncio.Future[int]:
        """SUPERSEDED: something else is there than was found."""
        end = self._end(used_at, created_at)
        before = found.revision if isinstance(found, Record) else b""
        after = secrets.token_bytes(REVISION_BYTES) + packed
        lives = ceil(1000 * (end - self._clock())) + LINGER_MS
        return self._exchange(key, before, after, lives, "expired", end, news)

    def _exchange(
        self, key: str, before: bytes, after: bytes, lives: int, reason: str, at: float, news: News | None = None
    ) -> asyncio.Future[int]:
        """Put something in the place of a revision, b"" being none, for so many milliseconds, and say why it is gone
        then, and since when. What became of that.
        """
        remembered = ceil(1000 * (at + self._limits.gone_seconds - self._clock()))
        told = b"" if news is None else published(news)
        values = before, after, lives, text_of(reason, at), remembered, told, self.wire.channel
        name, gone = self._names(key)
        return self._pipelines.ask("EVALSHA", self._change, 3, name, gone, name + SIGN, *values)

    def _outcome(self, reply: int | BaseException, news: News) -> Superseded | StoreUnavailable | None:
        if isinstance(reply, StoreUnavailable):
            return reply
        assert isinstance(reply, int)
        return None if self._is_kept(reply, news) else Superseded()

    def _is_kept(self, reply: int, news: News | None) -> bool:
        if news is not None:
            news.told = reply == PUBLISHED and self.wire.hears
        if reply == UNHEARD:
            self.wire.note_unheard()
        return reply != SUPERSEDED

    def _names(self, key: str) -> tuple[bytes, bytes]:
        name = name_of(self._address.prefix, key)
        return name, name + GONE

    async def _keys(self, prefix: str, after: str) -> list[str]:
        """All that begin with a prefix and sort behind `after`, in order; some may be over."""
        begin = begin_of(self._address.prefix, prefix)
        names = await self._pipelines.names(GLOB.sub(r"\\\1", begin) + "*}")
        return await asyncio.to_thread(self._behind, names, after)

    def _end(self, used_at: float, created_at: float) -> float:
        """When a session expires if nothing comes."""
        end, age = used_at + self._limits.idle_seconds, self._limits.max_age_seconds
        return end if age is None else min(end, created_at + age)

    def _remembered(self, key: str, text: bytes | None) -> Gone | None:
        if text is None:
            return None
        gone = gone_of(key, text)
        return self._recent(replace(gone, at=min(gone.at, self._clock())))

    def _recent(self, gone: Gone) -> Gone | None:
        return gone if self._clock() - gone.at <= self._limits.gone_seconds else None

    def _behind(self, names: list[str], after: str) -> list[str]:
        keys = {key_of(self._address.prefix, name) for name in names}
        return sorted(key for key in keys if key > after)
