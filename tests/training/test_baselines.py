import numpy as np
import pytest

from training.baselines import all_baselines, autoregressive, naive, seasonal_naive
from training.data import Split

SPLIT = Split.of(200, 0.15, 0.15)
NOISE = np.random.default_rng(0)


def test_naive_is_the_last_value_that_happened() -> None:
    np.testing.assert_array_equal(naive(np.array([1.0, np.nan, 3.0, 4.0])).predictions, [np.nan, 1, 1, 3])


def test_seasonal_naive_finds_the_season_in_the_training_part() -> None:
    season = np.tile([0.0, 1, 5, 2, 8, 3, 1], 30)[:200]
    baseline = seasonal_naive(season, SPLIT)
    assert baseline.name == "seasonal-naive(7)"
    np.testing.assert_array_equal(baseline.predictions[7:], season[7:])


def test_autoregression_recovers_a_linear_process() -> None:
    values = np.zeros(200)
    for t in range(2, 200):
        values[t] = 1.6 * values[t - 1] - 0.9 * values[t - 2] + 3 + 0.01 * NOISE.normal()
    errors = (autoregressive(values, SPLIT).predictions - values)[SPLIT.validation :]
    assert np.abs(errors).max() < 0.05


@pytest.mark.parametrize("baseline", [0, 1, 2])
def test_nothing_leaks_from_the_future(baseline: int) -> None:
    """Another test part changes no prediction before it, and a value changes only predictions after it."""
    values = NOISE.normal(size=200).cumsum()
    changed = values.copy()
    changed[180:] += 1000
    before, after = (all_baselines(series, SPLIT)[baseline].predictions for series in (values, changed))
    np.testing.assert_array_equal(before[:181], after[:181])
