"""Contexts held by the server, by session id."""

from service.sessions.memory import MemorySessions
from service.sessions.record import Session

__all__ = ["MemorySessions", "Session"]
