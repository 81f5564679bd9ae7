"""What a store of sessions promises. The engine works with this and does not know which store it has."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from models.predictor import Values
from service.errors import StoreUnavailable
from service.sessions.record import Record
from service.sessions.rows import Rows


@dataclass(frozen=True, slots=True)
class Gone:
    """A session that existed, why it does not exist any more, and since when (seconds since 1970)."""

    reason: Literal["expired", "deleted"]
    at: float


Found = int | Record | Gone | None
"""A session's row; or its record, where it is no row; or what is remembered of it; or nothing: never heard of."""


@dataclass(slots=True)
class News:
    """What who watches a session has to know beside what is kept.

    values: (T, F) the last ones that led there, None: it was placed there, or deleted; told: set by the store when it
    is kept, if who watches in this process hears of it by the wire.
    """

    session_id: str
    values: Values | None = None
    told: bool = False


class Superseded(Exception):
    """Another process has changed the session since it was found; nothing was kept."""


class Unfit(StoreUnavailable):
    """As it is set up the store cannot keep sessions, and waiting will not help."""


@dataclass(frozen=True)
class Limits:
    """How long and how much a store holds.

    A session expires after idle_seconds without use, and max_age_seconds (if any) after its creation, used or not.
    The gone are remembered for gone_seconds, and max_gone of them at most.
    """

    idle_seconds: float
    max_age_seconds: float | None
    max_sessions: int
    max_bytes: int
    gone_seconds: float
    max_gone: int


class Audience(Protocol):
    """Whom the wire tells what is kept, by this process or by others."""

    def wants(self, key: str) -> bool:
        """Whether somebody watches this session."""

    def heard(self, key: str, found: Record | Gone, news: News) -> None:
        """Something was kept: `found` is there now. What happens to a session is heard in the order in which it did."""

    def missed(self) -> None:
        """Something may have been kept that was not heard."""


class Wire(Protocol):
    """By which the processes that share a store hear what is kept of sessions that somebody watches."""

    audience: Audience | None

    @property
    def hears(self) -> bool:
        """Whether what is kept arrives."""

    async def ask(self, keys: Collection[str]) -> set[str]:
        """To be told what is kept of these, for the next seconds; so it is asked again and again. Gives those of which
        something may have been missed, because nobody asked before.

        Raises:
            StoreUnavailable: it cannot be said.
        """

    def hang_up(self) -> None:
        """Nobody listens any more."""


class Store(Protocol):
    """Sessions by key. The caller takes care that in this process one key is advanced by one request at a time.

    The engine works with rows: it finds a session's row, or makes one of its record, computes into it or into a free
    one, and keeps that. Whoever brings a session along or takes it away works with records.
    """

    in_place: bool
    """Whether the row of a live session may be advanced itself; otherwise into another row, which is then kept."""

    @property
    def wire(self) -> Wire | None:
        """None where no other process has the sessions."""

    def live(self) -> int | None:
        """Live sessions; None where other processes have them too."""

    def room(self, row_bytes: int) -> int | None:
        """How many sessions of rows of this size there may be; None: they do not stay in rows."""

    def adopt(self, rows: Rows, held: Callable[[str], bool]) -> None:
        """From now on sessions that fit live in these rows. held: whether somebody works on a key; it does not expire
        meanwhile.
        """

    async def find(self, key: str) -> Found:
        """For who holds the key."""

    async def get(self, key: str) -> Record | Gone | None:
        """The record, or what is remembered of it, or None: never heard of."""

    async def keep(self, key: str, row: int, found: Found = None, news: News | None = None) -> None:
        """A row is from now on the session's; the one before, if another, is free. When this returns, it is kept as
        safely as promised. If it fails the row is free, unless it was the session's already. found: what was; news: for
        the wire.

        Raises:
            SessionCapacity: it is new and there is no room. A live session is never evicted.
            Superseded: that is no longer so.
            StoreUnavailable: it could not be kept and nothing has changed; or it takes too long, and may be kept in the
                end: the same request with its step finds out.
        """

    async def commit(self, key: str, record: Record, found: Found = None, news: News | None = None) -> None:
        """Keep a record, new or in place of the one before; as `keep`."""

    def pending(self, key: str) -> asyncio.Future[None] | None:
        """A change of this key that is under way, whoever began it being there or not: the session does not expire
        meanwhile, and its turn is not given away before.
        """

    async def delete(self, key: str, news: News | None = None) -> Record | Gone | None:
        """Forget a record; gives what `get` would have given before. news: for the wire.

        Raises:
            StoreUnavailable: as commit.
        """

    async def page(self, prefix: str, after: str, limit: int) -> list[tuple[str, Record]]:
        """Up to `limit` live sessions whose key starts with `prefix` and sorts behind `after`, in order of keys."""

    async def check(self) -> None:
        """See whether it keeps what it is given. While nothing is known to be wrong this is cheap.

        Raises:
            StoreUnavailable: it does not; the text says why.
        """

    async def close(self) -> None:
        """Stop gracefully: nothing committed is lost, as far as the store promises."""


class Shared(Store, Protocol):
    """A store that other processes use too, asked for many sessions in one round trip."""

    async def find_all(self, keys: Sequence[str]) -> list[Found | StoreUnavailable]:
        """As `find`, for many, or why one cannot be told."""

    async def keep_all(
        self, keys: Sequence[str], rows: NDArray[np.int64], found: Sequence[Found], news: Sequence[News]
    ) -> list[Superseded | StoreUnavailable | None]:
        """As `keep`, for many, each by itself; what was in the way of one."""
