"""Who watches which sessions, and what they are told: what was kept, as soon as it is kept.

A session that nobody watches costs two looks into dictionaries. What happens to another is written down once for all
who watch it (server-sent events, WHATWG HTML section 9.2), around the very bytes of the answer, and goes out together
with what happens in the same moment. Whoever reads too slowly loses the oldest events, and sees by the steps of the
next ones that they are missing. Where other processes have the sessions too, what any of them keeps comes by the wire,
in order; what this one keeps is told directly only while it does not.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

from models.predictor import NUMBERS, Context, Values
from service.codec import encode
from service.errors import Overloaded, ServiceError, StoreUnavailable
from service.observations import to_plain, to_state
from service.sessions import Wire
from service.times import rfc3339

MAX_WAITING = 1000
"""Events that wait for one watcher."""

RECENT = 500
"""Values that an event has at most: the last ones of a longer request."""

TOGETHER_SECONDS = 0.03
BEAT_SECONDS = 10.0
SOON_SECONDS = 1.0
BEAT = b": still here\n\n"
LOOKED_AT_ONCE = 20


Look = Callable[[str], Awaitable[tuple[bool, Callable[[], bytes]]]]
"""Whether a session, by its key, is alive, and what tells how it is."""


class Watcher:
    """One client that watches sessions, by their keys. Iterated, it gives what is to be sent, until it is closed."""

    def __init__(self, watching: "Watching", keys: Iterable[str], closely: Iterable[str], look: Look) -> None:
        self.keys, self.closely = frozenset(keys), frozenset(closely)
        self._watching = watching
        self._look_at = look
        self._unseen = set(self.keys)  # how these are has not been told yet
        self._live: set[str] = set()
        self._looking: set[str] = set()  # and nothing was told meanwhile that says more
        self._due = 0.0  # when to look
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._awake = asyncio.Event()
        self._ended = False

    def tell(self, key: str, event: bytes, live: bool) -> None:
        """Something has happened to a session, which is alive, or not any more."""
        if self._unseen or self._looking:
            self._unseen.discard(key)
            self._looking.discard(key)
        (self._live.add if live else self._live.discard)(key)
        if not self._waiting:
            self._awake.set()
        self._waiting.append(event)

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
            piece = b"".join(self._waiting)
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
        self.watched: dict[str, set[Watcher]] = {}  # by whom, by the sessions' keys
        self.closely: Counter[str] = Counter()  # how many want hidden states as well
        self._watchers: set[Watcher] = set()

    def __len__(self) -> int:
        """Watchers."""
        return len(self._watchers)

    def watch(self, keys: Iterable[str], look: Look, closely: Iterable[str] = ()) -> Watcher:
        """One more, until it is closed. closely: those of the keys whose hidden states it is told.

        Raises:
            Overloaded: there are too many.
        """
        if len(self._watchers) >= self._most:
            raise Overloaded(f"{self._most} watch already; try again later", retry_after=10)
        watcher = Watcher(self, keys, closely, look)
        self._watchers.add(watcher)
        for key in watcher.keys:
            self.watched.setdefault(key, set()).add(watcher)
        self.closely.update(watcher.closely)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """One less."""
        if watcher not in self._watchers:
            return
        self._watchers.remove(watcher)
        for key in watcher.keys:
            watchers = self.watched[key]
            watchers.discard(watcher)
            if not watchers:
                del self.watched[key]
        self.closely -= Counter(watcher.closely)  # which keeps none that is 0
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

    def tell(self, key: str, event: bytes, *, live: bool = True, hidden: Context | None = None) -> None:
        """Something was kept. hidden: the hidden state behind it, if somebody wants it."""
        for watcher in self.watched.get(key, ()):
            if hidden is None or key not in watcher.closely:
                watcher.tell(key, event, live)
            else:
                watcher.tell(key, _with_state(event, hidden), live)

    def close(self) -> None:
        """The service is about to stop: connections that would last for ever end."""
        for watcher in self._watchers:
            watcher.end()


def observed(answer: Mapping[str, Any], values: Values, created_at: float, text: bytes = b"") -> bytes:
    """Values were applied: the answer that they got, and the last of them, (T, F). If they are the first ones, the
    session has begun, or begun anew. created_at: when it was; text: the answer as JSON, if it has been written already.
    """
    begun = _begun(answer, created_at) if len(answer["predictions"]) == answer["step"] else b""
    if len(values) >= RECENT:  # what comes by the wire has been cut already
        values, text = values[-RECENT:], b""
        answer = {**answer, **{name: answer[name][-RECENT:] for name in NUMBERS if name in answer}}
    came = [values.item()] if values.size == 1 else to_plain(values)
    text = text or encode(answer)
    came_text = encode(came)  # NaN is null
    return b"".join((begun, b"event: observed\ndata: ", text[:-1], b',"values":', came_text, b"}\n\n"))


def placed(session: dict[str, Any]) -> bytes:
    """A session is there: how it is."""
    return b"event: session\ndata: %b\n\n" % encode(session)


def ended(session_id: str, error: ServiceError) -> bytes:
    """There is no such session, or not any more."""
    told = {"session_id": session_id, "error": error.code, "message": str(error), **error.details}
    return b"event: ended\ndata: %b\n\n" % encode(told)


def _begun(answer: Mapping[str, Any], created_at: float) -> bytes:
    told = {"session_id": answer["session_id"], "step": 0, "model": answer["model"], "created_at": rfc3339(created_at)}
    return b"event: begun\ndata: %b\n\n" % encode(told)


def _with_state(event: bytes, hidden: Context) -> bytes:
    return b'%b,"hidden_state":%b}\n\n' % (event.removesuffix(b"}\n\n"), encode(to_state(hidden)))
