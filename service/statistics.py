"""How often and how long: sums that only rise, so that two looks at them tell what was between."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


class Duration:
    """So many times, and seconds altogether."""

    __slots__ = ("count", "seconds")

    def __init__(self) -> None:
        self.count, self.seconds = 0, 0.0

    def add(self, seconds: float) -> None:
        """Once more."""
        self.count += 1
        self.seconds += seconds

    def json(self) -> dict[str, int]:
        """As the statistics extension of the Open Inference Protocol has it."""
        return {"count": self.count, "ns": round(self.seconds * 1e9)}


class Executions:
    """Calls of the model for requests of single streams, by how many of them were computed together."""

    PARTS = ("compute_input", "compute_infer", "compute_output")

    def __init__(self) -> None:
        self.inferences = 0
        self._sizes: dict[int, tuple[Duration, ...]] = {}

    def add(self, size: int, fine: int, *seconds: float) -> None:
        """One call for so many requests, of which so many are fine; seconds: of each of PARTS."""
        self.inferences += fine
        durations = self._sizes.get(size)
        if durations is None:
            durations = self._sizes[size] = tuple(Duration() for _ in self.PARTS)
        for duration, taken in zip(durations, seconds, strict=True):
            duration.add(taken)

    @property
    def count(self) -> int:
        """How many calls there were."""
        return sum(durations[0].count for durations in self._sizes.values())

    def json(self) -> Iterator[dict[str, Any]]:
        """The same, in order of size."""
        for size, durations in sorted(self._sizes.items()):
            parts = zip(self.PARTS, durations, strict=True)
            yield {"batch_size": size, **{name: duration.json() for name, duration in parts}}


class Inferences:
    """What became of inference requests, and where their time went. A hit: it was answered again, not computed."""

    def __init__(self) -> None:
        self.success, self.fail, self.queue, self.hit = Duration(), Duration(), Duration(), Duration()
        self.input, self.infer, self.output = Duration(), Duration(), Duration()
        self.last = 0.0
        """When the last request came, in seconds since 1970."""

    def json(self) -> dict[str, dict[str, int]]:
        """As the statistics extension has it; what is not found in a cache is not looked for in one either."""
        return {
            "success": self.success.json(),
            "fail": self.fail.json(),
            "queue": self.queue.json(),
            "compute_input": self.input.json(),
            "compute_infer": self.infer.json(),
            "compute_output": self.output.json(),
            "cache_hit": self.hit.json(),
            "cache_miss": Duration().json(),
        }


def total(workers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One entry of the statistics extension for all workers, from one of each."""
    batches: dict[int, list[Mapping[str, Any]]] = {}
    for worker in workers:
        for batch in worker["batch_stats"]:
            batches.setdefault(batch["batch_size"], []).append(batch)
    return {
        **workers[0],
        "last_inference": max(worker["last_inference"] for worker in workers),
        "inference_count": sum(worker["inference_count"] for worker in workers),
        "execution_count": sum(worker["execution_count"] for worker in workers),
        "inference_stats": _added([worker["inference_stats"] for worker in workers]),
        "batch_stats": [{"batch_size": size, **_added(some)} for size, some in sorted(batches.items())],
    }


def _added(durations: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """The sum of durations of the same names; what is none is left out."""
    names = [name for name, duration in durations[0].items() if isinstance(duration, Mapping)]
    return {name: {unit: sum(some[name][unit] for some in durations) for unit in ("count", "ns")} for name in names}
