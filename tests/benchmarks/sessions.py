"""What a session costs: bytes of memory, and whether a million of them make a step slower."""

import asyncio
import gc
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

from models import load
from service.engine import Engine
from service.metrics import Metrics
from service.schemas import PredictRequest
from service.sessions import Answer, Limits, MemoryStore
from service.settings import Settings

SIZES = (1_000, 1_000_000)
STEPS = 3_000
HEADER = f"{'sessions in memory':28} {'bytes each':>12} {'step p50 us':>12} {'step p99 us':>14} {'p50, 1000 = 1':>14}"


def rows(checkpoint_file: Path) -> Iterator[str]:
    """A line per number of sessions: resident memory per session, and the time of a step of one of them."""
    checkpoint = load(checkpoint_file)
    limits = Limits(86_400, None, 10**9, 10**12, 60, 60)
    first = None
    for size in SIZES:
        gc.collect()
        before = psutil.Process().memory_info().rss
        store = MemoryStore(limits)
        engine = Engine(checkpoint, checkpoint.predictor("cpu"), store, Settings(), Metrics())
        asyncio.run(_fill(engine, store, size))
        each = (psutil.Process().memory_info().rss - before) / size
        p50, p99 = np.percentile(asyncio.run(_steps(engine, size)), (50, 99)) * 1e6
        first = first or p50
        memory = f"{each:12.0f}" if size == max(SIZES) else f"{'':12}"  # of few sessions the allocator tells nothing
        yield f"{size:<28,} {memory} {p50:12.1f} {p99:14.1f} {p50 / first:14.2f}"


async def _fill(engine: Engine, store: MemoryStore, size: int) -> None:
    """Sessions as they are after one request: a context, a step, a stored answer."""
    record = engine.fresh()
    now = time.time()
    record = replace(record, step=1, used_at=now, last=Answer(0, bytes(16), np.zeros((1, record.history.shape[1]))))
    for index in range(size):
        await store.commit(f"session-{index:07}", record)


async def _steps(engine: Engine, size: int) -> list[float]:
    """Seconds of single steps, each of another session."""
    seconds = []
    for index in np.random.default_rng(0).integers(size, size=STEPS):
        request = PredictRequest(values=[1.0], session_id=f"session-{index:07}")
        started = time.perf_counter()
        await engine.predict(request)
        seconds.append(time.perf_counter() - started)
    return seconds
