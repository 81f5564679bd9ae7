from typing import Any

import numpy as np
import pytest
import torch

from models import ElmanConfig, Scaler
from models.adaptation import PENALTY, Adaptation
from models.elman import Elman
from models.predictor import Predictor, Values

CONFIG = ElmanConfig(1, 4, 1, taps=(1, 2, 3), residual=True)


def predictor(config: ElmanConfig = CONFIG, targets: int | None = None, adapt: bool = True) -> Predictor:
    weights = Elman(config, torch.Generator().manual_seed(0)).weights()
    scaler = Scaler((10.0,) * config.input_size, (4.0,) * config.input_size)
    return Predictor(weights, scaler, "cpu", targets, adapt=adapt)


def periodic(rows: int) -> Values:
    return np.resize([10.0, 14.0, 6.0], rows)[None, :, None]


def noisy(rows: int, seed: int = 0) -> Values:
    return np.random.default_rng(seed).normal(10, 4, size=(1, rows, 1))


def rmse(predictor: Predictor, values: Values, last: int) -> float:
    predictions = predictor.observe(values, predictor.zero_context()).predictions
    return float(np.sqrt(np.nanmean((predictions[:, -last - 1 : -1] - values[:, -last:]) ** 2)))


def test_it_learns_what_the_readout_does_not_know() -> None:
    assert rmse(predictor(), periodic(600), 50) < 0.05 * rmse(predictor(adapt=False), periodic(600), 50)


def test_it_follows_a_stream_whose_law_changes() -> None:
    changed = np.concatenate((periodic(600), 20 - periodic(900)), axis=1)
    assert rmse(predictor(), changed, 50) < 0.05 * rmse(predictor(adapt=False), changed, 50)


def test_where_there_is_nothing_to_learn_it_does_next_to_no_harm() -> None:
    config = ElmanConfig(1, 4, 1)
    network = Elman(config, torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.readout_weight.zero_()
        network.readout_bias.zero_()  # the mean: nothing predicts noise better
    weights, scaler = network.weights(), Scaler((10.0,), (4.0,))
    plain, adapting = (Predictor(weights, scaler, "cpu", adapt=adapt) for adapt in (False, True))
    for seed in range(3):
        assert rmse(adapting, noisy(2000, seed), 1900) < 1.01 * rmse(plain, noisy(2000, seed), 1900)


def test_the_first_prediction_is_the_checkpoints() -> None:
    plain, adapting = predictor(adapt=False), predictor()
    first = [p.forecast(p.zero_context(), 1).path for p in (plain, adapting)]
    second = [p.observe(noisy(1), p.zero_context()).predictions for p in (plain, adapting)]
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(second[0], second[1])


def test_by_hand_it_is_ridge_regression_on_what_the_readout_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without forgetting and bounds, recursive least squares is the ridge of its penalty (Ljung & Soderstrom)."""
    monkeypatch.setattr("models.adaptation.FORGETTING", 1.0)
    monkeypatch.setattr("models.adaptation.LIMIT", 1e9)
    monkeypatch.setattr("models.adaptation.RUIN", 1e9)
    network, adaptation = Elman(CONFIG, torch.Generator().manual_seed(0)), Adaptation(CONFIG, 1, torch.device("cpu"))
    h, learned = torch.zeros(1, CONFIG.context_size), adaptation.start(1)
    rows: list[np.ndarray] = []
    missed: list[float] = []
    values = torch.from_numpy(noisy(60) / 10).float()[0]
    with torch.no_grad():
        for x in values:
            reading = network.read(h)
            said = network.say(reading.features)
            rows.append(np.append(reading.features.numpy()[0], 1.0))
            missed.append(float(reading.target(x[None]) - said))
            learned = adaptation.update(x[None], said, reading, learned)
            h = network.advance(x[None], h)
    features, target = np.array(rows, dtype=float), np.array(missed)
    expected = np.linalg.solve(features.T @ features + PENALTY * np.eye(features.shape[1]), features.T @ target)
    np.testing.assert_allclose(learned[0, : adaptation.width].numpy(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("wild", [1e6, 1e30], ids=["wild", "wilder"])
def test_it_stays_finite_and_comes_back(wild: float) -> None:
    values = periodic(1200).copy()
    values[0, 300:310] = [[wild], [-wild]] * 5
    values[0, 500:600] = 10.0  # nothing moves
    values[0, 620:640] = np.nan
    adapting = predictor()
    observed = adapting.observe(values, adapting.zero_context())
    assert np.isfinite(observed.context).all()
    assert rmse(adapting, values, 50) < 0.1 * rmse(predictor(adapt=False), values, 50)


def test_a_missing_value_teaches_nothing() -> None:
    adapting = predictor()
    context = adapting.observe(periodic(30), adapting.zero_context()).context
    after = adapting.observe(np.full((1, 1, 1), np.nan), context).context
    kept = CONFIG.context_size
    np.testing.assert_array_equal(after[:, kept:], context[:, kept:])


@pytest.mark.parametrize(
    ("options", "targets"),
    [({}, None), ({"per_stream_scale": True}, None), ({"num_layers": 2, "taps": ()}, None), ({}, 1)],
    ids=["plain", "per stream", "layers", "exogenous"],
)
def test_any_cut_and_any_batch_give_the_same(options: dict[str, Any], targets: int | None) -> None:
    chosen: dict[str, Any] = {"taps": (1, 2), "residual": True} | options
    adapting = predictor(ElmanConfig(2, 4, 2, **chosen), targets)
    values = np.random.default_rng(0).normal(10, 4, size=(3, 40, 2))
    values[0, 7, 0] = values[1, 9:12] = np.nan
    whole = adapting.observe(values, adapting.zero_context(3))
    for stream in range(3):
        context, parts = adapting.zero_context(), []
        for cut in (slice(0, 1), slice(1, 17), slice(17, 40)):
            observed = adapting.observe(values[stream : stream + 1, cut], context)
            context = observed.context
            parts.append(observed.predictions)
        np.testing.assert_allclose(np.concatenate(parts, axis=1)[0], whole.predictions[stream], rtol=0, atol=4e-6)
        np.testing.assert_allclose(context[0], whole.context[stream], rtol=1e-4, atol=1e-4)


def test_its_size_is_counted() -> None:
    width = CONFIG.readout_size + 1
    assert predictor().context_size == CONFIG.context_size + width + width * (width + 1) // 2 + 2
