import numpy as np

from training.baselines.autoregression import MAX_ORDER, Autoregression, fit
from training.baselines.baseline import Column
from training.data import Split

SPLIT = Split.of(400, 0.15, 0.15)


def process(noise: float, rows: int = 400) -> Column:
    """values[t] = 1.6 values[t - 1] - 0.9 values[t - 2] + 3 + noise"""
    shocks = noise * np.random.default_rng(0).normal(size=rows)
    values = np.zeros(rows)
    for t in range(2, rows):
        values[t] = 1.6 * values[t - 1] - 0.9 * values[t - 2] + 3 + shocks[t]
    return values


def fitted(values: Column, split: Split = SPLIT) -> Autoregression:
    baseline = fit(values[: split.calibration], split)
    assert isinstance(baseline, Autoregression)
    return baseline


def test_it_recovers_a_linear_process() -> None:
    values = process(0.01)
    baseline = fitted(values)
    assert baseline.name == f"AR({len(baseline.weights)})"
    np.testing.assert_allclose(baseline.intercept / (1 - baseline.weights.sum()), 10, atol=0.01)
    errors = (baseline.predictions(values) - values)[SPLIT.calibration :]
    assert 0.005 < np.sqrt((errors**2).mean()) < 0.015


def test_one_order_is_least_squares_of_its_lags() -> None:
    values = process(1.0)
    baseline = fitted(values)
    order = len(baseline.weights)
    rows = np.arange(order, SPLIT.calibration)
    design = np.column_stack([np.ones(len(rows)), *(values[rows - lag] for lag in range(order, 0, -1))])
    solution, *_ = np.linalg.lstsq(design, values[rows], rcond=None)
    np.testing.assert_allclose([baseline.intercept, *baseline.weights], solution, rtol=1e-8)


def test_the_forecast_of_ar1_has_a_closed_form() -> None:
    """The distance from the mean shrinks by the weight at every step."""
    baseline = Autoregression("AR(1)", np.array([0.8]), 2.0)
    values = np.array([4.0, 30.0, np.nan])
    forecasts = baseline.forecasts(values, np.array([1, 2, 3]), 6)
    shrunk = 0.8 ** np.arange(1, 7)
    np.testing.assert_allclose(forecasts, 10 + np.array([[-6], [20], [20]]) * shrunk)


def test_the_forecast_is_the_process_itself_without_noise() -> None:
    values = process(0.0)
    baseline = Autoregression("AR(2)", np.array([-0.9, 1.6]), 3.0)
    np.testing.assert_allclose(baseline.forecasts(values, np.array([2, 50]), 48), [values[2:50], values[50:98]])
    np.testing.assert_array_equal(np.isnan(baseline.predictions(values)[:4]), [True, True, False, False])


def test_the_order_is_bounded() -> None:
    noise = np.random.default_rng(0).normal(size=400)
    assert 1 <= len(fitted(noise).weights) <= MAX_ORDER
    assert 1 <= len(fitted(noise[:30], Split.of(30, 0.15, 0.15)).weights) <= 5


def test_missing_targets_are_left_out_of_the_fit() -> None:
    values = process(0.01)
    values[100::50] = np.nan
    baseline = Autoregression("AR(2)", np.array([-0.9, 1.6]), 3.0)
    usual = np.sqrt(np.nanmean((baseline.predictions(values) - values)[SPLIT.calibration :] ** 2))
    found = np.sqrt(np.nanmean((fitted(values).predictions(values) - values)[SPLIT.calibration :] ** 2))
    assert found < 1.2 * usual
