"""What happened, as counts only: processes add theirs up, and every figure of a report is made of them."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.load.buckets import bucket_of

LONGEST_SAMPLE = 500
SAMPLES = 20
"""Errors that are told in full."""


class Tally:
    """Counts of one process, or of several.

    requests: by second, door and bucket of latency. timing: by second, part of `server-timing` and bucket. errors: by
    second and class. lags: by bucket, how late requests of an open loop were sent. facts: what
    else there is, by name. began: the time.
    """

    def __init__(self) -> None:
        self.began = time.time()
        self.requests: Counter[tuple[int, str, int]] = Counter()
        self.timing: Counter[tuple[int, str, int]] = Counter()
        self.predictions: Counter[tuple[int]] = Counter()
        self.errors: Counter[tuple[int, str]] = Counter()
        self.lags: Counter[tuple[int]] = Counter()
        self.faults: Counter[tuple[str]] = Counter()
        self.facts: Counter[tuple[str]] = Counter()
        self.samples: list[str] = []

    def answered(self, door: str, milliseconds: float, timing: str | None) -> None:
        """One request has been answered, or was given up. timing: the header `server-timing`."""
        second = int(time.time())
        self.requests[second, door, bucket_of(milliseconds)] += 1
        if timing:
            for part in timing.split(", "):
                name, _, duration = part.partition(";dur=")
                self.timing[second, name, bucket_of(float(duration))] += 1

    def predicted(self, count: int) -> None:
        """So many numbers were compared with the oracle's, and are right."""
        self.predictions[int(time.time()),] += count

    def wrong(self, error: str, details: str, count: int = 1) -> None:
        """An answer was not as it must be."""
        self.errors[int(time.time()), error] += count
        if len(self.samples) < SAMPLES:
            self.samples.append(f"{error}: {details}"[:LONGEST_SAMPLE])

    def plain(self) -> dict[str, Any]:
        """As JSON and Locust's own messages have it."""
        counters = {name: part for name, part in vars(self).items() if isinstance(part, Counter)}
        return {name: [[*key, count] for key, count in part.items()] for name, part in counters.items()} | {
            "samples": self.samples
        }

    def add(self, plain: Mapping[str, Any]) -> None:
        """And what another process counted."""
        for name, rows in plain.items():
            if name == "samples":
                self.samples = [*self.samples, *rows][:SAMPLES]
                continue
            counter = getattr(self, name)
            for *key, count in rows:
                counter[tuple(key)] += count

    def since(self, second: float) -> "Tally":
        """The same without the requests from before."""
        later = Tally()
        later.add(self.plain())
        for name in ("requests", "timing", "predictions"):
            counter: Counter[Any] = getattr(later, name)
            setattr(later, name, Counter({key: count for key, count in counter.items() if key[0] >= second}))
        return later

    def clear(self) -> None:
        """It has been told to somebody who adds it up."""
        self.__init__()  # type: ignore[misc]  # begins anew
