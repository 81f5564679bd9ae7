import numpy as np
import pytest

from training.baselines.naive import Drift, SeasonalNaive, drift, persistence, seasonal
from training.data import Split

SPLIT = Split.of(210, 0.15, 0.15)
GAPPED = np.array([1.0, np.nan, 3.0, 4.0])


def test_naive_is_the_last_value_that_happened() -> None:
    naive = persistence(GAPPED, SPLIT)
    np.testing.assert_array_equal(naive.predictions(GAPPED), [np.nan, 1, 1, 3])
    np.testing.assert_array_equal(naive.forecasts(GAPPED, np.array([2, 4]), 3), [[1, 1, 1], [4, 4, 4]])


def test_drift_goes_on_from_the_last_value() -> None:
    values = np.array([np.nan, 2.0, np.nan, 9.0, 8.0, np.nan, 100.0])
    fitted = drift(values, Split(4, 6, 6, 7))
    assert fitted == Drift("drift", (8 - 2) / 3)
    np.testing.assert_array_equal(fitted.predictions(values), [np.nan, np.nan, 4, 4, 11, 10, 10])
    np.testing.assert_array_equal(fitted.forecasts(values, np.array([4, 7]), 3), [[11, 13, 15], [102, 104, 106]])


def test_seasonal_naive_repeats_the_last_season() -> None:
    values = np.array([1.0, 2, 3, 4, 5, 6])
    baseline = SeasonalNaive("", 3)
    np.testing.assert_array_equal(baseline.predictions(values), [np.nan, np.nan, np.nan, 1, 2, 3])
    np.testing.assert_array_equal(baseline.forecasts(values, np.array([6, 4]), 5), [[4, 5, 6, 4, 5], [2, 3, 4, 2, 3]])


def test_seasonal_naive_finds_the_season() -> None:
    values = np.tile([0.0, 1, 5, 2, 8, 3, 1], 30)
    baseline = seasonal(values, SPLIT)
    assert baseline.name == "seasonal naive (7)"
    np.testing.assert_array_equal(baseline.predictions(values)[7:], values[7:])


def test_of_two_seasons_the_validation_part_decides() -> None:
    """A week of days: a change of the days that only the week tells."""
    day = np.sin(2 * np.pi * np.arange(6) / 6)
    week = np.concatenate([scale * day for scale in (1, 1, 1, 1, 3)])
    values = np.tile(week, 12) + 0.01 * np.random.default_rng(0).normal(size=360)
    split = Split.of(360, 0.15, 0.15)
    assert seasonal(values, split).name == "seasonal naive (30)"
    days = values.copy()
    days[split.train :] = np.tile(day, 60)[split.train :]
    assert seasonal(days, split).name == "seasonal naive (6)"


@pytest.mark.parametrize("seed", range(5))
def test_without_a_season_the_lag_with_the_least_error_is_taken(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=210).cumsum() + 100
    train = values[: SPLIT.train]
    errors = {lag: float(np.mean((train[lag:] - train[:-lag]) ** 2)) for lag in range(2, SPLIT.train // 3)}
    assert seasonal(values, SPLIT) == SeasonalNaive(f"seasonal naive ({min(errors, key=errors.__getitem__)})", 2)
