"""What a step costs where sessions are in Redis, the service and Redis itself; and how many of both a load needs."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil

from tests.benchmarks.contestants import OURS
from tests.benchmarks.doors import BATCH, COUNTED, PREDICT, PREDICT_BATCH, Door
from tests.benchmarks.fleet import Costs, Fleet
from tests.benchmarks.services import Effort
from tests.benchmarks.tables import Table
from tests.benchmarks.turns import awake, sleep
from tests.benchmarks.wrk import Load, measure, typical
from tests.redis_server import RedisServer, redis_server
from tests.server import Server

CONNECTIONS, MANY, FEW = 16, 64, 4
WARM_UP_SECONDS = 1.0
SESSIONS = 20_000  # whose size is asked for


@dataclass(frozen=True)
class Way:
    """A row: so many workers (none: one process that keeps sessions in memory), asked in some way."""

    name: str
    workers: int
    door: Door
    connections: int


@dataclass(frozen=True)
class Cost:
    """A turn of a way. redis: its processor time, in microseconds a step; trips: to Redis, a step."""

    load: Load
    redis: float
    trips: float


ALONE = Way("in memory", 0, COUNTED, CONNECTIONS)
SHARED = Way("in Redis", 1, COUNTED, CONNECTIONS)
CROWDED = Way(f"in Redis, {MANY} connections", 1, PREDICT, MANY)
DOUBLED = Way("in Redis, 2 workers", 2, COUNTED, CONNECTIONS)
TOGETHER = Way(f"in Redis, {BATCH:,} sessions a request", 1, PREDICT_BATCH, FEW)
WAYS = (ALONE, SHARED, CROWDED, DOUBLED, TOGETHER)


def report(checkpoint: Path, effort: Effort) -> Iterator[Table]:
    """Three tables: what steps cost, what sessions weigh, and what fleets of any size take."""
    with redis_server() as redis, ExitStack() as stack:
        servers: dict[Way, Server] = {}
        for way in WAYS:
            servers[way] = stack.enter_context(_served(checkpoint, way.workers, redis))
            sleep(servers[way])
        costs: dict[Way, list[Cost]] = {way: [] for way in WAYS}
        for turn in range(effort.rounds + 1):
            for way in WAYS:
                seconds = effort.seconds if turn else WARM_UP_SECONDS
                with awake(servers[way]) as server:
                    cost = _measured(server, way, redis, seconds)
                if turn:
                    costs[way].append(cost)
        typically = {way: _typical(some) for way, some in costs.items()}
        yield _steps(typically)
        with awake(servers[TOGETHER]) as server:
            yield _weights(server, redis)
    one, batch = typically[SHARED], typically[TOGETHER]
    singly = Costs(one.load.cpu, one.redis / one.trips, round(one.trips))
    yield Fleet(singly, batch.load.cpu / BATCH, batch.redis).table()


def _served(checkpoint: Path, workers: int, redis: RedisServer) -> AbstractContextManager[Server]:
    environment = {"ELMAN_SESSION_STORE": redis.url, "ELMAN_WORKERS": str(workers)} if workers else {}
    return replace(OURS, environment=environment).serving(checkpoint)


def _measured(server: Server, way: Way, redis: RedisServer, seconds: float) -> Cost:
    process = psutil.Process(redis.pid)
    before, asked = sum(process.cpu_times()[:2]), redis.scripts_run()
    load = measure(server, way.door, way.connections, seconds)
    spent, trips = sum(process.cpu_times()[:2]) - before, redis.scripts_run() - asked
    steps = load.requests * way.door.sessions
    return Cost(load, 1e6 * spent / steps, trips / steps)


def _typical(costs: list[Cost]) -> Cost:
    middle = sorted(costs, key=lambda cost: cost.redis)[len(costs) // 2]
    return Cost(typical([cost.load for cost in costs]), middle.redis, middle.trips)


def _steps(costs: dict[Way, Cost]) -> Table:
    table = Table(("sessions", "steps/s", "memory = 1", "p50 ms", "p99 ms", "CPU us a step", "Redis CPU us", "trips"))
    alone = costs[ALONE].load.rate
    for way, cost in costs.items():
        load, rate = cost.load, cost.load.rate * way.door.sessions
        table.add(
            way.name,
            f"{rate:,.0f}",
            f"{rate / alone:.2f}",
            f"{load.p50:.2f}",
            f"{load.p99:.2f}",
            f"{load.cpu / way.door.sessions:.0f}",
            f"{cost.redis:.0f}" if way.workers else "",
            f"{cost.trips:.1f}" if way.workers else "",
        )
    table.notes.append(
        "Service, Redis and wrk share the cores. CPU: of the service, and of Redis; trips: scripts that Redis ran, a "
        f"step. {CONNECTIONS} connections if nothing else is said, {FEW} for the large requests."
    )
    return table


def _weights(server: Server, redis: RedisServer) -> Table:
    redis.ask("FLUSHALL")
    names = [f"weight-{number}" for number in range(SESSIONS)]
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        empty = redis.used_memory()
        for start in range(0, SESSIONS, BATCH):
            body = {"session_ids": names[start : start + BATCH], "values": [11.0] * BATCH}
            client.post(PREDICT_BATCH.path, json=body).raise_for_status()
        each = (redis.used_memory() - empty) / SESSIONS
    record, gone = (redis.ask("MEMORY", "USAGE", f"elman:{{{names[0]}}}{end}") for end in ("", ":gone"))
    table = Table(("memory of Redis, bytes a session", "all", "its record", "what is remembered when it is gone"))
    table.add("default model", f"{each:,.0f}", f"{record:,}", f"{gone:,}")
    return table
