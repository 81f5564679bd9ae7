from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from models import Calibration, ElmanConfig
from models.calibration import PROBABILITIES
from models.elman import Elman
from tests.models.examples import MEAN_ABSOLUTE, NORMAL
from tests.training.examples import QUICK, Values, autoregression, fitted, same, splits, trained
from training.calibrate import FEWEST, HORIZONS, _distribution, _followed, calibrate
from training.data import Split

PHI = 0.9
ROWS = 4000
SPLIT = Split(500, 1000, ROWS - 100, ROWS)
LOWER, UPPER = PROBABILITIES.index(0.05), PROBABILITIES.index(0.95)


def first_order(rows: int = ROWS, phi: float = PHI, seed: int = 0) -> Values:
    """x_t = phi x_(t-1) + a standard normal. (T, 1)"""
    values = [0.0]
    for shock in np.random.default_rng(seed).normal(size=rows + 99):
        values.append(phi * values[-1] + shock)
    return np.array(values[-rows:])[:, None]


def knowing(phi: float = PHI, features: int = 1, per_stream_scale: bool = False) -> Elman:
    """The best network there is for it: its readout reads the newest value alone."""
    network = Elman(ElmanConfig(features, 2, features, taps=(1,), per_stream_scale=per_stream_scale)).double()
    with torch.no_grad():
        network.readout_weight.zero_()
        network.readout_weight[2:] = phi * torch.eye(features)
        network.readout_bias.zero_()
    return network


def found(network: Elman, *series: Values, split: Split = SPLIT, targets: int = 1) -> Calibration:
    single = [values.astype(np.float32) for values in series]
    calibration = calibrate(network, single, [split] * len(series), targets, 0.9)
    assert calibration is not None
    return calibration


@cache
def of_first_order() -> Calibration:
    return found(knowing(), first_order())


def test_the_error_is_the_mean_absolute_innovation() -> None:
    assert of_first_order().error[0] == pytest.approx(MEAN_ABSOLUTE, rel=0.05)
    assert found(knowing(), 7 * first_order()).error[0] == pytest.approx(7 * of_first_order().error[0], rel=1e-3)


def test_the_level_is_the_one_asked_for() -> None:
    assert of_first_order().level == 0.9


def test_quantiles_are_those_of_the_innovations() -> None:
    quantiles = np.array(of_first_order().quantiles[0])
    np.testing.assert_allclose(quantiles[2:-2], NORMAL[2:-2], rtol=0.1, atol=0.08)
    np.testing.assert_allclose(quantiles, NORMAL, rtol=0.15, atol=0.08)


def test_quantiles_are_as_lopsided_as_the_errors() -> None:
    values = np.random.default_rng(0).exponential(size=(ROWS, 1)) - 1
    lower, upper = np.array(found(knowing(0.0), values).quantiles[0])[[LOWER, UPPER]]
    size = 2 / np.e  # the mean absolute deviation
    assert lower == pytest.approx((np.log(1 / 0.95) - 1) / size, rel=0.15)
    assert upper == pytest.approx((np.log(1 / 0.05) - 1) / size, rel=0.15)


def test_tails_of_heavy_tailed_errors_are_heavier() -> None:
    generator = np.random.default_rng(0)
    normal, heavy = generator.normal(size=9000), generator.standard_t(3, 9000)
    shapes = [_distribution(errors, errors)[1][1] for errors in (normal, heavy)]
    assert shapes[0] < 0.05
    assert shapes[1] > 0.15
    exponential = generator.exponential(size=50_000) * generator.choice((-1, 1), 50_000)
    steepness = _distribution(exponential, exponential)[1][0]
    assert steepness == pytest.approx(1 / (2 * np.log(0.5 / PROBABILITIES[0])), rel=0.1)


def test_of_a_few_errors_the_outer_quantiles_are_told_by_the_tail() -> None:
    errors = np.random.default_rng(0).normal(size=30)
    quantiles, _ = _distribution(errors, errors)
    assert (np.diff(quantiles) > 0).all()  # although the outermost errors are one thirtieth


def test_how_heavy_the_tail_is_tells_a_longer_record_whatever_its_scale() -> None:
    """Two hundred errors of Student's t do not show how rare the rarest are."""
    generator = np.random.default_rng(0)
    longer = generator.standard_t(5, 2400)
    shapes = [_distribution(generator.standard_t(5, 240), longer)[1][1] for _ in range(20)]
    assert np.ptp(shapes) == 0
    assert 0.05 < shapes[0] < 0.25
    few = longer[-240:]
    assert _distribution(few, 100 * longer)[0] == pytest.approx(_distribution(few, longer)[0])


def test_a_series_that_is_never_missed_has_a_level_from_its_first_row_on() -> None:
    """Among others that are; also where nothing is known from before the calibration part."""
    for begin in (0, 5):
        levels, relative = _followed(np.zeros((20, 1)), begin, np.ones(1))
        assert (levels > 0).all()
        assert (relative == 0).all()


def test_errors_are_larger_while_a_context_is_young() -> None:
    """Before the first value the prediction is 0, which misses by the series' own spread; after it all is known."""
    settling = of_first_order().settling
    assert settling[0] == pytest.approx((1 - PHI**2) ** -0.5, rel=0.35)
    np.testing.assert_allclose(settling[1:], 1, atol=1e-6)


def reading_far() -> Elman:
    """The best network for x_t = 0.9 x_(t-4) + a standard normal."""
    network = Elman(ElmanConfig(1, 2, 1, taps=(1, 4))).double()
    with torch.no_grad():
        network.readout_weight.copy_(torch.tensor([[0.0], [0.0], [0.0], [PHI]]))
        network.readout_bias.zero_()
    return network


def of_four(rows: int, seed: int = 0) -> Values:
    """(4 T, 1)"""
    return np.stack([first_order(rows, seed=4 * seed + each)[:, 0] for each in range(4)], axis=1).reshape(-1, 1)


def test_a_network_that_reads_far_settles_late() -> None:
    """Nothing is known before four observations."""
    settling = found(reading_far(), of_four(ROWS // 4)).settling
    assert min(settling[:3]) > 1.4  # after 0, 1, 2 to 3
    np.testing.assert_allclose(settling[3:], 1, atol=1e-6)


def test_contexts_of_many_series_are_young_too() -> None:
    series = [of_four(50, seed) for seed in range(66)]
    assert min(found(reading_far(), *series, split=Split(60, 120, 190, 200)).settling[:3]) > 1.4


def test_forecasts_err_as_the_innovations_add_up() -> None:
    calibration = of_first_order()
    assert calibration.horizons == HORIZONS
    assert calibration.paths[0] == calibration.quantiles
    paths = np.array(calibration.paths)[:, 0]
    spread = (paths[:, UPPER] - paths[:, LOWER]) / (paths[0, UPPER] - paths[0, LOWER])
    expected = np.sqrt([sum(PHI ** (2 * step) for step in range(horizon)) for horizon in HORIZONS])
    np.testing.assert_allclose(spread, expected, rtol=0.2)
    np.testing.assert_allclose(spread[:5], expected[:5], rtol=0.1)


def test_horizons_end_where_the_calibration_part_cannot_tell() -> None:
    assert found(knowing(), first_order(), split=Split(3000, 3800, 3848, ROWS)).horizons == (1, 2, 3, 4, 6, 8, 12)


@pytest.mark.parametrize("rows", [FEWEST - 1, FEWEST])
def test_of_too_few_errors_nothing_is_concluded(rows: int) -> None:
    values, split = first_order(200).astype(np.float32), Split(100, 150, 150 + rows, 200)
    assert (calibrate(knowing(), [values], [split], 1, 0.9) is None) == (rows < FEWEST)


def test_too_few_errors_of_one_target_are_too_few() -> None:
    values = np.concatenate((first_order(400), first_order(400, seed=1)), axis=1)
    values[205:, 1] = np.nan
    split = Split(100, 200, 390, 400)
    assert calibrate(knowing(features=2), [values.astype(np.float32)], [split], 2, 0.9) is None
    assert found(knowing(features=2), values, split=split).targets == 1  # of exogenous values nothing is asked


def test_targets_are_told_apart() -> None:
    values = np.concatenate((first_order(2000), 5 * first_order(2000, seed=1)), axis=1)
    one, other = found(knowing(features=2), values, split=Split(500, 1000, 1900, 2000), targets=2).error
    assert one == pytest.approx(MEAN_ABSOLUTE, rel=0.1)
    assert other == pytest.approx(5 * MEAN_ABSOLUTE, rel=0.1)


def test_missing_values_are_left_out() -> None:
    """Half of them are gone; were they counted, as errors of zero, the error would be half as large."""
    values = np.random.default_rng(0).normal(size=(ROWS, 1))
    whole = found(knowing(0.0), values)
    values[np.random.default_rng(1).random(ROWS) < 0.5] = np.nan
    gappy = found(knowing(0.0), values)
    assert gappy.error[0] == pytest.approx(whole.error[0], rel=0.05)
    np.testing.assert_allclose(gappy.quantiles, whole.quantiles, rtol=0.15, atol=0.1)
    np.testing.assert_allclose(
        np.array(gappy.paths[3])[:, 1:-1], np.array(whole.paths[3])[:, 1:-1], rtol=0.2, atol=0.15
    )


def test_streams_of_any_size_have_the_same_errors_in_their_own_units() -> None:
    network, values, split = knowing(per_stream_scale=True), first_order(900), Split(300, 400, 850, 900)
    small, large = (found(network, each, split=split) for each in (values, 2000 * values + 5000))
    assert small.error[0] == pytest.approx(MEAN_ABSOLUTE * (1 - PHI**2) ** 0.5, rel=0.15)
    assert large.error[0] == pytest.approx(small.error[0], rel=1e-2)
    np.testing.assert_allclose(large.quantiles, small.quantiles, rtol=0.05, atol=0.02)
    np.testing.assert_allclose(large.settling, small.settling, rtol=0.05)
    np.testing.assert_allclose(large.paths, small.paths, rtol=0.05, atol=0.05)


def test_only_the_calibration_part_counts_for_errors() -> None:
    """What is before it fills the context, with what a stream has seen of errors by then, and tells how rare the rarest
    are; what is after it is not looked at."""
    values = first_order(1500, phi=0.0)
    before, after = values.copy(), values.copy()
    before[:400] = np.random.default_rng(1).standard_t(3, size=(400, 1))
    after[1400:] = 1e6
    split = Split(500, 800, 1400, 1500)
    plain, other, same = (found(knowing(0.0), each, split=split) for each in (values, before, after))
    assert same == plain
    assert other.error == plain.error
    np.testing.assert_allclose(np.array(other.paths)[..., 1:-1], np.array(plain.paths)[..., 1:-1], rtol=0.02, atol=0.02)
    assert other.tail[0][1] > plain.tail[0][1] + 0.1


def test_a_few_errors_are_measured_by_the_level_that_a_stream_has_shown_before_them() -> None:
    """Which is lower, for the network has learned from what was before; but not as low as if it knew that by heart."""
    learned, fresh = np.random.default_rng(0).normal(size=(2, 400, 1))
    for size, level in ((0.7, 0.7), (0.01, 0.5)):
        levels, relative = _followed(np.concatenate((size * learned, fresh)), 400, np.ones(1))
        assert levels[400] == pytest.approx(level * MEAN_ABSOLUTE, rel=0.2)
        assert relative[400] * levels[400] == pytest.approx(fresh[0], abs=0.2)
        assert levels[500:].mean() == pytest.approx(MEAN_ABSOLUTE, rel=0.1)


def test_a_network_that_never_errs_still_has_a_level() -> None:
    calibration = found(knowing(1.0), np.ones((400, 1)), split=Split(100, 200, 390, 400))
    assert calibration.error[0] > 0


def test_training_calibrates_what_has_not_seen_the_calibration_part() -> None:
    values, changed = autoregression(200), autoregression(200)
    changed[splits(values)[0].validation :] += 50
    one, other = fitted(values), fitted(changed)
    assert same(one.before, other.before)
    assert not same(one.network, other.network)


def test_the_test_part_has_no_influence_on_the_calibration() -> None:
    values, options = autoregression(200), replace(QUICK, hidden_size=2, epochs=1, taps=(1, 2), level=0.8)
    changed, wild = values.copy(), values.copy()
    end = splits(values)[0].calibration
    changed[end:] = 1e3
    wild[end - 1] += 9
    plain, same, other = (trained(each, options=options).checkpoint.calibration for each in (values, changed, wild))
    assert plain is not None
    assert plain.level == 0.8
    assert same == plain
    assert other != plain
