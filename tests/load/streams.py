"""One stream of observations under an id that nobody else has, and how far it has come."""

import random
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from tests.load.oracle import Oracle, Plain, Wrong

SHORTEST = 20
"""Observations of a stream at least."""


class Stream:
    """It follows one of the oracle's series from its beginning, for some of its length."""

    def __init__(self, oracle: Oracle, longest: int | None = None) -> None:
        self.oracle = oracle
        self.series = random.choice(oracle.series)
        whole = len(self.series.values)
        self.length = random.randint(min(SHORTEST, whole), min(longest or whole, whole))
        self.session_id = f"load-{uuid4().hex}"
        self.step = 0

    @property
    def left(self) -> int:
        """Observations that have not been answered."""
        return self.length - self.step

    def values(self, count: int, start: int | None = None) -> Plain:
        """The next observations, or those from another step on, as JSON has them."""
        start = self.step if start is None else start
        return self.series.values[start : start + count]

    def check(self, answer: Mapping[str, Any], start: int, count: int) -> None:
        """Compare the answer to so many observations from a step on with the oracle's: all that is in it.

        Raises:
            Wrong: something is not as it must be.
        """
        end = start + count
        self.check_numbers(answer, start, count)
        alarm = self.series.alarms[end - 1]
        expected = {"start_step": alarm} if alarm else None
        if answer.get("alarm") != expected:
            raise Wrong("alarm", answer.get("alarm"), expected)
        self.check_place(answer, end)

    def check_numbers(self, answer: Mapping[str, Any], start: int, count: int) -> None:
        """The same for predictions, bounds and p-values.

        Raises:
            Wrong: they are others, or are there though nobody can know them, or are not there.
        """
        parts = self.series.parts
        for kind, expected in parts.items():
            self.oracle.check(kind, answer.get(kind), expected[start : start + count])
        if len(parts) == 1:
            for kind in ("lower", "upper", "anomaly"):
                if kind in answer:
                    raise Wrong(kind, answer[kind], None)

    def check_place(self, answer: Mapping[str, Any], step: int) -> None:
        """The same for where the stream is now, and by which model.

        Raises:
            Wrong: it is elsewhere.
        """
        for kind, expected in (("step", step), ("model", self.oracle.model)):
            if answer.get(kind) != expected:
                raise Wrong(kind, answer.get(kind), expected)
