"""What it costs a step that somebody watches: the same load, with none, some and all of its sessions watched."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx

from tests.benchmarks.contestants import OURS
from tests.benchmarks.doors import PREDICT, new_run
from tests.benchmarks.services import Effort
from tests.benchmarks.tables import Table
from tests.benchmarks.wrk import TURNS, Load, measure
from tests.server import Server

CONNECTIONS = 16
WATCHED = (0, 50, CONNECTIONS * TURNS)


def report(checkpoint: Path, effort: Effort) -> Iterator[Table]:
    """A row for each number of sessions that one client watches."""
    loads: dict[int, list[Load]] = defaultdict(list)
    with OURS.serving(checkpoint) as server:
        measure(server, PREDICT, CONNECTIONS, 1)
        for _ in range(effort.rounds):
            for watched in WATCHED:
                run = new_run()
                with _watching(server, [f"{run}-{turn}" for turn in range(watched)]):
                    loads[watched].append(measure(server, PREDICT, CONNECTIONS, effort.seconds, run=run))
    table = Table(("sessions watched", "requests/s", "p50 ms", "p99 ms", "CPU us a request", "CPU, none = 1"))
    for watched in WATCHED:
        rate, p50, p99, cpu = (
            median(getattr(load, figure) for load in loads[watched]) for figure in ("rate", "p50", "p99", "cpu")
        )
        ratio = median(some.cpu / none.cpu for some, none in zip(loads[watched], loads[0], strict=True))
        table.add(
            f"{watched} of {WATCHED[-1]}", f"{rate:,.0f}", f"{p50:.2f}", f"{p99:.2f}", f"{cpu:.1f}", f"{ratio:.3f}"
        )
    table.notes.append(
        f"Medians of {effort.rounds} rounds; the ratio is that of each round. CPU is the service's; the watcher, which "
        "reads every event, shares the machine."
    )
    yield table


@contextmanager
def _watching(server: Server, sessions: list[str]) -> Iterator[None]:
    """One client that reads what it is told, until the context ends."""
    if not sessions:
        yield
        return
    asked = {"session_id": sessions}
    with (
        httpx.Client(base_url=server.url, trust_env=False, timeout=None) as client,
        client.stream("GET", "/watch", params=asked) as answer,
    ):
        answer.raise_for_status()
        over = threading.Event()
        reader = threading.Thread(target=_read, args=(answer, over))
        reader.start()
        yield
        over.set()
        client.post(PREDICT.path, json={"session_id": sessions[0], "values": [11.0]})  # so that one more piece comes
        reader.join()


def _read(answer: httpx.Response, over: threading.Event) -> None:
    for _ in answer.iter_raw():
        if over.is_set():
            return
