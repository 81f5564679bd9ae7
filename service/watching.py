"""Who watches which sessions, and what they are told: what was kept, as soon as it is kept.

A session that nobody watches costs one look into a dictionary. What happens to another is put aside, and written down
when it goes out (server-sent events, WHATWG HTML section 9.2), once for all who watch it: a step does not wait for its
news. Whoever reads too slowly loses the oldest events, and sees by the steps of the next ones that they are missing.
Where other processes have the sessions too, what any of them keeps comes by the wire, in order; what this one keeps is
told directly only while it does not.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

from models.predictor import NUMBERS, Context, Values
from service.codec import encode
from service.errors import Overloaded, ServiceError, StoreUnavailable
from service.sessions import Wire

MAX_WAITING = 1000
"""Events that wait for one watcher."""

RECENT = 500
"""Values that an event has at most: the last ones of a longer request."""

FEW = 16
"""With more values an event is written down at once: it takes less room so."""

TOGETHER_SECONDS = 0.03
BEAT_SECONDS = 10.0
SOON_SECONDS = 1.0
BEAT = b": still here\n\n"
LOOKED_AT_ONCE = 20


class Event:
    """What happened to a session. Its bytes are made when they are first asked for."""

    __slots__ = ("_bytes", "_data", "_name")

    def __init__(self, name: bytes, data: dict[str, Any]) -> None:
        self._name, self._data = name, data
        self._bytes = b""

    def __bytes__(self) -> bytes:
        if not self._bytes:
            self._bytes = b"event: %b\ndata: %b\n\n" % (self._name, encode(self._data))
            self._data = {}
        return self._bytes


Look = Callable[[str], Awaitable[tuple[bool, Callable[[], Event]]]]
"""Whether a session, by its key, is alive, and what tells how it is."""


class Watcher:
    """One client that watches sessions, by their keys. Iterated, it gives what is to be sent, until it is closed."""

    def __init__(self, watching: "Watching", keys: Iterable[str], look: Look) -> None:
        self.keys = frozenset(keys)
        self._watching = watching
        self._look_at = look
        self._unseen = set(self.keys)  # how these are has not been told yet
        self._live: set[str] = set()
        self._looking: set[str] = set()  # and nothing was told meanwhile that says more
        self._due = 0.0  # when to look
        self._waiting: deque[Event] = deque(maxlen=MAX_WAITING)
        self._awake = asyncio.Event()
        self._ended = False

    def tell(self, key: str, event: Event, live: bool) -> None:
        """Something has happened to a session, which is alive, or not any more."""
        self._unseen.discard(key)
        self._looking.discard(key)
        (self._live.add if live else self._live.discard)(key)
        self._waiting.append(event)
        self._awake.set()

    def doubt(self) -> None:
        """Something may have happened that was not told."""
        self._unseen |= self.keys
        self._due = 0.0
        self._awake.set()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._awake.set()

    def close(self) -> None:
        """Nobody listens any more."""
        self._watching.leave(self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """First how every session is, then what happens; now and then a sign of life, and who has expired."""
        while not self._ended:
            if (now := time.monotonic()) >= self._due:
                self._due = now + BEAT_SECONDS
                await self._look()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._due - time.monotonic()):
                    await self._awake.wait()
            self._awake.clear()
            piece = b"".join(map(bytes, self._waiting))
            self._waiting.clear()
            yield piece or BEAT
            await asyncio.sleep(TOGETHER_SECONDS)  # what happens meanwhile is sent in one piece

    async def _look(self) -> None:
        """Of who is new, or was out of sight, how it is; of who was alive, whether it still is."""
        try:
            self._unseen |= await self._watching.ask(self.keys)
            keys = list(self._unseen | self._live)
            for start in range(0, len(keys), LOOKED_AT_ONCE):
                await asyncio.gather(*map(self._look_again, keys[start : start + LOOKED_AT_ONCE]))
                await asyncio.sleep(0)  # requests are not kept waiting for all of them
        except StoreUnavailable:  # then the next time; or, where others are heard, soon
            self._unseen |= self.keys
            if self._watching.hears:
                self._due = min(self._due, time.monotonic() + SOON_SECONDS)

    async def _look_again(self, key: str) -> None:
        self._looking.add(key)
        live, told = await self._look_at(key)
        if key in self._looking and (key in self._unseen or not live):
            self.tell(key, told(), live)


class Watching:
    """Everybody who watches in this process. wire: by which it hears of others, None: there are none."""

    def __init__(self, most: int, wire: Wire | None = None) -> None:
        self.wire = wire
        self._most = most
        self._by_key: dict[str, set[Watcher]] = {}
        self._watchers: set[Watcher] = set()

    def __len__(self) -> int:
        """Watchers."""
        return len(self._watchers)

    def __contains__(self, key: str) -> bool:
        """Whether somebody watches this session."""
        return key in self._by_key

    def watch(self, keys: Iterable[str], look: Look) -> Watcher:
        """One more, until it is closed.

        Raises:
            Overloaded: there are too many.
        """
        if len(self._watchers) >= self._most:
            raise Overloaded(f"{self._most} watch already; try again later", retry_after=10)
        watcher = Watcher(self, keys, look)
        self._watchers.add(watcher)
        for key in watcher.keys:
            self._by_key.setdefault(key, set()).add(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """One less."""
        if watcher not in self._watchers:
            return
        self._watchers.remove(watcher)
        for key in watcher.keys:
            watchers = self._by_key[key]
            watchers.discard(watcher)
            if not watchers:
                del self._by_key[key]
        if not self._watchers and self.wire is not None:
            self.wire.hang_up()

    @property
    def hears(self) -> bool:
        """Whether what others keep is told, too."""
        return self.wire is not None and self.wire.hears

    async def ask(self, keys: Collection[str]) -> set[str]:
        """See to it that what others keep is heard, for some time; of these, something may have been missed.

        Raises:
            StoreUnavailable: that cannot be told now.
        """
        return set() if self.wire is None else await self.wire.ask(keys)

    def doubt(self) -> None:
        """Something may have been kept that was not told."""
        for watcher in self._watchers:
            watcher.doubt()

    def tell(self, key: str, event: Event, *, live: bool = True) -> None:
        """Something was kept."""
        for watcher in self._by_key.get(key, ()):
            watcher.tell(key, event, live)

    def close(self) -> None:
        """The service is about to stop: connections that would last for ever end."""
        for watcher in self._watchers:
            watcher.end()


def observed(answer: Mapping[str, Any], values: Values, hidden: Context | None) -> Event:
    """Values were applied: the answer that they got, the last of them, (T, F), and the hidden state behind them."""
    told = {**answer, "values": (values[:, 0] if values.shape[1] == 1 else values).tolist()}  # NaN is encoded as null
    if hidden is not None:
        told["hidden_state"] = hidden
    if len(values) >= RECENT:  # what comes by the wire has been cut already
        told |= {name: told[name][-RECENT:] for name in ("values", *NUMBERS) if name in told}
    event = Event(b"observed", told)
    if len(values) > FEW:
        bytes(event)
    return event


def placed(session: dict[str, Any]) -> Event:
    """A session is there: how it is."""
    return Event(b"session", session)


def ended(session_id: str, error: ServiceError) -> Event:
    """There is no such session, or not any more."""
    return Event(b"ended", {"session_id": session_id, "error": error.code, "message": str(error), **error.details})
