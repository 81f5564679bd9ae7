import numpy as np
import pytest

from models import Checkpoint
from tests.conftest import random_checkpoint
from training.data import Dataset, Series, Split
from training.evaluate import NETWORK, Judgement, evaluate, free_running, one_step, origins_of

VALUES = np.random.default_rng(0).normal([0.1, 0.2], 1, size=(120, 2)).cumsum(axis=0)
SPLIT = Split.of(120, 0.15, 0.15)


def dataset(values: np.ndarray, *names: str, targets: int = 2) -> Dataset:
    series = tuple(Series(name, values, None) for name in names or ("walk",))
    return Dataset("walk.csv", "", ("f0", "f1"), targets, series, ())


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return random_checkpoint(features=2)


@pytest.fixture(scope="module")
def judged(checkpoint: Checkpoint) -> list[Judgement]:
    return evaluate(checkpoint.predictor("cpu"), dataset(VALUES), [SPLIT])


def test_predictions_stand_at_the_values_they_are_for(checkpoint: Checkpoint) -> None:
    predictor = checkpoint.predictor("cpu")
    predictions, intervals = one_step(predictor, VALUES)
    assert intervals == []
    first = predictor.observe(VALUES[None, :1], predictor.zero_context()).predictions
    np.testing.assert_array_equal(predictions[0], predictor.forecast(predictor.zero_context(), 1).path[0, 0])
    np.testing.assert_array_equal(predictions[1], first[0, 0])


def test_free_running_goes_on_from_each_origin(checkpoint: Checkpoint) -> None:
    predictor = checkpoint.predictor("cpu")
    paths = free_running(predictor, VALUES, [20, 50], 5)
    context = predictor.observe(VALUES[None, :50], predictor.zero_context()).context
    np.testing.assert_allclose(paths[1], predictor.forecast(context, 5).path[0], rtol=0, atol=1e-5)


def test_origins_leave_room_for_the_horizon() -> None:
    origins = origins_of(SPLIT, 8)
    assert origins[0] == SPLIT.calibration
    assert origins[-1] == SPLIT.rows - 8
    assert origins_of(SPLIT, 100) == []


def test_every_method_is_scored_on_the_test_part_of_every_target(judged: list[Judgement]) -> None:
    assert [each.name for each in judged] == ["f0", "f1"]
    for column, each in enumerate(judged):
        network, naive, *others = each.scores
        assert [network.method, naive.method] == [NETWORK, "naive"]
        assert [score.method.split("(")[0].strip() for score in others] == [
            "seasonal naive", "drift", "AR", "ETS", "ESN",
        ]  # fmt: skip
        truth = VALUES[:, column]
        error = (each.predictions[NETWORK] - truth)[SPLIT.calibration :]
        assert network.rmse == pytest.approx(np.sqrt((error**2).mean()))
        assert network.mae == pytest.approx(np.abs(error).mean())
        assert network.mase == pytest.approx(network.mae / np.abs(np.diff(truth[: SPLIT.train])).mean())
        assert network.skill == pytest.approx(1 - network.rmse / naive.rmse)
        assert naive.skill == 0


def test_horizons_are_compared_as_far_as_the_test_part_reaches(judged: list[Judgement]) -> None:
    for errors in judged[0].horizons.values():
        assert list(errors) == [1, 8]
    naive = VALUES[np.array(origins_of(SPLIT, 8)) - 1, 0] - VALUES[np.array(origins_of(SPLIT, 8)) + 7, 0]
    assert judged[0].horizons["naive"][8] == pytest.approx(np.sqrt((naive**2).mean()))


def test_intervals_stand_at_the_values_they_are_for_and_are_counted_on_the_test_part() -> None:
    predictor = random_checkpoint(features=2, calibrated=True).predictor("cpu")
    judged = evaluate(predictor, dataset(VALUES), [SPLIT], ["naive"])
    for column, each in enumerate(judged):
        interval, truth = each.interval, VALUES[:, column]
        assert interval is not None
        watch = predictor.observe(VALUES[None], predictor.zero_context()).watch
        assert watch is not None
        np.testing.assert_array_equal(interval.lower[1:], watch.lower[0, :-1, column])
        np.testing.assert_array_equal(interval.upper[1:], watch.upper[0, :-1, column])
        inside = ((interval.lower <= truth) & (truth <= interval.upper))[SPLIT.calibration :]
        assert dict(each.coverage)[0.9] == pytest.approx(inside.mean())
        assert inside.mean() > 0


def test_without_calibration_there_is_no_coverage(judged: list[Judgement]) -> None:
    assert all(each.interval is None and each.coverage == [] for each in judged)


def test_values_that_are_missing_are_not_scored(checkpoint: Checkpoint) -> None:
    values = VALUES.copy()
    values[115, 0] = np.nan
    scores = evaluate(checkpoint.predictor("cpu"), dataset(values), [SPLIT], ["naive", "AR"])[0].scores
    assert all(np.isfinite([s.rmse, s.mae, s.mase, s.skill]).all() for s in scores)


def test_only_the_first_series_are_judged_beside_the_slow_baselines(checkpoint: Checkpoint) -> None:
    names = [f"s{number}" for number in range(9)]
    judged = evaluate(
        checkpoint.predictor("cpu"), dataset(VALUES, *names, targets=1), [SPLIT] * 9, ["naive", "AR", "ESN"]
    )
    assert [each.name for each in judged][:2] == ["s0: f0", "s1: f0"]
    assert [len(each.scores) for each in judged] == [4] * 8 + [3]
