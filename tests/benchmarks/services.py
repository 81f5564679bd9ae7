"""The service beside others over HTTP, and beside itself in other ways of use. All take turns, in several rounds."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.benchmarks.contestants import BARE, FASTAPI, OURS, OURS_ON_DISK, STOCK, Contestant
from tests.benchmarks.doors import BATCH, COUNTED, PREDICT, PREDICT_BATCH, TRITON, Door
from tests.benchmarks.examination import Examination, Wrong
from tests.benchmarks.tables import Table
from tests.benchmarks.turns import awake, sleep, wake
from tests.benchmarks.wrk import Load, LoadFailed, measure, typical
from tests.server import Server

CONNECTIONS, MANY, FEW = 16, 64, 4
WARM_UP_SECONDS = 1.0
COLUMNS = ("requests/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU us a request")


@dataclass(frozen=True)
class Effort:
    """How long is measured: rounds in which all take their turn, seconds of a turn."""

    rounds: int = 5
    seconds: float = 3.0


@dataclass(frozen=True)
class Entry:
    """A row: a contestant, asked in some way. Entries of the same contestant share a server."""

    name: str
    contestant: Contestant
    door: Door
    connections: int = CONNECTIONS


def entry(contestant: Contestant, name: str = "", door: Door | None = None, connections: int = CONNECTIONS) -> Entry:
    """A contestant as it presents itself, if nothing else is said."""
    return Entry(name or contestant.name, contestant, door or contestant.door, connections)


US = entry(OURS)
US_BY_PROTOCOL = entry(OURS, "this service, /v2", TRITON)
"""Asked in the very words that Triton is asked in."""

OTHERS = tuple(map(entry, (STOCK, FASTAPI, BARE)))
DISK = entry(OURS_ON_DISK, "sqlite")
WAYS = (
    entry(OURS, "memory, with `step`", COUNTED),
    DISK,
    entry(OURS_ON_DISK, "sqlite, with `step`", COUNTED),
    entry(OURS, f"memory, {MANY} connections", PREDICT, MANY),
)
CROWD = entry(OURS, "batch", PREDICT_BATCH, FEW)


def report(checkpoint: Path, effort: Effort) -> Iterator[Table]:
    """Two tables: the service beside others, and in other ways of use."""
    crowd = [CROWD] if _offers_batches(checkpoint) else []
    loads = race((US, *OTHERS, *WAYS, *crowd), checkpoint, effort)
    yield beside(US, [US, *OTHERS], loads)
    ways = Table(("this service", "requests/s", "memory = 1", "p50 ms", "p99 ms", "p99 / p50", "CPU us a request"))
    if not crowd:
        ways.notes.append("`/predict_batch` is not there (404): not measured.")
    for way in (US, *WAYS):
        load, ratio = loads[way], loads[way].rate / loads[US].rate
        name = "memory" if way is US else way.name
        tail = f"{load.p99 / load.p50:.1f}"
        ways.add(name, f"{load.rate:,.0f}", f"{ratio:.2f}", _ms(load.p50), _ms(load.p99), tail, f"{load.cpu:.0f}")
    for way in crowd:
        load = loads[way]
        ways.notes.append(
            f"`/predict_batch`, {BATCH:,} sessions a request, {way.connections} connections: "
            f"{load.rate * BATCH:,.0f} observations/s, {load.rate * BATCH / loads[US].rate:.1f} times as many as one "
            f"by one; a request takes {load.p50:.1f} ms (p99 {load.p99:.1f} ms)."
        )
    yield ways


def beside(one: Entry, entries: Sequence[Entry], loads: Mapping[Entry, Load]) -> Table:
    """A row per entry, with its requests per second in those of one of them."""
    rate, *others = COLUMNS
    table = Table((f"{CONNECTIONS} connections", rate, f"{one.name} = 1", *others))
    for each in entries:
        load = loads[each]
        latencies = map(_ms, (load.p50, load.p99, load.p999))
        table.add(each.name, f"{load.rate:,.0f}", f"{load.rate / loads[one].rate:.2f}", *latencies, f"{load.cpu:.0f}")
    return table


def race(entries: Sequence[Entry], checkpoint: Path, effort: Effort) -> dict[Entry, Load]:
    """The median of the rounds for every entry.

    All servers live from start to end, awake in their turn only, so that a slow moment hits them all.

    Raises:
        SystemExit: a contestant is wrong or does not answer; one line says which.
    """
    examination, loads = Examination(checkpoint), dict[Entry, list[Load]]()
    with ExitStack() as stack:
        servers: dict[Contestant, Server] = {}
        for each in entries:
            if each.contestant not in servers:
                server = servers[each.contestant] = stack.enter_context(each.contestant.serving(checkpoint))
                sleep(server)
                stack.callback(wake, server)  # it could not end in its sleep
        try:
            for each in entries:
                with awake(servers[each.contestant]) as server:
                    examination(server, each.door)
                    measure(server, each.door, each.connections, WARM_UP_SECONDS)
            for _ in range(effort.rounds):
                for each in entries:
                    with awake(servers[each.contestant]) as server:
                        load = measure(server, each.door, each.connections, effort.seconds)
                    loads.setdefault(each, []).append(load)
            for each in entries:
                with awake(servers[each.contestant]) as server:
                    examination(server, each.door)
        except (Wrong, LoadFailed, httpx.HTTPError) as error:
            raise SystemExit(f"{each.name}: {error}") from None
    return {each: typical(rounds) for each, rounds in loads.items()}


def _offers_batches(checkpoint: Path) -> bool:
    with OURS.serving(checkpoint) as server:
        return httpx.post(f"{server.url}{PREDICT_BATCH.path}", json={}, trust_env=False).status_code != 404


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.2f}"
