"""What holds for every baseline."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from training.baselines import ALL, Baseline, Column, fit_baselines
from training.baselines.baseline import filled, padded, validation_error
from training.data import Split

ROWS = 160
SPLIT = Split.of(ROWS, 0.15, 0.15)
ORIGINS = np.arange(40, ROWS + 1)
STEPS = 9


def series(rows: int = ROWS) -> Column:
    """A season of 7, a trend and noise, always above zero."""
    t = np.arange(rows)
    noise = np.random.default_rng(1).normal(size=rows)
    season: NDArray[np.float64] = 30 + 0.05 * t + 4 * np.sin(2 * np.pi * t / 7) + noise
    return season


VALUES = series()


@pytest.fixture(scope="module", params=ALL)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def baseline(name: str) -> Baseline:
    return fit(VALUES, name)


def fit(values: Column, name: str) -> Baseline:
    (found,) = fit_baselines(values, Split.of(len(values), 0.15, 0.15), [name])
    return found


def parameters(part: object) -> dict[str, object]:
    """Everything that was fitted, as lists."""
    found: dict[str, object] = {}
    for field in fields(part):  # type: ignore[arg-type]
        value = getattr(part, field.name)
        if hasattr(value, "__dataclass_fields__"):
            found |= parameters(value)
        else:
            found[field.name] = value.tolist() if isinstance(value, np.ndarray | torch.Tensor) else value
    return found


def test_all_are_fitted_and_naive_is_first() -> None:
    names = [baseline.name.split("(")[0].strip() for baseline in fit_baselines(VALUES, SPLIT, ALL[::-1])]
    assert names == ["naive", "seasonal naive", "drift", "AR", "ETS", "ESN"]
    with pytest.raises(ValueError, match="no baseline 'ARIMA'"):
        fit_baselines(VALUES, SPLIT, ["ARIMA"])


def test_a_forecast_begins_with_the_prediction(baseline: Baseline) -> None:
    predictions, forecasts = baseline.predictions(VALUES), baseline.forecasts(VALUES, ORIGINS, STEPS)
    assert predictions.shape == (ROWS,)
    assert forecasts.shape == (len(ORIGINS), STEPS)
    assert np.isfinite(forecasts).all()
    np.testing.assert_allclose(forecasts[:-1, 0], predictions[ORIGINS[:-1]], rtol=1e-12)


@pytest.mark.parametrize("row", [0, 1, 5, 90, SPLIT.calibration, ROWS - 1])
def test_nothing_leaks_from_the_future(baseline: Baseline, row: int) -> None:
    """Values from a row on change no prediction up to that row and no forecast from there or before."""
    origins = np.arange(row + 1)
    changed = VALUES.copy()
    changed[row:] = 1000 * np.random.default_rng(2).normal(size=ROWS - row)
    missing = VALUES.copy()
    missing[row:] = np.nan
    for other in (changed, missing):
        np.testing.assert_array_equal(baseline.predictions(VALUES)[: row + 1], baseline.predictions(other)[: row + 1])
        np.testing.assert_array_equal(
            baseline.forecasts(VALUES, origins, STEPS), baseline.forecasts(other, origins, STEPS)
        )
    np.testing.assert_allclose(
        baseline.forecasts(VALUES[:row], origins, STEPS), baseline.forecasts(VALUES, origins, STEPS), rtol=1e-9
    )


def test_the_test_part_changes_nothing_that_is_fitted(baseline: Baseline, name: str) -> None:
    changed = VALUES.copy()
    changed[SPLIT.calibration :] = -1000
    assert parameters(fit(changed, name)) == parameters(baseline)


def test_missing_values_are_bridged(name: str) -> None:
    values = VALUES.copy()
    values[np.random.default_rng(3).random(ROWS) < 0.2] = np.nan
    values[[0, 1, 2, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 130, 131, 159]] = np.nan
    baseline = fit(values, name)
    assert np.isfinite(baseline.predictions(values)[40:]).all()
    assert np.isfinite(baseline.forecasts(values, ORIGINS, STEPS)).all()
    assert np.isfinite(validation_error(baseline, values, SPLIT))


@pytest.mark.parametrize("known", [slice(5, None), slice(0, None, 2)], ids=["begins late", "every other"])
def test_short_series_with_few_values(name: str, known: slice) -> None:
    values = np.full(30, np.nan)
    values[known] = series(30)[known]
    baseline = fit(values, name)
    assert np.isfinite(baseline.forecasts(values, np.arange(26, 31), STEPS)).all()


@pytest.mark.parametrize(
    "values",
    [
        series(30),
        np.repeat([3.0, 1, 4, 1, 5, 9], 20),
        np.concatenate([np.arange(20.0), np.zeros(100)]),
        np.tile([0.0, 0, 0, 1], 15),
        2.0 * np.arange(40),
        1e9 + series(60),
    ],
    ids=["30 rows", "steps", "mostly zero", "exactly periodic", "a line", "far from zero"],
)
def test_uncommon_series(name: str, values: Column) -> None:
    baseline = fit(values, name)
    rows = len(values)
    forecasts = baseline.forecasts(values, np.arange(rows * 3 // 4, rows + 1), STEPS)
    assert np.isfinite(forecasts).all()
    assert np.abs(forecasts - values.mean()).max() < 10 * np.ptp(values)


def test_filled_takes_the_last_value_before() -> None:
    values = np.array([np.nan, 1, np.nan, np.nan, 4])
    np.testing.assert_array_equal(filled(values), [np.nan, 1, 1, 1, 4])
    np.testing.assert_array_equal(padded(values, 2), [np.nan, np.nan, np.nan, 1, 1, 1, 4])


def test_what_cannot_predict_has_an_infinite_error() -> None:
    split = Split(2, 4, 4, 6)
    naive = fit(VALUES, "naive")
    assert validation_error(naive, np.array([1.0, 2, 4, 5, 9, 9]), split) == (4 + 1) / 2
    assert validation_error(naive, np.array([1.0, 2, np.nan, np.nan, 9, 9]), split) == np.inf
