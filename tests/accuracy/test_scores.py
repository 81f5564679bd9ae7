import numpy as np
import pytest

from tests.accuracy.scores import WINDOW, hits, mean, rmse, winkler, worst_window

TRUTH = np.array([1.0, 5.0, -2.0, np.nan, 3.0])
LOWER = np.array([0.0, 0.0, 0.0, 0.0, np.nan])
UPPER = np.array([2.0, 4.0, 4.0, 9.0, np.nan])


def test_a_value_outside_costs_its_distance_times_two_over_alpha() -> None:
    """Widths 2, 4, 4; the second value is 1 too high, the third 2 too low; the last two are not counted."""
    by_hand = ((2) + (4 + 20 * 1) + (4 + 20 * 2)) / 3
    assert winkler(TRUTH, LOWER, UPPER, 0.9) == pytest.approx(by_hand)


def test_only_what_is_known_and_has_an_interval_is_a_hit_or_a_miss() -> None:
    assert hits(TRUTH, LOWER, UPPER).tolist() == [1.0, 0.0, 0.0]
    assert np.isnan(mean(hits(TRUTH[3:], LOWER[3:], UPPER[3:])))


def test_the_worst_window_is_the_lowest_of_all_that_fit() -> None:
    inside = np.ones(2000)
    inside[700:760] = 0
    assert worst_window(inside) == 1 - 60 / WINDOW
    assert worst_window(np.array([1.0, 0.0, 0.0, 1.0]), 2) == 0.0
    assert worst_window(np.array([1.0, 0.0, 1.0, 1.0]), 3) == pytest.approx(2 / 3)
    assert np.isnan(worst_window(inside[: WINDOW - 1]))


def test_the_root_mean_square_leaves_out_what_is_missing() -> None:
    assert rmse(np.array([3.0, np.nan, 4.0])) == pytest.approx(np.sqrt(12.5))
