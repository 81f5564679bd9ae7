"""The compiled step against the one in PyTorch; what both must do is said in test_predictor.py and test_monitor.py."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit
from scipy.special import erfc

from models import Calibration, Checkpoint, Predictor, Scaler, kernels
from models.cell import tanh
from models.decimals import power, rareness, to_p, to_raw
from models.lanes import WIDTH, address, fixed, load, store, whole_numbers
from models.plan import plan_of
from models.predictor import FAILED_NUMBER, FAILED_RANGE, NUMBERS, Advanced, Context, Values
from tests.conftest import random_checkpoint
from tests.models.examples import NORMAL, SKEWED, calibration

OPTIONS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"nonlinearity": "relu", "num_layers": 2},
    {"num_layers": 3},
    {"taps": (1, 3, 7)},
    {"residual": True},
    {"taps": (2, 30), "residual": True, "num_layers": 2},
    {"per_stream_scale": True},
    {"per_stream_scale": True, "taps": (1, 12), "residual": True, "num_layers": 2, "bias": False},
]
SETTLING = (3.0, 2.0, 1.5, 1.2, 1.0)
STREAMS, STEPS = 5, 60


def knowing(checkpoint: Checkpoint, targets: int, **options: Any) -> Checkpoint:
    """With a calibration for the first targets."""
    return replace(checkpoint, targets=targets, calibration=calibration(targets, settling=SETTLING, **options))


def both(checkpoint: Checkpoint) -> tuple[Predictor, Predictor]:
    """The compiled predictor and the reference."""
    return checkpoint.predictor("cpu"), checkpoint.predictor("cpu", kernel=False)


def streams(features: int, count: int = STREAMS, steps: int = STEPS) -> Values:
    """With gaps, outliers and a shift."""
    generator = np.random.default_rng(features)
    values = generator.normal(10.0 + 10 * np.arange(features), 6, size=(count, steps, features))
    values[generator.random(values.shape) < 0.1] = np.nan
    values[1 % count, steps // 2 :] += 30
    values[0, steps // 3] = 60
    return values


def advanced(
    predictor: Predictor, values: Values, context: Context, level: float | None = None
) -> tuple[Advanced, Context]:
    slab, rows = context.copy(), np.arange(len(context))
    return predictor.advance(values, slab, rows, rows, level), slab


def check_equal(checkpoint: Checkpoint, values: Values, level: float | None = None) -> None:
    kernel, reference = both(checkpoint)
    start = kernel.zero_context(len(values))
    (found, context), (wanted, expected) = (advanced(one, values, start, level) for one in (kernel, reference))
    np.testing.assert_array_equal(found.failed, wanted.failed)
    scales = np.array(checkpoint.scaler.scale[: kernel.targets])
    told, known = (dict(zip(NUMBERS, one.numbers, strict=False)) for one in (found, wanted))
    for name in told.keys() & {"predictions", "lower", "upper"}:  # float32 of a wild value has fewer decimals
        np.testing.assert_array_equal(np.isnan(told[name]), np.isnan(known[name]))
        size = np.maximum(1.0, np.abs(known[name] - checkpoint.scaler.mean[: kernel.targets]) / scales)
        tolerance = 1e-6 if name == "predictions" else 2e-6
        assert np.nanmax(np.abs(told[name] - known[name]) / scales / size, initial=0.0) < tolerance, name
    for name in known.keys() & {"error", "naive"}:
        np.testing.assert_allclose(told[name], known[name], rtol=1e-5, atol=2e-6)
    if "anomaly" in known:
        np.testing.assert_allclose(told["anomaly"], known["anomaly"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(context, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("features", "targets", "hidden_size"), [(1, 1, 6), (3, 3, 16), (3, 2, 37)])
@pytest.mark.parametrize("known", [False, True], ids=["plain", "watching"])
def test_it_is_the_step_in_torch(
    options: dict[str, Any], features: int, targets: int, hidden_size: int, known: bool
) -> None:
    checkpoint = random_checkpoint(features, hidden_size, **options)
    checkpoint = knowing(checkpoint, targets) if known else replace(checkpoint, targets=targets)
    check_equal(checkpoint, streams(features))


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.998, 0.999, 0.9999])
@pytest.mark.parametrize(("quantiles", "tail"), [(NORMAL, (0.1, 0.001)), (SKEWED, (0.1, 0.3)), (SKEWED, (0.07, -0.12))])
def test_it_is_so_at_every_level_and_for_errors_of_every_shape(
    level: float, quantiles: tuple[float, ...], tail: tuple[float, float]
) -> None:
    check_equal(knowing(random_checkpoint(2), 2, quantiles=quantiles, tail=tail), streams(2), level)


@pytest.mark.parametrize("mean", [(0.0, 0.0), (0.0, 20.0)])
def test_what_is_only_scaled_keeps_significant_digits(mean: tuple[float, float]) -> None:
    checkpoint = random_checkpoint(2, per_stream_scale=True)
    checkpoint = knowing(replace(checkpoint, scaler=Scaler(mean, (1.0, 1e6))), 2)
    values = streams(2) * [1e-5, 1e3]
    kernel, reference = both(checkpoint)
    found, wanted = (one.observe(values, one.zero_context(STREAMS)) for one in (kernel, reference))
    np.testing.assert_allclose(found.predictions, wanted.predictions, rtol=3e-5, atol=1e-12)
    digits = [np.format_float_scientific(abs(x), trim="-").split("e")[0] for x in found.predictions[..., 0].ravel()]
    assert max(map(len, digits)) <= 10


def test_the_ends_of_float32_are_told_as_in_torch() -> None:
    wild = np.array([10.0, 1e30, -1e30, 12.0, 1e38, 9.0, 1e300, 10.0])[None, :, None]
    kernel, reference = both(knowing(random_checkpoint(), 1))
    for steps in (3, 6, 8):
        start = kernel.zero_context()
        found, wanted = (advanced(one, wild[:, :steps], start)[0].failed for one in (kernel, reference))
        np.testing.assert_array_equal(found, wanted)


def check_same(predictor: Predictor, values: Values, cuts: set[int]) -> None:
    whole, expected = advanced(predictor, values, predictor.zero_context(len(values)))
    context, parts = predictor.zero_context(len(values)), []
    for start, end in pairwise([0, *sorted(cuts), values.shape[1]]):
        told, context = advanced(predictor, np.ascontiguousarray(values[:, start:end]), context)
        parts.append(told.numbers)
    np.testing.assert_array_equal(np.concatenate(parts, axis=2), whole.numbers)
    np.testing.assert_array_equal(context, expected)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("features", [1, 3])
def test_how_a_stream_is_cut_changes_no_bit(options: dict[str, Any], features: int) -> None:
    predictor, _ = both(knowing(random_checkpoint(features, 21, **options), features))
    values = streams(features)
    check_same(predictor, values, set(range(1, STEPS)))
    check_same(predictor, values, {1, 8, 25, 42, 43})


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_place_in_a_batch_changes_no_bit(options: dict[str, Any]) -> None:
    predictor, _ = both(knowing(random_checkpoint(2, 21, **options), 2))
    values = streams(2)
    values[2, 5] = 1e300  # this one fails
    together, contexts = advanced(predictor, values, predictor.zero_context(STREAMS))
    assert together.failed.tolist() == [0, 0, FAILED_RANGE, 0, 0]
    for stream in (0, 1, 3, 4):
        alone, context = advanced(predictor, values[stream : stream + 1], predictor.zero_context())
        np.testing.assert_array_equal(together.numbers[:, stream], alone.numbers[:, 0])
        np.testing.assert_array_equal(contexts[stream], context[0])


def exploding() -> Checkpoint:
    """A value above 1,000 brings it to infinity."""
    checkpoint = random_checkpoint(nonlinearity="relu", bias=False)
    for weight in checkpoint.weights.arrays.values():
        weight.fill(1e12)
    return checkpoint


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize("known", [False, True], ids=["plain", "watching"])
def test_rows_are_scattered_and_fail_one_by_one(kernel: bool, known: bool) -> None:
    checkpoint = knowing(exploding(), 1) if known else exploding()
    predictor = both(checkpoint)[0 if kernel else 1]
    slab = predictor.slab(9)
    assert isinstance(slab, np.ndarray)
    slab[:] = predictor.zero_context(9)
    before = slab.copy()
    values = np.array([[10.0], [1e300], [1e30], [10.0]])[:, :, None]
    rows, after = np.array([0, 3, 4, 0]), np.array([7, 3, 5, 2])
    told = predictor.advance(values, slab, rows, after)
    assert told.numbers.shape == (len(NUMBERS) if known else 1, 4, 1, 1)
    assert told.failed.tolist() == [0, FAILED_RANGE, FAILED_NUMBER, 0]
    changed = (slab != before).any(axis=1) if known else np.zeros(9, dtype=bool)
    assert np.flatnonzero(changed).tolist() == ([2, 7] if known else [])
    np.testing.assert_array_equal(slab[2], slab[7])


@pytest.mark.parametrize("kernel", [True, False])
def test_a_context_is_read_in_one_row_and_written_to_another(kernel: bool) -> None:
    checkpoint = knowing(random_checkpoint(2, taps=(1, 3)), 2)
    predictor = both(checkpoint)[0 if kernel else 1]
    values = streams(2)
    expected, contexts = advanced(predictor, values, predictor.zero_context(STREAMS))
    slab = predictor.slab(STREAMS + 1)
    assert isinstance(slab, np.ndarray)
    slab[:1] = predictor.zero_context()
    told = predictor.advance(values, slab, np.zeros(STREAMS, dtype=np.int64), np.arange(STREAMS, 0, -1))
    np.testing.assert_array_equal(told.numbers, expected.numbers)
    np.testing.assert_array_equal(slab[:0:-1], contexts)


def test_there_is_no_row_beyond_the_slab() -> None:
    predictor, _ = both(random_checkpoint())
    slab, inside = predictor.slab(3), np.array([1])
    for outside in (np.array([3]), np.array([-1])):
        for rows, after in ((outside, inside), (inside, outside)):
            with pytest.raises(IndexError):
                predictor.advance(np.zeros((1, 1, 1)), slab, rows, after)
    for values in (np.zeros((1, 1, 2)), np.zeros((2, 1, 1))):
        with pytest.raises(ValueError, match="do not fit"):
            predictor.advance(values, slab, inside, inside)


def test_values_may_lie_in_memory_as_they_like() -> None:
    predictor, _ = both(random_checkpoint(2))
    values = streams(2)
    frozen = values.copy()
    frozen.flags.writeable = False
    expected, _ = advanced(predictor, values, predictor.zero_context(STREAMS))
    for same in (np.asfortranarray(values), frozen):
        told, _ = advanced(predictor, same, predictor.zero_context(STREAMS))
        np.testing.assert_array_equal(told.numbers, expected.numbers)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_runs_free_as_torch_does(options: dict[str, Any]) -> None:
    kernel, reference = both(knowing(random_checkpoint(2, 21, **options), 2))
    _, context = advanced(reference, streams(2), reference.zero_context(STREAMS))
    found, wanted = (one.forecast(context, 30, 0.8) for one in (kernel, reference))
    scale = kernel.scaler.scale
    sizes = np.maximum(1.0, np.abs(wanted.path / scale))
    for ours, theirs in ((found.path, wanted.path), (found.lower, wanted.lower), (found.upper, wanted.upper)):
        assert ours is not None
        assert theirs is not None
        assert (np.abs(ours - theirs) / scale / sizes).max() < 3e-6


@njit
def each(x: Any, y: Any) -> None:
    for i in range(0, len(x), WIDTH):
        store(address(y), i, tanh(load(address(x), i)))


def test_tanh_is_right_to_six_units_in_the_last_place() -> None:
    x = np.concatenate((np.linspace(-12, 12, 400_000), np.logspace(-36, 38, 99_984), [0.0] * 16)).astype(np.float32)
    y = np.empty_like(x)
    each(x, y)
    exact = np.tanh(x.astype(np.float64))
    assert (np.abs(y - exact) <= 6 * np.spacing(np.abs(exact).astype(np.float32))).all()
    x[:3] = np.nan, np.inf, -np.inf
    each(x, y)
    np.testing.assert_allclose(y[:3], [np.nan, 1, -1], rtol=2e-7)


@njit
def rare(scores: Any, p: Any) -> None:
    for i in range(len(scores)):
        p[i] = rareness(scores[i])


def test_p_values_of_scores_are_right_to_nine_digits() -> None:
    scores = np.linspace(-7.1, 7.1, 100_001)
    p = np.empty_like(scores)
    rare(scores, p)
    np.testing.assert_allclose(p, erfc(np.abs(scores) / 2**0.5), rtol=1e-8)


@njit
def told(scores: Any) -> None:
    to_p(address(scores), 0, len(scores))


def test_p_values_are_told_in_six_digits() -> None:
    scores = np.concatenate((np.linspace(0, 7, 1001), [np.nan]))
    p = scores.copy()
    told(p)
    exact = erfc(scores / 2**0.5)
    np.testing.assert_allclose(p, exact, rtol=5.1e-6)
    assert all(float(f"{number:.5e}") == pytest.approx(number, rel=1e-15) for number in p[:-1])


@njit
def rounded(plan: Any, numbers: Any, steps: int) -> bool:
    finite: bool = to_raw(whole_numbers(plan), fixed(plan), address(numbers), 0, steps)
    return finite


@pytest.mark.parametrize("scaler", [Scaler((10.0, -3e5), (4.0, 1e4)), Scaler((0.0, 5.0), (1e-9, 3.0))])
def test_raw_units_are_rounded_as_the_scaler_does(scaler: Scaler) -> None:
    plan, _ = plan_of(random_checkpoint(2).weights, scaler, 2, None)
    scaled = np.random.default_rng(0).standard_cauchy(size=(1000, 2)).astype(np.float32)
    scaled[:6, 0] = 0.0, 1.0, 10.0, 1e30, 1e-30, np.nan
    numbers = scaled.astype(np.float64)
    assert not rounded(plan, numbers, 1000)  # one is NaN
    np.testing.assert_allclose(numbers, scaler.raw(scaled), rtol=1e-15)
    assert rounded(plan, numbers[6:].copy(), 994)


@njit
def powers() -> Any:
    return [power(exponent) for exponent in range(-100, 110)]


def test_powers_of_ten_are_those_of_numpy() -> None:
    np.testing.assert_array_equal(powers(), 10.0 ** np.arange(-100, 110))


def test_a_calibration_of_another_level_is_used_where_none_is_asked_for() -> None:
    known: Calibration = calibration(1, level=0.5)
    kernel, reference = both(replace(random_checkpoint(), calibration=known))
    found, wanted = (one.observe(streams(1), one.zero_context(STREAMS)).watch for one in (kernel, reference))
    assert found is not None
    assert wanted is not None
    np.testing.assert_allclose(found.upper, wanted.upper, rtol=1e-6, atol=2e-5)


def test_what_is_compiled_anew_when_it_changes_is_all_that_is_compiled() -> None:
    """Numba looks at one file only: the others are named."""
    folder = Path(kernels.__file__).parent
    for name in ("cell", "decimals", "memory", "surprise"):
        used = set(re.findall(r"^from models\.(\w+) import", (folder / f"{name}.py").read_text(), re.MULTILINE))
        assert {name} | used <= set(kernels.SOURCES)


def test_it_is_compiled_once_for_all_networks() -> None:
    for options in OPTIONS:
        predictor, _ = both(random_checkpoint(2, 5, **options))
        advanced(predictor, streams(2), predictor.zero_context(STREAMS))
    assert len(kernels.compiled().signatures) == 1
