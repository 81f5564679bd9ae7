"""Counts add up to the right figures, wherever they were counted."""

import random
from collections import Counter

import numpy as np
import pytest

from tests.load.buckets import bucket_of, middle, quantile
from tests.load.figures import by_second, figures, slope
from tests.load.tally import SAMPLES, Tally


@pytest.mark.parametrize("milliseconds", [0.02, 0.5, 1.0, 37.0, 60_000.0])
def test_a_bucket_stands_for_its_times_within_a_hundredth(milliseconds: float) -> None:
    assert middle(bucket_of(milliseconds)) == pytest.approx(milliseconds, rel=0.011)


def test_quantiles_are_those_of_the_times() -> None:
    times = np.random.default_rng(0).lognormal(1, 1, 10_000)
    counts = Counter(bucket_of(time) for time in times)
    for share in (0.5, 0.95, 0.99, 0.999):
        assert quantile(counts, share) == pytest.approx(float(np.quantile(times, share)), rel=0.03)


def test_nothing_has_no_quantile() -> None:
    assert np.isnan(quantile({}, 0.5))


def test_two_processes_count_as_one() -> None:
    whole, parts = Tally(), (Tally(), Tally())
    for number in range(100):
        for tally in (whole, parts[number % 2]):
            tally.requests[1000 + number % 5, "predict", number] += 1
            tally.faults[("retry",)] += 1
            tally.errors[1000, "wrong step"] += 1
            tally.lags[(number,)] += 1
    summed = Tally()
    for part in parts:
        summed.add(part.plain())
    assert figures(summed, 5) == figures(whole, 5)
    assert figures(whole, 5)["throughput"] == 20
    assert figures(whole, 5)["wrong"] == 100


def test_what_was_told_is_not_told_again() -> None:
    tally, summed = Tally(), Tally()
    for _ in range(3):
        tally.answered("predict", 1.0, "queue;dur=0.010, compute;dur=0.020, store;dur=0.000")
        tally.wrong("wrong step", "x" * 10_000)
        summed.add(tally.plain())
        tally.clear()
    assert figures(summed, 1)["requests"] == 3
    assert len(summed.samples) == 3
    assert figures(summed, 1)["p50[service: compute]"] == pytest.approx(0.02, rel=0.02)


def test_only_the_first_errors_are_told_in_full() -> None:
    tally = Tally()
    for number in range(100):
        tally.wrong("wrong step", str(number))
    assert len(tally.samples) == SAMPLES
    assert figures(tally, 1)["errors[wrong step]"] == 100


def test_the_course_has_every_second_also_those_without_an_answer() -> None:
    tally = Tally()
    tally.requests[1000, "predict", 10] += 3
    tally.requests[1004, "predict", 10] += 1
    assert [row["requests"] for row in by_second(tally, 1000)] == [3, 0, 0, 0, 1]


def test_memory_that_grows_is_told_from_memory_that_does_not() -> None:
    flat = [{"second": float(t), "memory": 100 + random.uniform(-1, 1)} for t in range(600)]
    leaky = [{"second": float(t), "memory": 100 + t * 0.1 + random.uniform(-1, 1)} for t in range(600)]
    assert abs(figures(Tally(), 600, flat)["memory_slope"]) < 10
    assert figures(Tally(), 600, leaky)["memory_slope"] == pytest.approx(360, rel=0.05)
    assert figures(Tally(), 600, leaky)["memory_growth"] == pytest.approx(45, abs=5)


def test_a_slope_is_that_of_the_line() -> None:
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
