"""What it costs a step that somebody watches: the same load, with none, some and all of its sessions watched."""

import socket
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import httpx
import psutil

from tests.benchmarks.contestants import OURS
from tests.benchmarks.doors import PREDICT, new_run
from tests.benchmarks.profiles import RATE, NotProfiled, profile, share
from tests.benchmarks.services import Effort
from tests.benchmarks.tables import Table
from tests.benchmarks.turns import family
from tests.benchmarks.wrk import TURNS, Load, LoadFailed, measure, typical
from tests.server import Server

CONNECTIONS = 16
BUFFER_BYTES = 1 << 20
WATCHED = (0, 50, CONNECTIONS * TURNS)
PROFILED_SECONDS = 10
TELLING = ("(service/watching.py:", "_send_all")
"""In a stack that has one of these the service is about telling: what it writes down, puts aside and sends."""


def report(checkpoint: Path, effort: Effort) -> Iterator[Table]:
    """A row for each number of sessions that one client watches."""
    loads: dict[int, list[Load]] = defaultdict(list)
    shares: dict[int, str] = {}
    notes = []
    with OURS.serving(checkpoint) as server, _apart(server):
        measure(server, PREDICT, CONNECTIONS, 1)
        for _ in range(effort.rounds):
            for watched in WATCHED:
                with _watched(server, watched) as run:
                    loads[watched].append(measure(server, PREDICT, CONNECTIONS, effort.seconds, run=run))
        try:
            for watched in WATCHED:
                with _watched(server, watched) as run, profile(server, PROFILED_SECONDS) as stacks:
                    measure(server, PREDICT, CONNECTIONS, PROFILED_SECONDS + 1, run=run)
                shares[watched] = f"{share(stacks, TELLING):.1%}"
        except NotProfiled as error:
            notes.append(str(error))
    table = Table(
        ("sessions watched", "requests/s", "p50 ms", "p99 ms", "CPU us a request", "none = 1", "told in"), notes=notes
    )
    for watched in WATCHED:
        load = typical(loads[watched])
        ratio = median(some.cpu / none.cpu for some, none in zip(loads[watched], loads[0], strict=True))
        name, figures = f"{watched} of {WATCHED[-1]}", (f"{load.p50:.2f}", f"{load.p99:.2f}", f"{load.cpu:.1f}")
        table.add(name, f"{load.rate:,.0f}", *figures, f"{ratio:.2f}", shares.get(watched, ""))
    table.notes.append(
        f"Medians of {effort.rounds} rounds; the ratio is that of each round. CPU is the service's, which has a "
        "processor of its own if there are several; wrk and the watcher, who takes every event, share the others. "
        "Told in: the part of the service's time in which it is about telling, "
        f"of {RATE} samples a second of its stack, in {PROFILED_SECONDS} s of their own."
    )
    yield table


@contextmanager
def _apart(server: Server) -> Iterator[None]:
    """The server on one processor, and who asks it on the others, if there are any."""
    here = psutil.Process()
    processors = here.cpu_affinity()
    for process in family(server):
        process.cpu_affinity(processors[:1])
    here.cpu_affinity(processors[1:] or processors)
    try:
        yield
    finally:
        here.cpu_affinity(processors)


@contextmanager
def _watched(server: Server, watched: int) -> Iterator[str]:
    """The run whose first sessions one client watches until the context ends."""
    run = new_run()
    with _watching(server, [f"{run}-{turn}" for turn in range(watched)]):
        yield run


@contextmanager
def _watching(server: Server, sessions: list[str]) -> Iterator[None]:
    """One client that knows how they are, takes what it is told, and looks at none of it, until the context ends."""
    if not sessions:
        yield
        return
    url = httpx.URL(server.url)
    query = urlencode([("session_id", session_id) for session_id in sessions])
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall(f"GET /watch?{query} HTTP/1.1\r\nhost: {url.host}\r\n\r\n".encode())
        begun = b""
        while begun.count(b"event: ") < len(sessions):
            begun += (received := connection.recv(BUFFER_BYTES))
            if not received or not begun.startswith(b"HTTP/1.1 200"):
                raise LoadFailed(f"/watch answered {begun[:100]!r}")
        reader = threading.Thread(target=_read, args=(connection,))
        reader.start()
        yield
        connection.shutdown(socket.SHUT_RDWR)
        reader.join()


def _read(connection: socket.socket) -> None:
    buffer = bytearray(BUFFER_BYTES)
    with suppress(ConnectionResetError):  # who is shut down with something unread
        while connection.recv_into(buffer):
            pass
