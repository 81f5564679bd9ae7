"""How the processes on one Redis hear what is kept of sessions that somebody watches.

Whoever watches leaves a sign at the session, which Redis clears away if it is not renewed. The script that keeps a
session publishes it where it finds a sign, on one channel for all: so what happens to a session is heard in the order
in which it did, by the process that keeps it as well, and where nobody watches nothing is sent. A process listens, on a
connection of its own, as long as somebody there wants to hear.
"""

import asyncio
import logging
import struct
import time
from collections.abc import Collection
from typing import Any

import numpy as np
from redis.exceptions import NoPermissionError

from service.sessions.addresses import Address
from service.sessions.pipelines import Pipelines
from service.sessions.record import Record
from service.sessions.store import Audience, Gone, News
from service.sessions.written import SIGN, Unreadable, gone_of, key_of, name_of, record_of

SIGN_MS = 30_000  # whoever watches renews it three times as often
SILENT_SECONDS = 5.0
STEADY_SECONDS = 5.0  # before it is said that it hears again
PAUSE_SECONDS = 0.5
FORBIDDEN_SECONDS = 30.0

LEAVE_SIGN = """
local before = redis.call('GETRANGE', KEYS[1], 0, 0)
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return before == '' and 1 or 0
"""

_HEAD = struct.Struct("<II")  # bytes of the session's id and of the values

logger = logging.getLogger("elman")


class RedisWire:
    """Signs at sessions, and an ear at the channel. hears: whether what is published arrives."""

    def __init__(self, address: Address, pipelines: Pipelines) -> None:
        self.channel = f"{address.prefix}:watch:{address.db}".encode()  # databases share their channels
        self.audience: Audience | None = None
        self.hears = False
        self._address = address
        self._pipelines = pipelines
        self._leave_sign = pipelines.script(LEAVE_SIGN, writes=True)
        self._listening: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()  # it hears, or is known not to
        self._failing = False
        self._unheard = False

    async def ask(self, keys: Collection[str]) -> set[str]:
        """To be told what is kept of these until the sign is gone; those that had none are given."""
        if self._listening is None:
            self._settled.clear()
            self._listening = asyncio.create_task(self._listen())
        await self._settled.wait()
        if not self.hears:
            return set()
        asked = (
            self._pipelines.ask("EVALSHA", self._leave_sign, 1, name_of(self._address.prefix, key) + SIGN, SIGN_MS)
            for key in keys
        )
        return {key for key, new in zip(keys, await asyncio.gather(*asked), strict=True) if new}

    def hang_up(self) -> None:
        """Nobody listens any more; the signs go away by themselves."""
        if self._listening is not None:
            self._listening.cancel()
            self._ending.add(self._listening)
            self._listening.add_done_callback(self._ending.discard)
            self._listening = None
        self.hears = False
        self._settled.set()

    async def close(self) -> None:
        """Before the connections are closed."""
        self.hang_up()
        if self._ending:
            await asyncio.wait(self._ending)

    def note_unheard(self) -> None:
        """Something could not be published. It is said once."""
        if not self._unheard:
            self._unheard = True
            logger.warning(
                "who watches a session elsewhere does not see what this process does to it; the user of %s needs "
                "+publish and &%s",
                self._address,
                self.channel.decode(),
            )

    async def _listen(self) -> None:
        while True:
            pause = PAUSE_SECONDS
            try:
                await self._hear()
            except Exception as error:  # whatever it is, it is tried again
                if isinstance(error, NoPermissionError):
                    pause = FORBIDDEN_SECONDS
                self._note(error)
            self.hears = False
            self._settled.set()
            await asyncio.sleep(pause)

    async def _hear(self) -> None:
        """Until the connection is lost.

        Raises:
            RedisError, OSError: it is, or it says nothing any more.
        """
        pubsub, since, asked = await self._pubsub(), time.monotonic(), True
        try:
            await pubsub.subscribe(self.channel)
            while True:
                message = await pubsub.get_message(timeout=SILENT_SECONDS)
                if message is None and asked:
                    raise TimeoutError("it is silent")
                asked = message is None
                if message is None:
                    await pubsub.subscribe(self.channel)  # is answered as well, and needs no other right
                elif message["type"] == "message":
                    self._arrived(message["data"])
                elif not self.hears:
                    self._began()
                if self._failing and time.monotonic() - since >= STEADY_SECONDS:
                    self._note(None)
        finally:
            await pubsub.aclose()

    async def _pubsub(self) -> Any:
        """What is published at one node of a cluster is heard at any, so if that is lost another will do."""
        client = self._pipelines.client
        if self._address.kind != "cluster":
            return client.pubsub()
        await client.initialize()
        return client.pubsub(node=client.get_random_node())

    def _began(self) -> None:
        self.hears = True
        if self._settled.is_set() and self.audience is not None:
            self.audience.missed()
        self._settled.set()

    def _arrived(self, message: bytes) -> None:
        try:
            name, gone, told = message.split(b"\n", 2)
            key = key_of(self._address.prefix, name.decode())
            if self.audience is None or not self.audience.wants(key):
                return
            found, news = _read(key, gone, told)
        except (ValueError, struct.error, Unreadable):  # of a later version; that it is missing is seen by the steps
            return
        self.audience.heard(key, found, news)

    def _note(self, error: Exception | None) -> None:
        """Say once that it does not hear, and once that it does again."""
        if error is None:
            logger.warning("who watches a session sees again what other processes do to it")
        elif not self._failing:
            needs = f"; its user needs +subscribe, +publish and &{self.channel.decode()}"
            logger.warning(
                "who watches a session does not see what other processes do to it: %s fails: %s%s",
                self._address,
                error,
                needs if isinstance(error, NoPermissionError) else "",
            )
        self._failing = error is not None


def published(news: News) -> bytes:
    """What stands in front of a record when it is published."""
    session_id = news.session_id.encode()
    values = b"" if news.values is None else news.values.tobytes()
    return _HEAD.pack(len(session_id), len(values)) + session_id + values


def _read(key: str, gone: bytes, told: bytes) -> tuple[Record | Gone, News]:
    """What was published; without a record the session is gone."""
    named, valued = _HEAD.unpack_from(told)
    values, end = _HEAD.size + named, _HEAD.size + named + valued
    news = News(told[_HEAD.size : values].decode())
    if end == len(told):
        return gone_of(key, gone), news
    record = record_of(key, told[end:])
    if valued:
        news.values = np.frombuffer(told[values:end], "<f8").reshape(-1, record.history.shape[1])
    return record, news
