import numpy as np
import pytest

from training.season import seasons


def test_a_line_has_no_season() -> None:
    assert seasons(np.arange(90.0)[:, None]) == []


def hourly(weeks: int) -> np.ndarray:
    """Days that are alike, and weekends that are a fifth of them."""
    hours = np.arange(weeks * 168)
    size = np.where(hours // 24 % 7 < 5, 1.0, 0.2)
    noise = np.random.default_rng(0).normal(0, 0.05, len(hours))
    return (size * np.sin(2 * np.pi * hours / 24) + noise)[:, None]


def test_the_week_is_seen_over_the_day() -> None:
    assert seasons(hourly(10)) == [24, 168]


def test_a_month_that_comes_again_every_year_is_one_season() -> None:
    year = np.random.default_rng(0).normal(size=12)
    months = np.tile(year, 12) + np.random.default_rng(1).normal(0, 0.1, 144) + 0.05 * np.arange(144)
    assert seasons(months[:, None]) == [12]


def test_missing_values_do_not_hide_a_season() -> None:
    gappy = hourly(10)
    gappy[np.random.default_rng(1).random(len(gappy)) < 0.05] = gappy[300:320] = np.nan
    assert seasons(gappy) == [24, 168]


@pytest.mark.parametrize("seed", range(5))
def test_a_random_walk_has_no_season(seed: int) -> None:
    assert seasons(np.random.default_rng(seed).normal(size=(1000, 2)).cumsum(axis=0)) == []
