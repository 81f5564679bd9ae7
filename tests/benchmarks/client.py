"""A load generator that is cheaper than what it measures: keep-alive connections, each with one request at a time."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from time import perf_counter
from typing import cast
from uuid import uuid4

import uvloop

SERIES = [11.0, 16.0, 23.0, 36.0, 58.0, 29.0, 20.0, 10.0]
HEAD = b"POST /predict HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass
class Load:
    """What some seconds of load gave: latencies in seconds of the requests that were answered with 200."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds

    def __add__(self, other: "Load") -> "Load":
        return Load(self.seconds + other.seconds, self.latencies + other.latencies, self.errors + other.errors)


def measure(host: str, port: int, connections: int, seconds: float, *, counted: bool = False) -> Load:
    """Send single values to POST /predict for some seconds, each connection in a new session of its own.

    counted: every request says which step it is, so that it could be repeated safely.
    """
    return uvloop.run(_measure(host, port, connections, seconds, counted))


async def _measure(host: str, port: int, connections: int, seconds: float, counted: bool) -> Load:
    load, loop, run = Load(), asyncio.get_running_loop(), uuid4().hex
    started = perf_counter()
    clients = []
    for index in range(connections):
        connection = partial(_Connection, load, _requests(f"{run}-{index}", counted))
        clients.append((await loop.create_connection(connection, host, port))[1])
    await asyncio.sleep(seconds)
    for client in clients:
        client.end()
    load.seconds = perf_counter() - started
    return load


def _requests(session_id: str, counted: bool) -> Iterator[bytes]:
    """A session's requests; after the end of SERIES it goes on with the start."""
    for step, value in enumerate(cycle(SERIES)):
        body = b'{"values": [%g], "session_id": "%s"%s}' % (
            value,
            session_id.encode(),
            b', "step": %d' % step if counted else b"",
        )
        yield HEAD % len(body) + body


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the last one is answered completely."""

    def __init__(self, load: Load, requests: Iterator[bytes]) -> None:
        self._load = load
        self._requests = requests
        self._answer = b""
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not inherit from it
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, complete, body = self._answer.partition(b"\r\n\r\n")
        if self._ended or not complete or len(body) < _announced_length(head):
            return
        if head.startswith(b"HTTP/1.1 200 "):
            self._load.latencies.append(perf_counter() - self._sent_at)
        else:
            self._load.errors += 1
        self._send()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._ended:
            self._load.errors += 1  # the server hung up

    def end(self) -> None:
        """Whatever is under way is not counted."""
        self._ended = True
        self._transport.close()

    def _send(self) -> None:
        self._answer = b""
        self._sent_at = perf_counter()
        self._transport.write(next(self._requests))


def _announced_length(head: bytes) -> int:
    found = LENGTH.search(head)
    assert found, f"an answer without its length: {head!r}"
    return int(found[1])
