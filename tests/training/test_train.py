from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import save
from tests.training.examples import QUICK, Values, autoregression, dataset, logistic, splits, trained
from training.data import Split
from training.errors import DataError
from training.train import train

SIZES = [1.0, 30.0, 2000.0]


def observed(trained_predictions: object, values: Values) -> Values:
    """Predictions (T, O) of a checkpoint's predictor for values (T, F)."""
    predictor = trained_predictions.checkpoint.predictor("cpu")  # type: ignore[attr-defined]
    predictions: Values = predictor.observe(values[None], predictor.zero_context()).predictions[0]
    return predictions


def test_one_network_serves_streams_of_any_size() -> None:
    found = trained(*(size * logistic(300, 0.3 + size / 1e5) for size in SIZES))
    assert found.checkpoint.network.config.per_stream_scale
    assert found.record["kept"]["kept"] == "network"
    new = logistic(200, 0.77)
    there, here = observed(found, 1000 * new + 5000), observed(found, new)
    np.testing.assert_allclose((there - 5000) / 1000, here, rtol=0, atol=1e-3)
    errors, naive = here[50:-1] - new[51:], new[50:-1] - new[51:]
    assert np.square(errors).mean() < 0.5 * np.square(naive).mean()


def test_one_series_has_one_scale() -> None:
    found = trained(50 + 7 * logistic(200))
    assert not found.checkpoint.network.config.per_stream_scale
    values = 50 + 7 * logistic(200)[: splits(logistic(200))[0].train]
    assert found.checkpoint.scaler.mean[0] == pytest.approx(values.mean(), rel=0.01)


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    paths = [
        save(trained(logistic(200), options=replace(QUICK, seed=seed)).checkpoint, tmp_path / name)
        for name, seed in (("one", 3), ("again", 3), ("other", 4))
    ]
    one, again, other = (path.read_bytes() for path in paths)
    assert one == again
    assert one != other


def test_exogenous_columns_are_observed_but_not_predicted() -> None:
    """What comes is what the other column was, one step before."""
    known = np.random.default_rng(0).normal(size=(400, 1))
    values = np.concatenate((np.roll(known, 1), known), axis=1)
    found = trained(values, targets=1)
    assert found.checkpoint.targets == 1
    assert found.record["data"]["columns"] == ["f0"]
    assert found.record["data"]["exogenous"] == ["f1"]
    predictions = observed(found, values)
    assert predictions.shape == (400, 1)
    assert np.abs(predictions[100:-1, 0] - values[101:, 0]).max() < 0.1
    assert [judged.name for judged in found.judgements] == ["f0"]


def test_the_test_part_has_no_influence_on_the_network() -> None:
    values = [logistic(200), logistic(160, 0.4)]
    changed = [one.copy() for one in values]
    for one, split in zip(changed, splits(*values), strict=True):
        one[split.calibration :] = 1e3 * np.random.default_rng(0).normal(size=one[split.calibration :].shape)
    assert trained(*values).checkpoint.fingerprint == trained(*changed).checkpoint.fingerprint
    changed[0][splits(*values)[0].calibration - 1] += 0.1  # the last row before it has
    assert trained(*values).checkpoint.fingerprint != trained(*changed).checkpoint.fingerprint


def test_one_absurd_value_does_not_decide_the_scale() -> None:
    clean = autoregression(400)
    absurd = clean.copy()
    absurd[100] = 1e6
    one, other = trained(clean), trained(absurd)
    assert other.checkpoint.scaler.scale[0] == pytest.approx(one.checkpoint.scaler.scale[0], rel=0.05)
    assert other.judgements[0].scores[0].rmse < 1.2 * other.judgements[0].scores[1].rmse


def test_the_record_says_what_was_done() -> None:
    found = trained(logistic(200), logistic(160, 0.4))
    record = found.checkpoint.training
    assert record == found.record
    assert record["data"]["rows"] == 360
    assert record["data"]["series"] == 2
    assert record["split"]["rows"] == 360
    assert record["options"]["hidden_size"] == QUICK.hidden_size
    assert record["kept"]["reason"]
    assert set(record["metrics"]) == {"s0: f0", "s1: f0"}
    assert set(record["versions"]) == {"python", "torch", "numpy"}


def test_chosen_taps_are_taken() -> None:
    found = trained(autoregression(300), options=replace(QUICK, taps=(1, 5), keep="linear"))
    assert found.checkpoint.network.config.taps == (1, 5)
    pure = trained(logistic(300), options=replace(QUICK, taps=()))
    assert pure.checkpoint.network.config.taps == ()


def test_what_cannot_be_learned_from_is_refused() -> None:
    with pytest.raises(DataError, match="s1: column 'f0' is constant"):
        trained(logistic(100), np.full((100, 1), 5.0))
    with pytest.raises(DataError, match="too few"):
        train(dataset(logistic(20)), [Split.of(20, None, 0.15)], QUICK)
