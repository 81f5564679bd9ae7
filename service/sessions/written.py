"""How a session is written in Redis: under which names, its record behind a revision, and what is remembered of it."""

import re
import struct
from dataclasses import replace
from urllib.parse import quote, unquote

from service.errors import StoreUnavailable
from service.sessions.record import Record
from service.sessions.store import Gone

REVISION_BYTES = 16
GONE, SIGN = b":gone", b":watched"  # behind the name of the record
SAFE = "".join(map(chr, range(0x20, 0x7F))).translate(str.maketrans("", "", "%{}"))
IS_SAFE = re.compile(f"[{re.escape(SAFE)}]*").fullmatch  # which most are, and it is sooner seen than quoted


class Unreadable(StoreUnavailable):
    """What is kept of one session is damaged, or was written by a later version of this program. It is left alone."""


def begin_of(prefix: str, key: str) -> str:
    """Of the names of all records whose sessions' keys begin so. There are no line ends in it."""
    return f"{prefix}:{{{key if IS_SAFE(key) else quote(key, SAFE)}"


def name_of(prefix: str, key: str) -> bytes:
    """Of a session's record. The braces keep all that belongs to it in one slot of a cluster."""
    return (begin_of(prefix, key) + "}").encode()


def key_of(prefix: str, name: str) -> str:
    """Of the session whose record has this name."""
    return unquote(name[len(prefix) + 2 : -1])


def record_of(key: str, written: bytes) -> Record:
    """With its revision.

    Raises:
        Unreadable: there is none in it.
    """
    try:
        record = Record.unpack(written[REVISION_BYTES:])
    except (ValueError, IndexError, struct.error) as error:
        raise Unreadable(f"session {key!r} cannot be read: {error}", retry_after=1) from None
    return replace(record, revision=written[:REVISION_BYTES])


def text_of(reason: str, at: float) -> bytes:
    """Why a session is gone, and since when."""
    return f"{reason} {at!r}".encode()


def gone_of(key: str, text: bytes) -> Gone:
    """The same, read.

    Raises:
        Unreadable: it says something else.
    """
    try:
        reason, at = text.decode().split()
        return Gone("deleted" if reason == "deleted" else "expired", float(at))
    except ValueError as error:
        raise Unreadable(f"what is remembered of session {key!r} cannot be read: {error}", retry_after=1) from None
