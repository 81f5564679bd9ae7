"""Requests of an open loop come when they are due, whatever the answers do, and their latency counts from then."""

import random
import time
from typing import Any

import gevent
import numpy as np
import pytest

from tests.load.arrivals import Arrivals, schedule
from tests.load.doors import SingleValues
from tests.load.limit import Tried, limit_of, search
from tests.load.shapes import ramp, spike, steady
from tests.load.tally import Tally


def test_even_arrivals_are_evenly_spaced() -> None:
    assert list(schedule(4, 1, steady, even=True)) == [0.25, 0.5, 0.75]


def test_random_arrivals_come_at_the_rate_and_do_not_know_of_each_other() -> None:
    """Of a Poisson process the gaps have as much spread as they are long."""
    gaps = np.diff([0, *schedule(1000, 20, steady)])
    assert gaps.mean() == pytest.approx(1e-3, rel=0.05)
    assert gaps.std() == pytest.approx(1e-3, rel=0.05)


@pytest.mark.parametrize("even", [True, False])
def test_a_spike_is_one(even: bool) -> None:
    times = np.array(list(schedule(1000, 10, spike, even=even)))
    before, within = (times < 4).sum() / 4, ((times >= 4) & (times < 6)).sum() / 2
    assert before == pytest.approx(300, rel=0.15)
    assert within == pytest.approx(1000, rel=0.15)


def test_a_ramp_rises() -> None:
    random.seed(0)
    times = np.array(list(schedule(1000, 10, ramp)))
    assert np.histogram(times, 4, (0, 10))[0] == pytest.approx([312, 937, 1562, 2187], rel=0.2)


class Slow:
    """A client whose first answer takes long."""

    def __init__(self, log: list[tuple[float, float]]) -> None:
        self.wire: Any = type("Wire", (), {"due": None})()
        self._log = log

    def turn(self) -> None:
        due = self.wire.due
        gevent.sleep(0.3 if not self._log else 0)
        self._log.append((due, time.perf_counter()))


def test_nobody_waits_for_an_answer_that_does_not_come() -> None:
    """Ten arrivals within 100 ms while the first of them is not answered for 300 ms."""
    log: list[tuple[float, float]] = []
    arrivals = Arrivals([SingleValues], lambda _: Slow(log), 5, Tally())  # type: ignore[arg-type, return-value]  # all that it needs
    began = time.perf_counter()
    arrivals.run(iter([0.01 * number for number in range(10)]), lambda: False)
    assert [round(due - began, 2) for due, _ in sorted(log)] == [0.01 * number for number in range(10)]
    assert len(log) == 10


def test_a_stalled_generator_is_told() -> None:
    """Something else has the processor for 200 ms: what was due meanwhile is sent late, and counted as late."""
    tally = Tally()
    talk = Slow([(0.0, 0.0)])
    arrivals = Arrivals([SingleValues], lambda _: talk, 1, tally)  # type: ignore[arg-type, return-value]  # as above
    stalls = iter([0.05, 0.06, 0.07])

    def times() -> Any:
        for due in stalls:
            yield due
            time.sleep(0.2)

    arrivals.run(times(), lambda: False)
    assert sum(tally.lags.values()) == 3
    assert max(tally.lags)[0] > min(tally.lags)[0]


@pytest.mark.parametrize("limit", [90, 200, 730, 5100])
def test_the_limit_is_found_within_a_seventh(limit: float) -> None:
    tried = search(lambda rate: Tried(rate, {}, rate <= limit), 200, 1e6)
    assert limit_of(tried) <= limit < limit_of(tried) * 1.15
    assert len(tried) < 14


def test_a_service_that_keeps_no_promise_has_no_limit() -> None:
    assert limit_of(search(lambda rate: Tried(rate, {}, False), 200, 1e6)) == 0


def test_no_rate_above_the_highest_is_tried() -> None:
    tried = search(lambda rate: Tried(rate, {}, True), 200, 500)
    assert [one.rate for one in tried] == [200, 400, 500]
