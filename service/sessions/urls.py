"""Which store a URL names."""

from collections.abc import Callable
from pathlib import Path

from service.sessions import snapshot, sqlite
from service.sessions.memory import MemoryStore
from service.sessions.sqlite import SqliteStore
from service.sessions.store import Limits, Store

MEMORY, SQLITE = "memory://", "sqlite:///"


def open_store(
    url: str, snapshot_file: str | None, limits: Limits, expired: Callable[[int], None], commit_seconds: float
) -> Store:
    """The store that a URL names: `memory://` or `sqlite:///path`. `expired` is told how many sessions just did; a
    commit that takes longer than `commit_seconds` is refused.

    Raises:
        StoreUnavailable: it cannot be opened; the text says why.
    """
    if url == MEMORY:
        return MemoryStore(limits, expired, Path(snapshot_file) if snapshot_file else None)
    return SqliteStore(Path(url.removeprefix(SQLITE)), limits, expired, commit_seconds=commit_seconds)


def check_store(url: str, snapshot_file: str | None) -> None:
    """See whether a store can be opened, and leave it as it is.

    Raises:
        StoreUnavailable: it cannot; the text says why.
    """
    if snapshot_file is not None:
        snapshot.check(Path(snapshot_file))
    if url != MEMORY:
        sqlite.check(Path(url.removeprefix(SQLITE)))
