import pytest

from tests.benchmarks.fleet import BUSY, NETWORK_MS, Costs, Fleet, cores, simulate


def test_alone_it_waits_as_theory_says() -> None:
    """M/M/1: the time in the system is exponential with mean 1 / (service rate - arrival rate)."""
    seen = simulate(Costs(100, 1e-9, 0), rate=5000, workers=1, servers=1, steps=200_000)
    assert seen.lasting
    assert seen.p50 == pytest.approx(0.2 * 0.693, rel=0.1)
    assert seen.p99 == pytest.approx(0.2 * 4.605, rel=0.1)


def test_a_fleet_that_is_too_small_never_catches_up() -> None:
    costs = Costs(200, 20, 2)
    assert not simulate(costs, 10_000, workers=1, servers=1).lasting
    assert not simulate(costs, 30_000, workers=20, servers=1).lasting, "Redis is what is too small"
    enough = simulate(costs, 30_000, *Fleet(costs, 1, 1).needed(30_000))
    assert enough.lasting
    assert 2 * NETWORK_MS < enough.p50 < 2


def test_the_table_has_each_load_before_and_after() -> None:
    rows = Fleet(Costs(200, 20, 2), 50, 10).table().rows
    assert [row[0] for row in rows] == ["1,000", "10,000", "10,000", "100,000", "100,000", "1,000,000", "1,000,000"]
    assert [row[4] == "grows" for row in rows] == [False, True, False, True, False, True, False]


def test_cores_are_left_with_time_to_spare() -> None:
    assert cores(1000, 100) == 1
    assert cores(10_000, 100) * BUSY >= 1
