"""Sessions in one SQLite file: the tables that the durable store lives in, and the snapshot of one that does not."""

import os
import sqlite3
import struct
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from urllib.parse import quote

from service.errors import StoreUnavailable
from service.sessions.record import Record
from service.sessions.store import Gone

APPLICATION_ID = 0x454C4D4E  # "ELMN"
SCHEMA_VERSION = 1
SCHEMA = f"""
BEGIN;
CREATE TABLE IF NOT EXISTS sessions (key TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gone (key TEXT PRIMARY KEY, reason TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
REMEMBER = "INSERT OR REPLACE INTO gone VALUES (?, ?, ?)"


@cache
def keep(records: int) -> str:
    """The statement that keeps so many records, new or in place of those before."""
    rows = ", ".join(["(?, ?)"] * records)
    return f"INSERT INTO sessions VALUES {rows} ON CONFLICT (key) DO UPDATE SET record = excluded.record"  # noqa: S608


KEEP = keep(1)
Rows = tuple[list[tuple[str, bytes]], list[tuple[str, Gone]]]


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables where there are none."""
    connection.executescript(SCHEMA)


def rows(connection: sqlite3.Connection) -> Rows:
    """Everything that is in the file, which stays as it is; nothing is in an empty one.

    Raises:
        StoreUnavailable: it belongs to another program, or another version of this one; or a record cannot be read.
        sqlite3.Error: it is no SQLite file, or another process has it.
    """
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables:
        return [], []
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (application, version) != (APPLICATION_ID, SCHEMA_VERSION):
        raise StoreUnavailable("it is not a session file of this version")
    live = connection.execute("SELECT key, record FROM sessions").fetchall()
    gone = connection.execute("SELECT key, reason, at FROM gone").fetchall()
    for key, packed in live:
        try:
            Record.unpack(packed)
        except (ValueError, IndexError, struct.error) as error:
            raise StoreUnavailable(f"session {key!r}: {error}") from None
    return live, [(key, Gone(reason, at)) for key, reason, at in gone]


def write(path: Path, live: Iterable[tuple[str, bytes]], gone: Iterable[tuple[str, Gone]]) -> None:
    """Write a snapshot completely or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.unlink(missing_ok=True)
    connection = sqlite3.connect(temporary)
    try:
        prepare(connection)
        with connection:
            connection.executemany(KEEP, live)
            connection.executemany(REMEMBER, ((key, what.reason, what.at) for key, what in gone))
    finally:
        connection.close()
    os.replace(temporary, path)


def check(path: Path) -> None:
    """See whether a snapshot can be taken at the start and written at the stop; no file is fine.

    Raises:
        StoreUnavailable: it cannot be.
    """
    _read(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise StoreUnavailable(f"snapshot {path}: {error}") from None


def take(path: Path) -> Rows:
    """Read a snapshot and remove it; no file, no sessions.

    It is removed because it is true only until the first request: a process that is killed later must not come back
    with contexts of long ago.

    Raises:
        StoreUnavailable: it cannot be read.
    """
    content = _read(path)
    path.unlink(missing_ok=True)
    return content


def _read(path: Path) -> Rows:
    if not path.exists():
        return [], []
    connection = None
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
        return rows(connection)
    except (sqlite3.Error, OSError, StoreUnavailable) as error:
        raise StoreUnavailable(f"snapshot {path}: {error}") from None
    finally:
        if connection is not None:
            connection.close()
