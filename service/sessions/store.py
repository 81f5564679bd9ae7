"""What a store of sessions promises. The engine works with this and does not know which store it has."""

import asyncio
from dataclasses import dataclass
from typing import Literal, Protocol

from service.sessions.record import Record


@dataclass(frozen=True, slots=True)
class Gone:
    """A session that existed, why it does not exist any more, and since when (seconds since 1970)."""

    reason: Literal["expired", "deleted"]
    at: float


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


class Store(Protocol):
    """Records by key. The caller takes care that one key is advanced by one request at a time."""

    def __len__(self) -> int:
        """Live sessions."""

    async def get(self, key: str) -> Record | Gone | None:
        """The record, or what is remembered of it, or None: never heard of."""

    async def commit(self, key: str, record: Record) -> None:
        """Keep a record, new or in place of the one before. When this returns, it is kept as safely as promised.

        Raises:
            SessionCapacity: it is new and there is no room. A live session is never evicted.
            StoreUnavailable: it could not be kept; nothing has changed.
        """

    def pending(self, key: str) -> asyncio.Future[None] | None:
        """A change of this key that is under way, whoever began it being there or not: the session does not expire
        meanwhile, and its turn is not given away before.
        """

    async def delete(self, key: str) -> Record | Gone | None:
        """Forget a record; gives what `get` would have given before.

        Raises:
            StoreUnavailable: as commit.
        """

    async def page(self, prefix: str, after: str, limit: int) -> list[tuple[str, Record]]:
        """Up to `limit` live sessions whose key starts with `prefix` and sorts behind `after`, in order of keys."""

    def close(self) -> None:
        """Stop gracefully: nothing committed is lost, as far as the store promises."""
