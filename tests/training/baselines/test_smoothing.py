import warnings

import numpy as np
import pytest
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from training.baselines.baseline import Column
from training.baselines.smoothing import FIT_ROWS, Smoothing, fit
from training.data import Split

SPLIT = Split.of(300, 0.15, 0.15)
SEASON = (4.0, -1.0, -5.0, 2.0)
FACTORS = (1.4, 0.9, 0.5, 1.2)
FORMS = {
    "ETS(A,N,N)": Smoothing("", 0.4, 0, 0, 1, 50, 0, (0.0,)),
    "ETS(A,A,N)": Smoothing("", 0.4, 0.1, 0, 1, 50, 0.2, (0.0,)),
    "ETS(A,Ad,N)": Smoothing("", 0.4, 0.1, 0, 0.9, 50, 1, (0.0,)),
    "ETS(A,N,A)": Smoothing("", 0.3, 0, 0.2, 1, 50, 0, SEASON),
    "ETS(A,A,A)": Smoothing("", 0.3, 0.1, 0.2, 1, 50, 0.2, SEASON),
    "ETS(A,Ad,A)": Smoothing("", 0.3, 0.1, 0.2, 0.9, 50, 1, SEASON),
    "ETS(A,A,M)": Smoothing("", 0.3, 0.01, 0.1, 1, 50, 0.3, FACTORS, True),
    "ETS(A,Ad,M)": Smoothing("", 0.3, 0.1, 0.1, 0.9, 50, 0.3, FACTORS, True),
}


def process(truth: Smoothing, rows: int = 300, noise: float = 0.5) -> Column:
    """What the form makes of normal errors: its prediction of every row, and an error."""
    values: Column = np.zeros(0)
    for error in noise * np.random.default_rng(4).normal(size=rows):
        values = np.append(values, truth.forecasts(values, np.array([len(values)]), 1)[0, 0] + error)
    return values


@pytest.mark.parametrize("form", FORMS)
def test_predictions_and_forecasts_are_those_of_statsmodels(form: str) -> None:
    """Of the series cut off at every origin."""
    truth, trend, season = FORMS[form], form.split(",")[1], form[-2]
    values = process(truth, 60)
    seasonal = {"N": None, "A": "add", "M": "mul"}[season]
    origins, ours = np.array([20, 33, 60]), truth.forecasts(values, np.array([20, 33, 60]), 10)
    for origin, forecast in zip(origins, ours, strict=True):
        model = ETSModel(
            values[:origin],
            trend=None if trend == "N" else "add",
            damped_trend=trend == "Ad",
            seasonal=seasonal,
            seasonal_periods=4 if seasonal else None,
            initialization_method="known",
            initial_level=truth.level,
            initial_trend=truth.slope,
            initial_seasonal=truth.seasons,
        )
        parameters = {"smoothing_level": truth.alpha, "smoothing_trend": truth.beta}
        parameters |= {"smoothing_seasonal": truth.gamma, "damping_trend": truth.phi}
        known = model.smooth([parameters[name] for name in model.param_names])
        np.testing.assert_allclose(truth.predictions(values)[:origin], known.fittedvalues, rtol=1e-9)
        np.testing.assert_allclose(forecast, known.forecast(10), rtol=1e-9)


@pytest.mark.parametrize("form", ["ETS(A,N,N)", "ETS(A,Ad,N)", "ETS(A,A,A)", "ETS(A,A,M)"])
def test_a_fit_is_close_to_the_process_that_made_the_data(form: str) -> None:
    values = process(FORMS[form])
    found = fit(values[: SPLIT.calibration], SPLIT)
    errors = [(baseline.predictions(values) - values)[SPLIT.calibration :] for baseline in (found, FORMS[form])]
    ours, least = (float(np.sqrt((error**2).mean())) for error in errors)
    assert ours < 1.3 * least, f"{found.name} for {form}"


def test_one_step_of_simple_smoothing_by_hand() -> None:
    baseline = Smoothing("", 0.5, 0, 0, 1, 10, 0, (0.0,))
    values = np.array([20.0, np.nan, 5.0])
    np.testing.assert_array_equal(baseline.predictions(values), [10, 15, 15])
    np.testing.assert_array_equal(baseline.forecasts(values, np.array([0, 3]), 2), [[10, 10], [10, 10]])


def test_a_damped_trend_levels_off() -> None:
    baseline = Smoothing("", 0.5, 0.1, 0, 0.5, 10, 8, (0.0,))
    np.testing.assert_array_equal(baseline.forecasts(np.zeros(0), np.array([0]), 4), [[14, 16, 17, 17.5]])


def test_a_season_keeps_its_rows_where_only_the_last_rows_are_fitted() -> None:
    rows = FIT_ROWS + 541
    values = process(FORMS["ETS(A,N,A)"], rows)
    baseline = fit(values, Split(rows - 100, rows, rows, rows + 100))
    errors = baseline.predictions(values) - values
    assert np.sqrt((errors[50:] ** 2).mean()) < 0.6
    assert np.sqrt((errors[:50] ** 2).mean()) < 2


def test_values_that_a_multiplicative_season_cannot_have_do_not_break_it() -> None:
    baseline = FORMS["ETS(A,A,M)"]
    values = process(baseline, 60)
    values[30:33] = 0, -5, np.nan
    assert np.isfinite(baseline.predictions(values)).all()


def test_no_warning_comes_out_of_a_fit() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        baseline = fit(np.full(40, 3.0) + np.eye(40)[20], Split(30, 40, 40, 50))
    assert not caught
    assert baseline.name.startswith("ETS(A,")


def test_the_simple_form_remains_where_nothing_can_be_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object, **options: object) -> None:
        raise np.linalg.LinAlgError("no")

    monkeypatch.setattr(ETSModel, "fit", fails)
    values = np.concatenate([[np.nan], process(FORMS["ETS(A,N,N)"])])
    baseline = fit(values[: SPLIT.calibration], SPLIT)
    assert baseline.name == "ETS(A,N,N)"
    np.testing.assert_allclose(baseline.predictions(values)[2:], values[1:-1], atol=0.01)
