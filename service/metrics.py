"""What Prometheus may know: numbers, never ids.

Counting is adding to plain numbers, because it happens in every request; the Prometheus library comes in when somebody
asks for the page.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from models import Calibration

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
ERRORS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
MANY = 4096

Numbers = NDArray[np.float64]
State = Mapping[str, Any]


class Count:
    """A number that only rises."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = f"elman_{name}", text
        self._value = 0.0

    def inc(self, by: float = 1) -> None:
        """So many more."""
        self._value += by

    def state(self) -> float:
        """What was counted, as JSON has it."""
        return self._value

    def add(self, state: float) -> None:
        """And what another worker counted."""
        self._value += state

    def collect(self) -> Metric:
        """As Prometheus reads it."""
        return CounterMetricFamily(self._name, self._text, self._value)


class Gauge:
    """A number as it is when somebody looks."""

    def __init__(self, name: str, text: str, now: Callable[[], float | None] = lambda: 0.0) -> None:
        self._name, self._text = f"elman_{name}", text
        self.now = now

    def set(self, value: float) -> None:
        """It stays so."""
        self.now = lambda: value

    def collect(self) -> Metric:
        """As Prometheus reads it; without a value where nobody here knows it."""
        return GaugeMetricFamily(self._name, self._text, self.now())


class Histogram:
    """How many observations were up to each of the edges, and their sum."""

    def __init__(self, name: str, text: str, edges: Sequence[float]) -> None:
        self._name, self._text, self._edges = f"elman_{name}", text, edges
        self._array = np.array(edges)
        self._counts = [0] * (len(edges) + 1)
        self._sum = 0.0

    def observe_all(self, values: Numbers) -> None:
        """So many more, (N,)."""
        upto = np.searchsorted(np.sort(values), self._array, side="right")  # faster than to search for each value
        found = np.diff(upto, prepend=0, append=len(values)).tolist()
        self._counts = [a + b for a, b in zip(self._counts, found, strict=True)]
        self._sum += float(values.sum())

    def state(self) -> tuple[list[int], float]:
        """What was counted, as JSON has it."""
        return self._counts, self._sum

    def add(self, state: tuple[Sequence[int], float]) -> None:
        """And what another worker counted."""
        counts, total = state
        self._counts = [a + b for a, b in zip(self._counts, counts, strict=True)]
        self._sum += total

    def collect(self) -> Metric:
        """As Prometheus reads it."""
        upto = np.cumsum(self._counts).tolist()
        names = [*(f"{edge:g}" if edge % 1 else f"{edge:.1f}" for edge in self._edges), "+Inf"]
        return HistogramMetricFamily(self._name, self._text, list(zip(names, upto, strict=True)), self._sum)


class Requests:
    """Answers by route and status, both from fixed sets."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, int]] = Counter()

    def inc(self, route: str, status: int) -> None:
        """One more."""
        self._counts[route, status] += 1

    def state(self) -> list[tuple[str, int, int]]:
        """What was counted, as JSON has it."""
        return [(route, status, count) for (route, status), count in self._counts.items()]

    def add(self, state: Iterable[tuple[str, int, int]]) -> None:
        """And what another worker counted."""
        for route, status, count in state:
            self._counts[route, status] += count

    def collect(self) -> Metric:
        """As Prometheus reads it."""
        family = CounterMetricFamily(
            "elman_requests", "Requests answered, by route and status", labels=("route", "status")
        )
        for (route, status), count in self._counts.items():
            family.add_metric((route, str(status)), count)
        return family


Counted = Count | Histogram | Requests


class Metrics:
    """The numbers of one worker."""

    def __init__(self) -> None:
        self.requests = Requests()
        self.steps = Count("steps", "Observations that were applied to a context")
        self.replays = Count("replays", "Requests that were answered again instead of being applied twice")
        self.conflicts = Count("conflicts", "Requests refused because of their step")
        self.superseded = Count("superseded", "Steps that were computed in vain: another process had the session first")
        self.rebuilds = Count("rebuilds", "Contexts rebuilt for another model from their history")
        self.created = Count("sessions_created", "Sessions created, imported ones included")
        self.expired = Count("sessions_expired", "Sessions that were idle for too long, or too old")
        self.deleted = Count("sessions_deleted", "Sessions deleted")
        self.active = Gauge("sessions_active", "Live sessions")
        self.watchers = Gauge("watchers", "Clients of /watch that are connected to this worker")
        self.queue = Histogram("queue_seconds", "Waiting for the session's turn", SECONDS)
        self.compute = Histogram("compute_seconds", "Computing predictions", SECONDS)
        self.store = Histogram("store_seconds", "Committing to the session store", SECONDS)
        self.error = Histogram(
            "scaled_error",
            f"|value - prediction| of predicted observations, in their streams' units, at most {ERRORS[-1]:g} each",
            ERRORS,
        )
        self.naive_error = Count(
            "naive_scaled_error", f"Sum of |value - value before| of the same observations, {ERRORS[-1]:g} at most each"
        )
        self.covered = Count("covered", "Observations inside the interval at the checkpoint's level")
        self.alarms = Count("alarms", "Alarms that were raised")
        self.in_alarm = Gauge("sessions_in_alarm", "Live sessions whose alarm is running")
        self._calibration_error = Gauge("calibration_error", "Mean elman_scaled_error when the checkpoint was made")
        self._level = Gauge("calibration_level", "Share of elman_covered_total that the checkpoint promises")
        self.alarm_rate = Gauge("alarm_rate", "Alarms per step that chance alone would raise")
        self._uncovered = 0.0
        self._untimed: list[tuple[float, float, float]] = []
        self._unlearned = np.empty((3, MANY))
        self._waiting = 0
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def calibrated(self, calibration: Calibration | None) -> None:
        """What the checkpoint says of its errors; None: nothing, and nothing will be learned."""
        if calibration is not None:
            self._calibration_error.set(float(np.mean(calibration.error)))
            self._level.set(calibration.level)
            self._uncovered = 1 - calibration.level

    def time(self, queue: float, compute: float, store: float) -> None:
        """Where the time of a request went, in seconds. It is counted later, with others."""
        self._untimed.append((queue, compute, store))
        if len(self._untimed) == MANY:
            self._count_timed()

    def _count_timed(self) -> None:
        times, self._untimed = np.array(self._untimed).reshape(-1, 3), []
        for histogram, seconds in zip((self.queue, self.compute, self.store), times.T, strict=True):
            histogram.observe_all(seconds)

    def learn(self, numbers: Numbers) -> None:
        """How good predictions were, now that the values are known: p-values, errors and errors of persistence, NaN
        where nothing is said, (3, ...). It is counted later, with others.
        """
        numbers = numbers.reshape(3, -1)
        while (room := MANY - self._waiting) < numbers.shape[1]:
            self._unlearned[:, self._waiting :] = numbers[:, :room]
            self._waiting, numbers = MANY, numbers[:, room:]
            self._count_learned()
        after = self._waiting + numbers.shape[1]
        self._unlearned[:, self._waiting : after] = numbers
        self._waiting = after

    def _count_learned(self) -> None:
        numbers, self._waiting = self._unlearned[:, : self._waiting], 0
        known = ~np.isnan(numbers[1])
        anomaly, error, naive = numbers if known.all() else numbers[:, known]
        self.error.observe_all(np.minimum(error, ERRORS[-1]))
        self.naive_error.inc(float(np.minimum(naive, ERRORS[-1]).sum()))
        self.covered.inc(int((anomaly >= self._uncovered).sum()))

    def state(self) -> State:
        """Everything that was counted and only rises, as JSON has it."""
        self._count_learned()
        self._count_timed()
        return {name: metric.state() for name, metric in vars(self).items() if isinstance(metric, Counted)}

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        for metric in vars(self).values():
            if isinstance(metric, Counted | Gauge):
                yield metric.collect()

    def text(self, states: Iterable[State]) -> bytes:
        """The page for Prometheus: what all of these counted, and the gauges, which every worker has alike."""
        total = Metrics()
        for name, metric in vars(self).items():
            if isinstance(metric, Gauge):
                setattr(total, name, metric)
        for state in states:
            for name, counted in state.items():
                getattr(total, name).add(counted)
        return generate_latest(total._registry)
