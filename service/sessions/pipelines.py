"""What is asked of Redis in one turn of the event loop goes there in one piece: one round trip for all who ask."""

import asyncio
import hashlib
import logging
from collections import deque
from contextlib import suppress
from typing import Any

from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from service.errors import StoreUnavailable
from service.sessions.addresses import Address, Client
from service.sessions.store import Unfit

MAX_FLYING = 8
MAX_TOGETHER = 1000
SCANNED_AT_ONCE = 1000
LOOKING_SECONDS = 1.0
CLOSING_SECONDS = 0.5  # those who asked have been told, or have left

Command = tuple[Any, ...]

logger = logging.getLogger("elman")


class Pipelines:
    """Commands on their way to Redis: at most MAX_FLYING pipelines, what comes meanwhile shares the next ones.

    Whoever asks is told after `seconds` at the latest. Until it is closed no pipeline is cut off: an answer that nobody
    waits for any more is still read, so that it is not taken for the answer to another question.
    """

    def __init__(self, address: Address, seconds: float) -> None:
        self._address = address
        self._seconds = seconds
        self._opened: Client | None = None
        self._scripts: dict[str, str] = {}
        self._writing: set[str] = set()
        self._waiting: list[tuple[Command, asyncio.Future[Any]]] = []
        self._flying: set[asyncio.Task[None]] = set()
        self._due: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._clock: asyncio.TimerHandle | None = None
        self._failing = False
        self._looked = -LOOKING_SECONDS

    @property
    def client(self) -> Client:
        """The client, which belongs to the event loop in which it is first asked for."""
        if self._opened is None:
            self._opened = self._address.client(self._seconds)
        return self._opened

    def script(self, text: str, *, writes: bool) -> str:
        """The name under which a script is called; it is loaded where it is not known."""
        name = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self._scripts[name] = text
        if writes:
            self._writing.add(name)
        return name

    def ask(self, *command: Any) -> asyncio.Future[Any]:
        """The answer to a command.

        Raises (the future):
            StoreUnavailable: Redis refuses it; or there is no answer, and what it should change may have been changed.
        """
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._depart)
        answer = loop.create_future()
        self._waiting.append((command, answer))
        self._due.append((loop.time() + self._seconds, answer))
        if self._clock is None:
            self._clock = loop.call_later(self._seconds, self._look_at_clock)
        return answer

    async def names(self, pattern: str) -> list[str]:
        """Of all keys that match a pattern.

        Raises:
            StoreUnavailable: Redis cannot tell.
        """
        try:
            return [name.decode() async for name in self.client.scan_iter(match=pattern, count=SCANNED_AT_ONCE)]
        except Exception as error:
            raise _refusal(error) from None

    async def close(self) -> None:
        """Let those on their way arrive, and close all connections."""
        if self._flying:
            _, late = await asyncio.wait(self._flying, timeout=CLOSING_SECONDS)
            for flight in late:
                flight.cancel()
        if self._opened is not None:
            await self._address.close(self._opened)
            self._opened = None
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _look_at_clock(self) -> None:
        """Tell those who have waited for long enough. All are equally patient, so they are in order."""
        loop = asyncio.get_running_loop()
        late = f"the session store did not answer within {self._seconds:g} s; ask again with the same step"
        self._clock = None
        while self._due:
            when, answer = self._due[0]
            if not answer.done():
                if when > loop.time():
                    self._clock = loop.call_at(when, self._look_at_clock)
                    return
                answer.set_exception(StoreUnavailable(late, retry_after=1))
            self._due.popleft()

    def _depart(self) -> None:
        while self._waiting and len(self._flying) < MAX_FLYING:
            some, self._waiting = self._waiting[:MAX_TOGETHER], self._waiting[MAX_TOGETHER:]
            if still := [(command, answer) for command, answer in some if not answer.done()]:
                flight = asyncio.create_task(self._fly(still))
                self._flying.add(flight)
                flight.add_done_callback(self._land)

    def _land(self, flight: asyncio.Task[None]) -> None:
        self._flying.discard(flight)
        while self._due and self._due[0][1].done():
            self._due.popleft()
        self._depart()

    async def _fly(self, asked: list[tuple[Command, asyncio.Future[Any]]]) -> None:
        try:
            replies = await self._replies([command for command, _ in asked])
        except Exception as error:  # whatever it is, those who wait are told
            replies = [error] * len(asked)
        for (_, answer), reply in zip(asked, replies, strict=True):
            if answer.done():
                continue
            if isinstance(reply, Exception):
                answer.set_exception(_refusal(reply))
            else:
                answer.set_result(reply)
        wrote = any(command[1] in self._writing for command, _ in asked)
        await self._note([reply for reply in replies if isinstance(reply, Exception)], wrote)

    async def _replies(self, commands: list[Command]) -> list[Any]:
        """An answer or an error for each."""
        replies = await self._pipelined(commands)
        if unknown := [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]:
            for text in self._scripts.values():
                await self.client.script_load(text)
            again = await self._pipelined([commands[index] for index in unknown])
            for index, reply in zip(unknown, again, strict=True):
                replies[index] = reply
        return replies

    async def _pipelined(self, commands: list[Command]) -> list[Any]:
        pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
        return replies

    async def _note(self, errors: list[Exception], wrote: bool) -> None:
        """Say once that it fails, and once that it can be written to again; and look anew for where that is."""
        if errors and not self._failing:
            logger.error("the session store at %s fails: %s", self._address, errors[0])
            self._failing = True
        elif self._failing and not errors and wrote:
            logger.warning("the session store at %s answers again", self._address)
            self._failing = False
        lost = any(not isinstance(error, ResponseError) for error in errors)
        if self._address.kind == "cluster" and lost:
            await self._look_for_primaries()
        elif any(isinstance(error, ReadOnlyError) for error in errors):
            await self.client.connection_pool.disconnect(inuse_connections=False)  # the name may lead elsewhere by now

    async def _look_for_primaries(self) -> None:
        """Of a cluster, in which a replica may have taken the place of one; at most once a second."""
        now = asyncio.get_running_loop().time()
        if now - self._looked >= LOOKING_SECONDS:
            self._looked = now
            with suppress(RedisError, OSError):
                await self.client.nodes_manager.initialize()


def _refusal(error: Exception) -> StoreUnavailable:
    if isinstance(error, AuthenticationError | NoPermissionError):
        return Unfit(f"the session store does not let this service in: {error}", retry_after=1)
    if isinstance(error, ResponseError):
        return StoreUnavailable(f"the session store refuses: {error}; nothing was changed", retry_after=1)
    reason = str(error) or type(error).__name__
    return StoreUnavailable(
        f"the session store cannot be reached ({reason}); ask again with the same step", retry_after=1
    )
