"""Which store a URL names."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from service.errors import StoreUnavailable
from service.sessions import snapshot, sqlite
from service.sessions.addresses import Address
from service.sessions.memory import MemoryStore
from service.sessions.sqlite import SqliteStore
from service.sessions.store import Limits, Store, Unfit

if TYPE_CHECKING:
    from service.sessions.redis import RedisStore

MEMORY, SQLITE = "memory://", "sqlite:///"

logger = logging.getLogger("elman")


def open_store(
    url: str, snapshot_file: str | None, limits: Limits, expired: Callable[[int], None], commit_seconds: float
) -> Store:
    """The store that a URL names: `memory://`, `sqlite:///path`, or one of `Address.parse`. `expired` is told how many
    sessions just did, where this process is the one that knows; a commit that takes longer than `commit_seconds` is
    refused.

    Raises:
        StoreUnavailable: it cannot be opened; the text says why.
    """
    if url == MEMORY:
        return MemoryStore(limits, expired, Path(snapshot_file) if snapshot_file else None)
    if url.startswith(SQLITE):
        return SqliteStore(Path(url.removeprefix(SQLITE)), limits, expired, commit_seconds=commit_seconds)
    return _redis(url, limits, commit_seconds)


def check_store(url: str, snapshot_file: str | None = None, seconds: float = 5) -> None:
    """See whether a store can be opened, and leave it as it is. One that others use too may come later.

    Raises:
        StoreUnavailable: it cannot; the text says why.
    """
    if snapshot_file is not None:
        snapshot.check(Path(snapshot_file))
    if url.startswith(SQLITE):
        sqlite.check(Path(url.removeprefix(SQLITE)))
    elif url != MEMORY:
        asyncio.run(_check_shared(_redis(url, Limits(0, None, 0, 0, 0, 0), seconds)))


def _redis(url: str, limits: Limits, seconds: float) -> "RedisStore":
    from service.sessions.redis import RedisStore  # its library takes 0.15 s to import

    return RedisStore(Address.parse(url), limits, seconds)


async def _check_shared(store: "RedisStore") -> None:
    try:
        await store.check()
    except Unfit:
        raise
    except StoreUnavailable as error:
        logger.warning("not ready until this changes: %s", error)
    finally:
        await store.close()
