"""How long it takes from the start of the process until it says that it is ready. The checkpoint is trained."""

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.benchmarks.contestants import BARE, FASTAPI, OURS, STOCK
from tests.benchmarks.tables import Table

STARTS = 3


def report(checkpoint: Path) -> Iterator[Table]:
    """A row per contestant; they take turns."""
    contestants = (OURS, STOCK, FASTAPI, BARE)
    seconds: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for _ in range(STARTS):
        for contestant in contestants:
            started = time.perf_counter()
            with contestant.serving(checkpoint):
                seconds[contestant.name].append(time.perf_counter() - started)
    table = Table(("ready after start", "seconds", f"{OURS.name} = 1"), notes=[f"Median of {STARTS} starts."])
    for name, starts in seconds.items():
        table.add(name, f"{median(starts):.1f}", f"{median(starts) / median(seconds[OURS.name]):.2f}")
    yield table
