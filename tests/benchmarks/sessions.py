"""What a session costs: resident memory of the process, and whether many of them make a step slower."""

from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.benchmarks.contestants import OURS
from tests.benchmarks.doors import BATCH, PREDICT, PREDICT_BATCH, Door
from tests.benchmarks.tables import Table
from tests.benchmarks.turns import family
from tests.benchmarks.wrk import measure
from tests.server import Server

SESSIONS = 200_000
SINGLY = 20_000  # of them where they cannot be made in batches
CONNECTIONS = 16
SECONDS = 3.0
WARM_UP_SESSIONS = 2_000  # what is allocated once is allocated by them


def report(checkpoint: Path) -> Iterator[Table]:
    """Two rows: a service with few sessions, and the same service with many."""
    table = Table(("sessions in memory", "bytes each", "requests/s", "p50 ms", "p99 ms", "p50, few = 1"))
    with OURS.serving(checkpoint) as server, httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        in_batches = client.post(PREDICT_BATCH.path, json={}).status_code != 404
        door, number = (PREDICT_BATCH, SESSIONS) if in_batches else (PREDICT, SINGLY)
        _create(client, door, range(WARM_UP_SESSIONS))
        few = measure(server, PREDICT, CONNECTIONS, SECONDS)
        before = _resident(server)
        _create(client, door, range(WARM_UP_SESSIONS, WARM_UP_SESSIONS + number))
        each = (_resident(server) - before) / number
        many = measure(server, PREDICT, CONNECTIONS, SECONDS)
    for name, size, load in (("few", "", few), (f"{number:,} more", f"{each:,.0f}", many)):
        ratio = f"{load.p50 / few.p50:.2f}"
        table.add(name, size, f"{load.rate:,.0f}", f"{load.p50:.2f}", f"{load.p99:.2f}", ratio)
    table.notes.append("Resident memory of the process that serves, after one request a session; all is counted.")
    yield table


def _create(client: httpx.Client, door: Door, sessions: range) -> None:
    """One observation in each of these sessions."""
    size = min(door.sessions, BATCH)
    for start in range(sessions.start, sessions.stop, size):
        names = [f"{number:08x}-0" for number in range(start, min(start + size, sessions.stop))]
        body = door.ask(names, [11.0] * len(names), step=0)
        client.post(door.path, content=body, headers={"content-type": "application/json"}).raise_for_status()


def _resident(server: Server) -> float:
    """Bytes of all processes of the service."""
    return float(sum(process.memory_info().rss for process in family(server)))
