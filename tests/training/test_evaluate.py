import numpy as np
import pytest

from models import Checkpoint
from tests.conftest import random_checkpoint
from training.data import Split, Table
from training.evaluate import Score, evaluate

VALUES = np.random.default_rng(0).normal([0.1, 0.2], 1, size=(120, 2)).cumsum(axis=0)
TABLE = Table("walk.csv", "", ("f0", "f1"), VALUES)
SPLIT = Split.of(120, 0.15, 0.15)


@pytest.fixture
def checkpoint() -> Checkpoint:
    return random_checkpoint(features=2)


def test_predictions_stand_at_the_values_they_are_for(checkpoint: Checkpoint) -> None:
    predictor = checkpoint.predictor("cpu")
    predictions = evaluate(predictor, TABLE, SPLIT).predictions
    first, _ = predictor.observe(VALUES[None, :1], predictor.zero_context())
    assert np.isnan(predictions[0]).all()
    np.testing.assert_array_equal(predictions[1], first[0, 0])


def test_every_method_is_scored_on_the_test_part_of_every_feature(checkpoint: Checkpoint) -> None:
    evaluation = evaluate(checkpoint.predictor("cpu"), TABLE, SPLIT)
    for column, feature in enumerate(TABLE.features):
        network, naive, seasonal, ar = evaluation.scores[feature]
        assert [network.method, naive.method] == ["Elman network", "naive"]
        assert seasonal.method.startswith("seasonal-naive(")
        assert ar.method.startswith("AR(")
        truth = VALUES[:, column]
        error = evaluation.predictions[SPLIT.validation :, column] - truth[SPLIT.validation :]
        assert network.rmse == pytest.approx(np.sqrt((error**2).mean()))
        assert network.mae == pytest.approx(np.abs(error).mean())
        assert network.mase == pytest.approx(network.mae / np.abs(np.diff(truth[: SPLIT.train])).mean())
        assert network.skill == pytest.approx(1 - network.rmse / naive.rmse)
        assert naive.skill == 0


def test_values_that_are_missing_are_not_scored(checkpoint: Checkpoint) -> None:
    values = VALUES.copy()
    values[115, 0] = np.nan
    scores = evaluate(checkpoint.predictor("cpu"), Table("walk.csv", "", ("f0", "f1"), values), SPLIT).scores
    assert all(np.isfinite([s.rmse, s.mae, s.mase, s.skill]).all() for s in scores["f0"])
    assert isinstance(scores["f0"][0], Score)
