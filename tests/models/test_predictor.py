from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import Calibration, DeviceError, NumericalError, Predictor, ValueRangeError
from models.outlook import state_size
from models.predictor import Observed, Values, Watch
from tests.conftest import random_checkpoint
from tests.models.examples import calibration

CHECKPOINT = random_checkpoint(features=2, hidden_size=5, num_layers=2)
PREDICTOR = CHECKPOINT.predictor("cpu")
CALIBRATED = replace(CHECKPOINT, calibration=calibration(2))
WATCHING = CALIBRATED.predictor("cpu")
ADAPTING = CALIBRATED.predictor("cpu", adapt=True)
SCALES = np.array(CHECKPOINT.scaler.scale)
SCALED_UNIT = 4.0  # the smaller scale of the checkpoint
VALUES = np.random.default_rng(0).normal(15, 5, size=(1, 30, 2))
GAPPY = VALUES.copy()
GAPPY[0, 7:10, 0] = np.nan
GAPPY[0, 20] = 1e4


def test_predictions_are_in_raw_units() -> None:
    predictions = PREDICTOR.observe(VALUES, PREDICTOR.zero_context()).predictions
    scaled = torch.from_numpy(CHECKPOINT.scaler.scaled(VALUES))
    with torch.no_grad():
        outputs, _ = CHECKPOINT.network.scan(scaled, torch.zeros(1, 10))
    np.testing.assert_allclose(predictions, outputs.numpy() * [4.0, 5.0] + [10.0, 20.0], rtol=1e-6)


def arrays(observed: Observed) -> list[Values]:
    """Everything that was said, (B, T, O) each."""
    watch = observed.watch
    if watch is None:
        return [observed.predictions]
    return [observed.predictions, watch.lower, watch.upper, watch.anomaly, watch.error, watch.naive]


def check_cuts(predictor: Predictor, values: Values, cuts: set[int]) -> None:
    whole = predictor.observe(values, predictor.zero_context())
    context, parts = predictor.zero_context(), []
    for start, end in pairwise([0, *sorted(cuts), values.shape[1]]):
        observed = predictor.observe(values[:, start:end], context)
        context = observed.context
        parts.append(arrays(observed))
    for pieces, expected in zip(zip(*parts, strict=True), arrays(whole), strict=True):
        np.testing.assert_array_equal(np.concatenate(pieces, axis=1), expected)
    np.testing.assert_array_equal(context, whole.context)


@given(cuts=st.sets(st.integers(1, 29), max_size=6))
def test_how_a_stream_is_cut_does_not_change_a_single_bit(cuts: set[int]) -> None:
    check_cuts(PREDICTOR, VALUES, cuts)


@pytest.mark.parametrize("predictor", [WATCHING, ADAPTING], ids=["watching", "adapting"])
@settings(max_examples=8)
@given(cuts=st.sets(st.integers(1, 29), max_size=6))
def test_nor_does_it_change_what_is_known_of_errors(predictor: Predictor, cuts: set[int]) -> None:
    check_cuts(predictor, GAPPY, cuts)


@pytest.mark.parametrize("predictor", [PREDICTOR, WATCHING, ADAPTING], ids=["plain", "watching", "adapting"])
def test_a_batch_of_contexts_equals_one_stream_at_a_time(predictor: Predictor) -> None:
    streams = np.random.default_rng(1).normal(15, 5, size=(7, 9, 2))
    streams[3, 4, 0] = np.nan
    together = predictor.observe(streams, predictor.zero_context(7))
    for stream in range(7):
        alone = predictor.observe(streams[stream : stream + 1], predictor.zero_context())
        for found, expected in zip(arrays(together), arrays(alone), strict=True):
            np.testing.assert_allclose(found[stream], expected[0], rtol=0, atol=1e-6 * SCALED_UNIT)
        np.testing.assert_allclose(together.context[stream], alone.context[0], rtol=1e-5, atol=1e-6)


def test_the_context_given_is_not_changed() -> None:
    context = PREDICTOR.observe(VALUES, PREDICTOR.zero_context()).context
    before = context.copy()
    PREDICTOR.observe(VALUES, context)
    PREDICTOR.forecast(context, 5)
    np.testing.assert_array_equal(context, before)


def test_a_forecast_feeds_its_predictions_back() -> None:
    observed = PREDICTOR.observe(VALUES, PREDICTOR.zero_context())
    predictions, context = observed.predictions, observed.context
    forecast = PREDICTOR.forecast(context, 4).path
    np.testing.assert_allclose(forecast[:, 0], predictions[:, -1])
    fed_back = PREDICTOR.observe(forecast[:, :3], context).predictions
    np.testing.assert_allclose(forecast[:, 1:], fed_back, rtol=0, atol=1e-5)


def test_a_forecast_is_the_stream_of_missing_values() -> None:
    context = PREDICTOR.observe(VALUES, PREDICTOR.zero_context()).context
    missing = PREDICTOR.observe(np.full((1, 3, 2), np.nan), context).predictions
    np.testing.assert_allclose(PREDICTOR.forecast(context, 4).path[:, 1:], missing, rtol=0, atol=1e-6 * SCALED_UNIT)


def test_an_observation_out_of_range_is_refused() -> None:
    with pytest.raises(ValueRangeError):
        PREDICTOR.observe(np.full((1, 1, 2), 1e300), PREDICTOR.zero_context())


def test_a_result_that_is_not_finite_is_an_error() -> None:
    checkpoint = random_checkpoint(nonlinearity="relu")
    for weight in checkpoint.weights.arrays.values():
        weight.fill(1e30)
    predictor = checkpoint.predictor("cpu")
    with pytest.raises(NumericalError):
        predictor.observe(np.full((1, 5, 1), 1e6), predictor.zero_context())


def test_only_the_targets_are_told() -> None:
    """The other features are observed, and predicted only to go on with."""
    predictor = Predictor(CHECKPOINT.weights, CHECKPOINT.scaler, "cpu", targets=1)
    observed = predictor.observe(VALUES, predictor.zero_context())
    predictions, context = observed.predictions, observed.context
    observed = PREDICTOR.observe(VALUES, PREDICTOR.zero_context())
    expected, same = observed.predictions, observed.context
    np.testing.assert_array_equal(predictions, expected[..., :1])
    np.testing.assert_array_equal(context, same)
    np.testing.assert_array_equal(predictor.forecast(context, 5).path, PREDICTOR.forecast(context, 5).path[..., :1])


def test_a_context_has_room_for_past_inputs_and_the_running_scale() -> None:
    checkpoint = random_checkpoint(features=2, hidden_size=5, taps=(1, 3), residual=True, per_stream_scale=True)
    predictor = checkpoint.predictor("cpu")
    assert predictor.zero_context(3).shape == (3, 5 + 6 + 5)
    observed = predictor.observe(VALUES, predictor.zero_context())
    predictions, context = observed.predictions, observed.context
    forecast = predictor.forecast(context, 4).path
    np.testing.assert_allclose(forecast[:, 0], predictions[:, -1])
    missing = predictor.observe(np.full((1, 3, 2), np.nan), context).predictions
    np.testing.assert_allclose(forecast[:, 1:], missing, rtol=0, atol=1e-6 * SCALED_UNIT)


def watch_of(predictor: Predictor, values: Values, level: float | None = None) -> Watch:
    watch = predictor.observe(values, predictor.zero_context(len(values)), level).watch
    assert watch is not None
    return watch


def test_without_a_calibration_nothing_is_said_of_errors() -> None:
    observed = PREDICTOR.observe(VALUES, PREDICTOR.zero_context())
    assert observed.watch is None
    forecast = PREDICTOR.forecast(observed.context, 3)
    assert forecast.lower is None
    assert forecast.upper is None
    assert PREDICTOR.condition(observed.context) is None
    assert PREDICTOR.alarm(observed.context) == (0, 0)


def test_a_calibration_changes_no_prediction() -> None:
    plain = PREDICTOR.observe(GAPPY, PREDICTOR.zero_context())
    watched = WATCHING.observe(GAPPY, WATCHING.zero_context())
    np.testing.assert_allclose(watched.predictions, plain.predictions, rtol=0, atol=1e-6 * SCALED_UNIT)
    np.testing.assert_allclose(watched.context[:, :10], plain.context, rtol=0, atol=1e-6)


def test_a_context_has_room_for_errors_and_for_what_is_learned() -> None:
    assert PREDICTOR.context_size == 10
    assert WATCHING.context_size == 10 + state_size(2)
    assert ADAPTING.context_size > WATCHING.context_size
    for predictor in (WATCHING, ADAPTING):
        context = predictor.zero_context(3)
        assert context.shape == (3, predictor.context_size)
        assert context.dtype == np.float32
        np.testing.assert_array_equal(context[0], context[2])
        assert not context[:, :10].any()
        assert context[:, 10:].any()  # the checkpoint's quantiles


def test_a_context_can_be_taken_to_a_predictor_that_adapts_and_back() -> None:
    watched, adapted = (one.observe(VALUES, one.zero_context()).context for one in (WATCHING, ADAPTING))
    size = WATCHING.context_size
    begun = ADAPTING.fitted(watched)
    np.testing.assert_array_equal(begun[:, :size], watched)
    np.testing.assert_array_equal(begun[:, size:], ADAPTING.zero_context()[:, size:])
    np.testing.assert_array_equal(WATCHING.fitted(adapted), adapted[:, :size])
    assert ADAPTING.fitted(adapted) is adapted
    assert WATCHING.fitted(watched) is watched
    assert ADAPTING.fitted(np.repeat(watched, 4, axis=0)).shape == (4, ADAPTING.context_size)
    ADAPTING.observe(VALUES, begun)


@pytest.mark.parametrize("predictor", [WATCHING, ADAPTING], ids=["watching", "adapting"])
@pytest.mark.parametrize(
    "size", [0, 10, WATCHING.context_size - 1, WATCHING.context_size + 1, ADAPTING.context_size + 1]
)
def test_a_context_of_another_checkpoint_is_refused(predictor: Predictor, size: int) -> None:
    with pytest.raises(ValueError, match=f"a context of {size} numbers; this model's have {predictor.context_size}"):
        predictor.fitted(np.zeros((1, size), dtype=np.float32))


def test_what_is_said_of_errors_is_of_every_value_and_target() -> None:
    streams = np.random.default_rng(1).normal(15, 5, size=(3, 9, 2))
    observed = WATCHING.observe(streams, WATCHING.zero_context(3))
    assert [part.shape for part in arrays(observed)] == [(3, 9, 2)] * 6
    assert {part.dtype for part in arrays(observed)} == {np.dtype(np.float64)}
    of_one = Predictor(CHECKPOINT.weights, CHECKPOINT.scaler, "cpu", 1, calibration(1))
    observed_one = of_one.observe(streams, of_one.zero_context(3))
    for one, both in zip(arrays(observed_one), arrays(observed), strict=True):
        np.testing.assert_allclose(one, both[..., :1], rtol=0, atol=1e-5)


def test_errors_are_those_of_the_predictions_in_scaled_units() -> None:
    observed = WATCHING.observe(VALUES, WATCHING.zero_context())
    watch = watch_of(WATCHING, VALUES)
    missed = np.abs(VALUES[:, 1:] - observed.predictions[:, :-1]) / SCALES
    np.testing.assert_allclose(watch.error[:, 1:], missed, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(watch.naive[:, 1:], np.abs(np.diff(VALUES, axis=1)) / SCALES, rtol=1e-4, atol=1e-5)
    for part in (watch.anomaly, watch.error, watch.naive):
        assert np.isnan(part[:, 0]).all()
        assert np.isfinite(part[:, 1:]).all()


def test_intervals_are_in_raw_units_and_as_wide_as_asked() -> None:
    observed = WATCHING.observe(VALUES[:, :1], WATCHING.zero_context())
    for level, score in ((None, 1.6449), (0.9, 1.6449), (0.5, 0.6745)):
        watch = watch_of(WATCHING, VALUES[:, :1], level)
        np.testing.assert_allclose(watch.upper - observed.predictions, [[score * SCALES]], rtol=1e-2)
        np.testing.assert_allclose(observed.predictions - watch.lower, [[score * SCALES]], rtol=1e-2)
    other = replace(CHECKPOINT, calibration=calibration(2, level=0.5)).predictor("cpu")
    np.testing.assert_array_equal(watch_of(other, VALUES).upper, watch_of(WATCHING, VALUES, 0.5).upper)


def test_bounds_hold_the_value_that_comes_next() -> None:
    """The p-value of a value is below 1 - level exactly if it lies outside the interval told before."""
    watch = watch_of(WATCHING, VALUES)
    inside = (watch.lower[:, :-1] <= VALUES[:, 1:]) & (VALUES[:, 1:] <= watch.upper[:, :-1])
    assert inside.any()
    assert not inside.all()
    np.testing.assert_array_equal(inside, watch.anomaly[:, 1:] >= 0.1)


def test_a_forecast_begins_with_the_interval_told_last() -> None:
    context = WATCHING.observe(GAPPY, WATCHING.zero_context()).context
    for level in (None, 0.5, 0.999):
        watch, forecast = watch_of(WATCHING, GAPPY, level), WATCHING.forecast(context, 4, level)
        assert forecast.lower is not None
        assert forecast.upper is not None
        assert forecast.lower.shape == forecast.upper.shape == forecast.path.shape == (1, 4, 2)
        np.testing.assert_allclose(forecast.lower[:, 0], watch.lower[:, -1], rtol=1e-5)
        np.testing.assert_allclose(forecast.upper[:, 0], watch.upper[:, -1], rtol=1e-5)
        assert (np.diff(forecast.upper - forecast.lower, axis=1) > 0).all()


def test_without_a_scale_of_the_stream_there_are_no_intervals() -> None:
    checkpoint = replace(random_checkpoint(features=2, per_stream_scale=True), calibration=calibration(2))
    predictor = checkpoint.predictor("cpu")
    watch = watch_of(predictor, VALUES)
    assert np.isnan(watch.lower[:, 0]).all()
    assert np.isfinite(watch.lower[:, 1:]).all()
    assert np.isfinite(watch.upper[:, 1:]).all()
    assert np.isnan(watch.anomaly[:, :2]).all()
    assert np.isfinite(watch.anomaly[:, 2:]).all()
    forecast, condition = predictor.forecast(predictor.zero_context(), 3), predictor.condition(predictor.zero_context())
    assert forecast.lower is not None
    assert condition is not None
    assert np.isnan(forecast.lower).all()
    assert np.isnan(condition.error).all()


def test_an_alarm_is_told_by_its_age_and_by_how_long_it_is_over() -> None:
    context, told = WATCHING.zero_context(), []
    for value in (*VALUES[0, :5], np.array([1e4, np.nan]), np.full(2, np.nan)):
        context = WATCHING.observe(value[None, None], context).context
        told.append(WATCHING.alarm(context))
    assert told == [(0, 0)] * 5 + [(1, 0), (2, 0)]
    assert ADAPTING.alarm(ADAPTING.fitted(context)) == (2, 0)
    context[:, -2:] = 40, 7
    assert WATCHING.alarm(context) == (40, 7)


def test_fewer_alarms_are_raised_where_fewer_are_asked_for() -> None:
    """A value at five standard deviations is too unlikely for one alarm in 100 steps, not for one in a million."""
    context = WATCHING.observe(VALUES[:, :1], WATCHING.zero_context()).context
    value = WATCHING.forecast(context, 1).path + 5 * SCALES
    told = []
    for rate in (1e-2, 1e-6):
        predictor = CALIBRATED.predictor("cpu", alarm_rate=rate)
        told.append(predictor.alarm(predictor.observe(value, context).context))
    assert told == [(1, 0), (0, 0)]


def test_the_condition_is_in_raw_units() -> None:
    condition = WATCHING.condition(WATCHING.zero_context())
    assert condition is not None
    np.testing.assert_allclose(condition.error, np.sqrt(2 / np.pi) * SCALES, rtol=1e-5)
    np.testing.assert_allclose(condition.width, 2 * 1.644854 * SCALES, rtol=1e-5)
    shaken = WATCHING.condition(WATCHING.observe(GAPPY, WATCHING.zero_context()).context)
    assert shaken is not None
    assert (shaken.error > 1.05 * condition.error).all()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_cuda_where_there_is_none_is_refused() -> None:
    with pytest.raises(DeviceError, match="use cpu or auto"):
        CHECKPOINT.predictor("cuda")
    assert CHECKPOINT.predictor("auto").device == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("options", [{}, {"taps": (1, 3), "residual": True}, {"taps": (2,), "per_stream_scale": True}])
@pytest.mark.parametrize("known", [None, calibration(2)], ids=["plain", "watching"])
@pytest.mark.parametrize("adapt", [False, True])
def test_cuda_agrees_with_the_cpu(options: dict[str, Any], known: Calibration | None, adapt: bool) -> None:
    checkpoint = replace(random_checkpoint(2, 5, num_layers=2, **options), calibration=known)
    cpu, gpu = (checkpoint.predictor(device, adapt=adapt) for device in ("cpu", "cuda"))
    expected, observed = (one.observe(VALUES, one.zero_context()) for one in (cpu, gpu))
    for found, wanted in zip(arrays(observed), arrays(expected), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * SCALED_UNIT)
    np.testing.assert_allclose(observed.context, expected.context, rtol=1e-5, atol=1e-5)
    forecast, same = (one.forecast(expected.context, 5) for one in (gpu, cpu))
    np.testing.assert_allclose(forecast.path, same.path, rtol=0, atol=1e-5 * SCALED_UNIT)
    if known is not None:
        assert forecast.lower is not None
        assert same.lower is not None
        np.testing.assert_allclose(forecast.lower, same.lower, rtol=1e-5, atol=1e-5 * SCALED_UNIT)
