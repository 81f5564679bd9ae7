"""The highest rate of arrivals at which a service keeps its promise: doubled until it does not, then bisected."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks.tables import Table
from tests.load.report import figure

PRECISION = 1.15
"""The search ends when the lowest rate that was too high is so many times the highest that was not."""


@dataclass(frozen=True)
class Tried:
    """A rate, what came of it, and whether that is within the limits."""

    rate: float
    figures: dict[str, float]
    kept: bool


def search(try_rate: Callable[[float], Tried], start: float, most: float) -> list[Tried]:
    """All that was tried, up to `most`; the limit is the highest of those that were kept."""
    tried = [try_rate(min(start, most))]
    while not _found(tried, most):
        good, bad = limit_of(tried), min((one.rate for one in tried if not one.kept), default=None)
        tried.append(try_rate((good * bad) ** 0.5 if good and bad else bad / 2 if bad else min(good * 2, most)))
    return tried


def limit_of(tried: list[Tried]) -> float:
    """The highest rate that was kept, 0: none was."""
    return max((one.rate for one in tried if one.kept), default=0.0)


def table(tried: list[Tried]) -> Table:
    """One row for each rate."""
    found = Table(["turns/s", "requests/s", "predictions/s", "p50 ms", "p99 ms", "p99.9 ms", "late", "wrong", "kept"])
    for one in sorted(tried, key=lambda one: one.rate):
        figures = one.figures
        times = [figure(figures[name]) for name in ("throughput", "predictions_rate", "p50", "p99", "p999")]
        late = f"{figures.get('late_share', 0):.1%}"
        found.add(f"{one.rate:,.0f}", *times, late, f"{figures['wrong']:.0f}", "yes" if one.kept else "no")
    return found


def _found(tried: list[Tried], most: float) -> bool:
    good, bad = limit_of(tried), min((one.rate for one in tried if not one.kept), default=None)
    if bad is None:
        return good >= most
    return bad <= (good * PRECISION if good else 1.0)
