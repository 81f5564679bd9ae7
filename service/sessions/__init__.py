"""Contexts held by the server: what is held, and where."""

from service.sessions.memory import MemoryStore
from service.sessions.record import Answer, Record
from service.sessions.rows import ELSEWHERE, START, Rows, Shape
from service.sessions.sqlite import SqliteStore
from service.sessions.store import Found, Gone, Limits, News, Shared, Store, Superseded, Unfit, Wire
from service.sessions.urls import check_store, open_store

__all__ = [
    "ELSEWHERE",
    "START",
    "Answer",
    "Found",
    "Gone",
    "Limits",
    "MemoryStore",
    "News",
    "Record",
    "Rows",
    "Shape",
    "Shared",
    "SqliteStore",
    "Store",
    "Superseded",
    "Unfit",
    "Wire",
    "check_store",
    "open_store",
]
