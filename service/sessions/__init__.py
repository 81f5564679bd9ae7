"""Contexts held by the server: what is held, and where."""

from service.sessions.memory import MemoryStore
from service.sessions.record import Answer, Record
from service.sessions.sqlite import SqliteStore
from service.sessions.store import Gone, Limits, Store
from service.sessions.urls import check_store, open_store

__all__ = ["Answer", "Gone", "Limits", "MemoryStore", "Record", "SqliteStore", "Store", "check_store", "open_store"]
