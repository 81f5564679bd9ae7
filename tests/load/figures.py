"""From counts to figures: what a load test came to, by names that objectives can ask for."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tests.load.buckets import bucket_of, middle, quantile
from tests.load.tally import Tally

PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999}
LONG_SECONDS = 60
"""Before that, a slope says nothing."""

LATE_MS = 10.0
"""A request of an open loop that the generator sends so much later than it is due has been kept waiting by it."""

SETTLING = 0.25
"""Share of a test after which a service's memory should stay as it is."""

Figures = dict[str, float]
Samples = Sequence[Mapping[str, float]]


def figures(tally: Tally, seconds: float, service: Samples = ()) -> Figures:
    """All of them. Times are in milliseconds, rates per second, memory in MB."""
    found: Figures = {}
    by_door: dict[str, Counter[int]] = defaultdict(Counter)
    for (_, door, bucket), count in tally.requests.items():
        by_door[door][bucket] += count
    everything = sum(by_door.values(), Counter())
    found["requests"] = everything.total()
    found["throughput"] = everything.total() / seconds
    found["predictions"] = sum(tally.predictions.values())
    found["predictions_rate"] = found["predictions"] / seconds
    found |= _latencies(everything, "")
    for door, counts in sorted(by_door.items()):
        found |= {f"requests[{door}]": counts.total()} | _latencies(counts, f"[{door}]")
    errors = errors_of(tally)
    found["errors"] = sum(errors.values())
    found["error_share"] = found["errors"] / max(found["requests"], 1)
    found["wrong"] = sum(count for name, count in errors.items() if name.startswith("wrong"))
    found |= {f"errors[{name}]": count for name, count in errors.items()}
    for (name,), count in sorted(tally.faults.items()):
        found[f"faults[{name}]"] = count
    found["streams"] = tally.facts[("streams",)]
    for part in ("queue", "compute", "store"):
        counts = _summed((bucket, n) for (_, name, bucket), n in tally.timing.items() if name == part)
        if counts:
            found |= {f"{name}[service: {part}]": quantile(counts, share) for name, share in PERCENTILES.items()}
    if tally.lags:
        lags = _summed((bucket, n) for (bucket,), n in tally.lags.items())
        late = sum(n for bucket, n in lags.items() if bucket > bucket_of(LATE_MS))
        found |= {"lag_p99": quantile(lags, 0.99), "late_share": late / lags.total()}
    return found | service_figures(service)


def service_figures(samples: Samples) -> Figures:
    """Of the processes that serve: what they use, and whether it grows."""
    found: Figures = {}
    if not samples:
        return found
    for name in ("memory", "cpu", "descriptors", "threads", "sessions"):
        values = [sample[name] for sample in samples if name in sample]
        if values:
            found[f"{name}_most"] = max(values)
    if (
        "descriptors" in samples[0] and "descriptors" in samples[-1]
    ):  # before the first client came, and when all had gone
        found["descriptors_left"] = samples[-1]["descriptors"] - samples[0]["descriptors"]
    settled = [s for s in samples if s["second"] >= SETTLING * samples[-1]["second"]]
    for name in ("memory", "descriptors", "sessions"):
        points = [(sample["second"], sample[name]) for sample in settled if name in sample]
        if len(points) > 1:
            if samples[-1]["second"] >= LONG_SECONDS:
                found[f"{name}_slope"] = slope(points) * 3600
            found[f"{name}_growth"] = _end(points) - points[0][1]
    return found


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How steeply they rise, by least squares."""
    x, y = np.array(points, float).T
    x = x - x.mean()
    return float((x * (y - y.mean())).sum() / (x * x).sum())


def errors_of(tally: Tally) -> dict[str, int]:
    """By class, the most frequent first."""
    found: Counter[str] = Counter()
    for (_, name), count in tally.errors.items():
        found[name] += count
    return dict(found.most_common())


def by_second(tally: Tally, began: float) -> list[dict[str, float]]:
    """The course of the test."""
    requests, timing = _per_second(tally.requests), _per_second(tally.timing)
    errors: Counter[int] = Counter()
    for (second, _), count in tally.errors.items():
        errors[second] += count
    course = []
    for second in range(min(requests, default=0), max(requests, default=-1) + 1):
        doors = requests.get(second, {})
        counts = sum(doors.values(), Counter())
        row: dict[str, float] = {"second": second - int(began), "requests": counts.total(), "errors": errors[second]}
        row["predictions"] = tally.predictions[(second,)]
        row |= {name: quantile(counts, share) for name, share in PERCENTILES.items()}
        for part, found in timing.get(second, {}).items():
            row[part] = sum(middle(bucket) * n for bucket, n in found.items()) / found.total()
        course.append(row)
    return course


def histograms(tally: Tally) -> dict[str, list[tuple[float, int]]]:
    """Of latency, by door: (milliseconds, requests)."""
    found: dict[str, Counter[int]] = defaultdict(Counter)
    for (_, door, bucket), count in tally.requests.items():
        found[door][bucket] += count
    return {door: [(middle(bucket), counts[bucket]) for bucket in sorted(counts)] for door, counts in found.items()}


def _latencies(counts: Mapping[int, int], suffix: str) -> Figures:
    found = {f"{name}{suffix}": quantile(counts, share) for name, share in PERCENTILES.items()}
    return found | {f"slowest{suffix}": middle(max(counts)) if counts else float("nan")}


def _summed(pairs: Iterable[tuple[int, int]]) -> Counter[int]:
    found: Counter[int] = Counter()
    for bucket, count in pairs:
        found[bucket] += count
    return found


def _per_second(counts: Mapping[tuple[int, str, int], int]) -> dict[int, dict[str, Counter[int]]]:
    found: dict[int, dict[str, Counter[int]]] = defaultdict(lambda: defaultdict(Counter))
    for (second, name, bucket), count in counts.items():
        found[second][name][bucket] += count
    return found


def _end(points: Sequence[tuple[Any, float]]) -> float:
    return float(np.median([value for _, value in points[-max(1, len(points) // 20) :]]))
