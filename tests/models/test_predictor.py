from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import DeviceError, NumericalError, Predictor, ValueRangeError
from tests.conftest import random_checkpoint

CHECKPOINT = random_checkpoint(features=2, hidden_size=5, num_layers=2)
PREDICTOR = CHECKPOINT.predictor("cpu")
SCALED_UNIT = 4.0  # the smaller scale of the checkpoint
VALUES = np.random.default_rng(0).normal(15, 5, size=(1, 30, 2))


def test_predictions_are_in_raw_units() -> None:
    predictions, _ = PREDICTOR.observe(VALUES, PREDICTOR.zero_context())
    scaled = torch.from_numpy(CHECKPOINT.scaler.scaled(VALUES))
    with torch.no_grad():
        outputs, _ = CHECKPOINT.network.scan(scaled, torch.zeros(1, 10))
    np.testing.assert_allclose(predictions, outputs.numpy() * [4.0, 5.0] + [10.0, 20.0], rtol=1e-6)


@given(cuts=st.sets(st.integers(1, 29), max_size=6))
def test_how_a_stream_is_cut_does_not_change_a_single_bit(cuts: set[int]) -> None:
    whole, last = PREDICTOR.observe(VALUES, PREDICTOR.zero_context())
    context, parts = PREDICTOR.zero_context(), []
    for start, end in pairwise([0, *sorted(cuts), 30]):
        predictions, context = PREDICTOR.observe(VALUES[:, start:end], context)
        parts.append(predictions)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    np.testing.assert_array_equal(context, last)


def test_a_batch_of_contexts_equals_one_stream_at_a_time() -> None:
    streams = np.random.default_rng(1).normal(15, 5, size=(7, 9, 2))
    together, contexts = PREDICTOR.observe(streams, PREDICTOR.zero_context(7))
    for stream in range(7):
        alone, context = PREDICTOR.observe(streams[stream : stream + 1], PREDICTOR.zero_context())
        np.testing.assert_allclose(together[stream], alone[0], rtol=0, atol=1e-6 * SCALED_UNIT)
        np.testing.assert_allclose(contexts[stream], context[0], rtol=0, atol=1e-6)


def test_the_context_given_is_not_changed() -> None:
    _, context = PREDICTOR.observe(VALUES, PREDICTOR.zero_context())
    before = context.copy()
    PREDICTOR.observe(VALUES, context)
    PREDICTOR.forecast(context, 5)
    np.testing.assert_array_equal(context, before)


def test_a_forecast_feeds_its_predictions_back() -> None:
    predictions, context = PREDICTOR.observe(VALUES, PREDICTOR.zero_context())
    forecast = PREDICTOR.forecast(context, 4)
    np.testing.assert_allclose(forecast[:, 0], predictions[:, -1])
    fed_back, _ = PREDICTOR.observe(forecast[:, :3], context)
    np.testing.assert_allclose(forecast[:, 1:], fed_back, rtol=0, atol=1e-5)


def test_a_forecast_is_the_stream_of_missing_values() -> None:
    _, context = PREDICTOR.observe(VALUES, PREDICTOR.zero_context())
    missing, _ = PREDICTOR.observe(np.full((1, 3, 2), np.nan), context)
    np.testing.assert_allclose(PREDICTOR.forecast(context, 4)[:, 1:], missing, rtol=0, atol=1e-6 * SCALED_UNIT)


def test_an_observation_out_of_range_is_refused() -> None:
    with pytest.raises(ValueRangeError):
        PREDICTOR.observe(np.full((1, 1, 2), 1e300), PREDICTOR.zero_context())


def test_a_result_that_is_not_finite_is_an_error() -> None:
    checkpoint = random_checkpoint(nonlinearity="relu")
    with torch.no_grad():
        for weight in checkpoint.network.parameters():
            weight.fill_(1e30)
    predictor = checkpoint.predictor("cpu")
    with pytest.raises(NumericalError):
        predictor.observe(np.full((1, 5, 1), 1e6), predictor.zero_context())


def test_predictors_of_one_checkpoint_do_not_share_their_network() -> None:
    assert Predictor(CHECKPOINT.network, CHECKPOINT.scaler, "cpu").network is not CHECKPOINT.network


def test_only_the_targets_are_told() -> None:
    """The other features are observed, and predicted only to go on with."""
    predictor = Predictor(CHECKPOINT.network, CHECKPOINT.scaler, "cpu", targets=1)
    predictions, context = predictor.observe(VALUES, predictor.zero_context())
    expected, same = PREDICTOR.observe(VALUES, PREDICTOR.zero_context())
    np.testing.assert_array_equal(predictions, expected[..., :1])
    np.testing.assert_array_equal(context, same)
    np.testing.assert_array_equal(predictor.forecast(context, 5), PREDICTOR.forecast(context, 5)[..., :1])


def test_a_context_has_room_for_past_inputs_and_the_running_scale() -> None:
    checkpoint = random_checkpoint(features=2, hidden_size=5, taps=(1, 3), residual=True, per_stream_scale=True)
    predictor = checkpoint.predictor("cpu")
    assert predictor.zero_context(3).shape == (3, 5 + 6 + 5)
    predictions, context = predictor.observe(VALUES, predictor.zero_context())
    forecast = predictor.forecast(context, 4)
    np.testing.assert_allclose(forecast[:, 0], predictions[:, -1])
    missing, _ = predictor.observe(np.full((1, 3, 2), np.nan), context)
    np.testing.assert_allclose(forecast[:, 1:], missing, rtol=0, atol=1e-6 * SCALED_UNIT)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_cuda_where_there_is_none_is_refused() -> None:
    with pytest.raises(DeviceError, match="use cpu or auto"):
        CHECKPOINT.predictor("cuda")
    assert CHECKPOINT.predictor("auto").device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("options", [{}, {"taps": (1, 3), "residual": True}, {"taps": (2,), "per_stream_scale": True}])
def test_cuda_agrees_with_the_cpu(options: dict[str, Any]) -> None:
    checkpoint = random_checkpoint(features=2, hidden_size=5, num_layers=2, **options)
    cpu, gpu = checkpoint.predictor("cpu"), checkpoint.predictor("cuda")
    expected, context = cpu.observe(VALUES, cpu.zero_context())
    predictions, gpu_context = gpu.observe(VALUES, gpu.zero_context())
    np.testing.assert_allclose(predictions, expected, rtol=0, atol=1e-5 * SCALED_UNIT)
    np.testing.assert_allclose(gpu_context, context, rtol=0, atol=1e-5)
    np.testing.assert_allclose(gpu.forecast(context, 5), cpu.forecast(context, 5), rtol=0, atol=1e-5 * SCALED_UNIT)
