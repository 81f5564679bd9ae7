import numpy as np
import pytest
import torch

from training.baselines.baseline import Column
from training.baselines.echo_state import EchoState, Reservoir, fit
from training.data import Split

SPLIT = Split.of(700, 0.15, 0.15)


def sines() -> Column:
    """Two sines multiplied, which is no linear process of few lags, and a distance from zero."""
    t = np.arange(700)
    product: Column = 1000 + 50 * np.sin(0.2 * t) * np.sin(0.0311 * t) ** 3
    return product


@pytest.fixture(scope="module")
def baseline() -> EchoState:
    found = fit(sines()[: SPLIT.calibration], SPLIT)
    assert isinstance(found, EchoState)
    return found


def test_it_is_far_better_than_the_last_value(baseline: EchoState) -> None:
    values = sines()
    test = slice(SPLIT.calibration, None)
    errors = np.abs(baseline.predictions(values) - values)[test].mean()
    assert baseline.name == "ESN(200)"
    assert errors < 0.02 * np.abs(np.diff(values))[SPLIT.calibration - 1 :].mean()


def test_it_runs_freely_for_a_while(baseline: EchoState) -> None:
    values = sines()
    origins = np.arange(SPLIT.calibration, 676)
    errors = baseline.forecasts(values, origins, 24) - values[origins[:, None] + np.arange(24)]
    assert np.sqrt((errors**2).mean()) < 0.2 * values.std()


def test_a_forecast_is_what_predictions_say_once_they_have_happened(baseline: EchoState) -> None:
    values = sines()
    forecast = baseline.forecasts(values, np.array([600]), 12)[0]
    imagined = np.concatenate([values[:600], forecast])
    np.testing.assert_allclose(baseline.predictions(imagined)[600:], forecast, rtol=1e-9)


def test_it_is_reproducible(baseline: EchoState) -> None:
    again = fit(sines()[: SPLIT.calibration], SPLIT)
    np.testing.assert_array_equal(again.predictions(sines()), baseline.predictions(sines()))


def test_features_are_the_recurrence_and_the_last_input() -> None:
    reservoir = Reservoir.random(0.9, 0.3)
    x = torch.linspace(-1, 1, 5, dtype=torch.float64)
    features = reservoir.features(x)
    assert features.shape == (6, 201)
    assert not features[0].any()
    for row in range(5):
        torch.testing.assert_close(reservoir.step(x[row].view(1, 1), features[row : row + 1]), features[row + 1][None])


def test_the_recurrence_has_its_spectral_radius() -> None:
    radius = torch.linalg.eigvals(Reservoir.random(0.9, 0.3).recurrence).abs().max()
    assert float(radius) == pytest.approx(0.9)
