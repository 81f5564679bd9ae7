import numpy as np
import pytest

from tests.training.examples import QUICK, autoregression, dataset
from training.backtest import backtest, origins, record, tables
from training.errors import DataError

SERIES = autoregression(160)
BY_DEFAULT = (None, None)
FOLDS = backtest(dataset(SERIES), BY_DEFAULT, 2, QUICK)


def test_the_second_half_is_cut_into_blocks() -> None:
    assert origins(160, 2) == [80, 120]
    assert origins(101, 3) == [50, 67, 84]


def test_every_fold_is_judged_on_its_block() -> None:
    cuts = [(fold[0].split.calibration, fold[0].split.rows) for fold in FOLDS]
    assert cuts == [(80, 120), (120, 160)]


def test_a_fold_has_not_seen_what_comes_after_it() -> None:
    changed = SERIES.copy()
    changed[120:] = 100 * np.random.default_rng(0).normal(size=(40, 1))
    first, second = backtest(dataset(changed), BY_DEFAULT, 2, QUICK)
    for method, predicted in FOLDS[0][0].predictions.items():
        np.testing.assert_array_equal(first[0].predictions[method], predicted)
    network = next(iter(FOLDS[1][0].predictions))
    np.testing.assert_array_equal(second[0].predictions[network][:121], FOLDS[1][0].predictions[network][:121])
    assert first[0].scores == FOLDS[0][0].scores


def test_a_network_has_not_seen_its_block() -> None:
    changed = SERIES.copy()
    changed[100:120] += 50
    (first, _) = backtest(dataset(changed), BY_DEFAULT, 2, QUICK)
    for method, predicted in FOLDS[0][0].predictions.items():
        np.testing.assert_array_equal(first[0].predictions[method][:101], predicted[:101])


def test_the_record_has_every_method_of_every_fold() -> None:
    found = record(FOLDS)
    assert found["origins"] == [80, 120]
    methods = found["targets"]["f0"]
    assert {"Elman network", "naive", "AR"} <= set(methods)
    assert methods["naive"]["skill"] == 0
    for number, fold in enumerate(FOLDS):
        assert methods["Elman network"]["rmse"][number] == fold[0].scores[0].rmse
    (table,) = tables(found)
    assert table.row_count == len(methods)


def test_a_series_that_is_too_short_is_refused() -> None:
    with pytest.raises(DataError, match="too few"):
        backtest(dataset(SERIES[:24]), BY_DEFAULT, 4, QUICK)
