"""What a load test comes to: a few lines, and whether it passed."""

from collections.abc import Iterator
from dataclasses import dataclass

from locust.env import Environment

from tests.load.oracle import WRONG, WRONG_INTERVAL


@dataclass(frozen=True)
class Summary:
    """Latencies in milliseconds; `errors` counts all that went wrong by what it was, the wrong answers among them."""

    requests: int
    rate: float
    p50: float
    p95: float
    p99: float
    slowest: float
    errors: dict[str, int]
    p99_limit: float | None

    @classmethod
    def of(cls, environment: Environment, p99_limit: float | None) -> "Summary":
        """Read the statistics of a test that has ended."""
        total = environment.stats.total
        errors = {f"{error.name}: {error.error}": error.occurrences for error in environment.stats.errors.values()}
        crashes = environment.runner.exceptions.values() if environment.runner else ()
        p50, p95, p99 = (total.get_response_time_percentile(percent) for percent in (0.5, 0.95, 0.99))
        return cls(
            requests=total.num_requests,
            rate=total.total_rps,
            p50=p50,
            p95=p95,
            p99=p99,
            slowest=total.max_response_time,
            errors=errors | {f"the user crashed: {crash['msg']}": crash["count"] for crash in crashes},
            p99_limit=p99_limit,
        )

    @property
    def faults(self) -> list[str]:
        """Why it failed; empty when it passed."""
        return list(self._faults())

    def __str__(self) -> str:
        wrong = sum(count for error, count in self.errors.items() if error.endswith((WRONG, WRONG_INTERVAL)))
        lines = [
            f"requests   {self.requests} ({self.rate:.1f}/s)",
            f"latency    p50 {self.p50:.1f} ms   p95 {self.p95:.1f} ms   p99 {self.p99:.1f} ms"
            f"   max {self.slowest:.1f} ms",
            f"errors     {sum(self.errors.values())}, of these wrong predictions {wrong}",
            *(f"           {count} x {error}" for error, count in self.errors.items()),
            f"verdict    {'FAILED: ' + ', '.join(self.faults) if self.faults else 'passed'}",
        ]
        return "\n".join(lines)

    def _faults(self) -> Iterator[str]:
        if not self.requests:
            yield "not one request was answered"
        if self.errors:
            yield f"{sum(self.errors.values())} errors"
        if self.p99_limit is not None and self.p99 > self.p99_limit:
            yield f"p99 of {self.p99:.1f} ms is over the limit of {self.p99_limit:g} ms"
