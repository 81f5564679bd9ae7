"""A fleet on paper: how many processes and Redis servers a load needs, and what a client waits for then.

Steps arrive at random (Poisson). Each visits a worker, chosen at random, then the Redis server of its session, and so
on in turn; all of them serve first come, first served, one at a time, for a time drawn from an exponential
distribution with the measured mean. Real ones do better: what waits together is served together.
"""

import heapq
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.tables import Table

BUSY = 0.6
"""Share of its time that a core may be busy, so that waiting stays short."""

STREAMS_PER_STEP = 10
"""Streams of one value every ten seconds."""

LOADS = (1_000, 10_000, 100_000, 1_000_000)
STEPS = 20_000  # simulated
NETWORK_MS = 0.2  # there and back, within a data centre


@dataclass(frozen=True)
class Costs:
    """Of a step: microseconds of a worker, microseconds of a Redis server each time, times."""

    worker: float
    redis: float
    trips: int


@dataclass(frozen=True)
class Waiting:
    """What clients see, in milliseconds; lasting: in the end no more are waited for than in the middle."""

    p50: float
    p99: float
    lasting: bool


def simulate(costs: Costs, rate: float, workers: int, servers: int, steps: int = STEPS, seed: int = 0) -> Waiting:
    """So many steps a second for so many workers and Redis servers."""
    random = np.random.default_rng(seed)
    begun = np.cumsum(random.exponential(1e6 / rate, steps))
    stages = 2 * costs.trips + 1  # worker, Redis, worker, Redis, worker
    means = np.where(np.arange(stages) % 2, costs.redis, costs.worker / (costs.trips + 1))
    service = random.exponential(means, (steps, stages)).tolist()
    where = (random.integers(workers, size=steps).tolist(), random.integers(servers, size=steps).tolist())
    free = ([0.0] * workers, [0.0] * servers)
    ended = np.empty(steps)
    events = [(at, step, 0) for step, at in enumerate(begun.tolist())]
    while events:
        at, step, stage = heapq.heappop(events)
        kind = stage % 2
        place = where[kind][step]
        free[kind][place] = done = max(at, free[kind][place]) + service[step][stage]
        if stage + 1 < stages:
            heapq.heappush(events, (done, step, stage + 1))
        else:
            ended[step] = done
    waited = (ended - begun) / 1000 + costs.trips * NETWORK_MS
    middle, end = (np.sum(begun <= now) - np.sum(ended <= now) for now in begun[[steps // 2, -1]])
    return Waiting(float(np.median(waited)), float(np.quantile(waited, 0.99)), bool(end < 1.5 * middle + 50))


@dataclass(frozen=True)
class Fleet:
    """What each load needs. batched_worker, batched_redis: microseconds a step in requests of many sessions."""

    singly: Costs
    batched_worker: float
    batched_redis: float

    def table(self) -> Table:
        """Each load with what served the one before, and with what it needs."""
        table = Table(("steps/s", "streams", "worker cores", "Redis cores", "p50 ms", "p99 ms", "in batches"))
        before = (1, 1)
        for load in LOADS:
            needed = self.needed(load)
            for workers, servers in dict.fromkeys((before, needed)):
                seen = simulate(self.singly, load, workers, servers)
                times = (f"{seen.p50:.1f}", f"{seen.p99:.1f}") if seen.lasting else ("grows", "grows")
                batches = f"{cores(load, self.batched_worker)} + {cores(load, self.batched_redis)}"
                batches = batches if (workers, servers) == needed else ""
                table.add(f"{load:,}", f"{STREAMS_PER_STEP * load:,}", str(workers), str(servers), *times, batches)
            before = needed
        table.notes.append(
            f"Simulated with the costs above: {self.singly.worker:.0f} us of a worker and {self.singly.trips} times "
            f"{self.singly.redis:.0f} us of Redis a step, {NETWORK_MS} ms of network each time; cores busy for at most "
            f"{BUSY:.0%}. First each load on the fleet of the load before, then on its own; *grows*: the queue never "
            "ends. In batches: cores of workers and of Redis, in requests of a thousand sessions."
        )
        return table

    def needed(self, rate: float) -> tuple[int, int]:
        """Worker cores and Redis cores."""
        return cores(rate, self.singly.worker), cores(rate, self.singly.redis * self.singly.trips)


def cores(rate: float, microseconds: float) -> int:
    """So many, none of which is busy for more than BUSY of its time."""
    return max(1, int(np.ceil(rate * microseconds / 1e6 / BUSY)))
