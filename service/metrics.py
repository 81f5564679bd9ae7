"""What Prometheus may know: numbers, never ids."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each, that nobody asks for


class Metrics:
    """The counters of one service. Label values come from fixed sets."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"elman_{name}", text, labels, registry=registry)

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
        self.active = Gauge("elman_sessions_active", "Live sessions", registry=registry)
        self.queue = histogram("queue", "Waiting for the session's turn")
        self.compute = histogram("compute", "Computing predictions")
        self.store = histogram("store", "Committing to the session store")

    def text(self) -> bytes:
        """The page for Prometheus."""
        return generate_latest(self._registry)
