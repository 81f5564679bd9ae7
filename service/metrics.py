"""What Prometheus may know: numbers, never ids."""

import time
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from models import Calibration
from models.predictor import Watch

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
ERRORS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each, that nobody asks for


class Metrics:
    """The counters of one service. Label values come from fixed sets.

    idle_seconds: a session in alarm that was not used for so long is no longer counted as one.
    """

    def __init__(self, idle_seconds: float = float("inf"), clock: Callable[[], float] = time.time) -> None:
        registry = self._registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"elman_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"elman_{name}", text, registry=registry)

        def histogram(name: str, text: str) -> Histogram:
            return Histogram(f"elman_{name}_seconds", text, buckets=SECONDS, registry=registry)

        self.requests = counter("requests", "Requests answered, by route and status", "route", "status")
        self.steps = counter("steps", "Observations that were applied to a context")
        self.replays = counter("replays", "Requests that were answered again instead of being applied twice")
        self.conflicts = counter("conflicts", "Requests refused because of their step")
        self.rebuilds = counter("rebuilds", "Contexts rebuilt for another model from their history")
        self.created = counter("sessions_created", "Sessions created, imported ones included")
        self.expired = counter("sessions_expired", "Sessions that were idle for too long, or too old")
        self.deleted = counter("sessions_deleted", "Sessions deleted")
        self.active = gauge("sessions_active", "Live sessions")
        self.queue = histogram("queue", "Waiting for the session's turn")
        self.compute = histogram("compute", "Computing predictions")
        self.store = histogram("store", "Committing to the session store")
        self.error = Histogram(
            "elman_scaled_error",
            f"|value - prediction| of predicted observations, in their streams' units, at most {ERRORS[-1]:g} each",
            buckets=ERRORS,
            registry=registry,
        )
        self.naive_error = counter(
            "naive_scaled_error", f"Sum of |value - value before| of the same observations, {ERRORS[-1]:g} at most each"
        )
        self.covered = counter("covered", "Observations inside the interval at the checkpoint's level")
        self.alarms = counter("alarms", "Alarms that were raised")
        gauge("sessions_in_alarm", "Live sessions whose alarm is running").set_function(self._count_in_alarm)
        self._calibration_error = gauge("calibration_error", "Mean elman_scaled_error when the checkpoint was made")
        self._level = gauge("calibration_level", "Share of elman_covered_total that the checkpoint promises")
        self.alarm_rate = gauge("alarm_rate", "Alarms per step that chance alone would raise")
        self._uncovered = 0.0
        self._idle_seconds, self._clock = idle_seconds, clock
        self._in_alarm: OrderedDict[str, float] = OrderedDict()  # when they were last used

    def calibrated(self, calibration: Calibration | None) -> None:
        """What the checkpoint says of its errors; None: nothing, and nothing will be learned."""
        if calibration is not None:
            self._calibration_error.set(float(np.mean(calibration.error)))
            self._level.set(calibration.level)
            self._uncovered = 1 - calibration.level

    def learn(self, watch: Watch, alarmed: bool) -> None:
        """How good predictions were, now that the values are known, and whether an alarm was raised."""
        told = ~np.isnan(watch.error)
        for error in np.minimum(watch.error[told], ERRORS[-1]).tolist():
            self.error.observe(error)
        self.naive_error.inc(float(np.minimum(watch.naive[told], ERRORS[-1]).sum()))
        self.covered.inc(int((watch.anomaly[told] >= self._uncovered).sum()))
        if alarmed:
            self.alarms.inc()

    def note_alarm(self, key: str, runs: bool) -> None:
        """Whether the alarm of a session is running."""
        self._in_alarm.pop(key, None)
        if runs:
            self._in_alarm[key] = self._clock()

    def text(self) -> bytes:
        """The page for Prometheus."""
        return generate_latest(self._registry)

    def _count_in_alarm(self) -> int:
        forgotten = self._clock() - self._idle_seconds
        while self._in_alarm and next(iter(self._in_alarm.values())) < forgotten:
            self._in_alarm.popitem(last=False)
        return len(self._in_alarm)
