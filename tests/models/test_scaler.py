import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Scaler, ValueRangeError


def test_it_is_fitted_without_the_missing_values() -> None:
    values = np.random.default_rng(0).normal((2.0, 20.0), (1.0, 10.0), size=(200, 2))
    gappy = np.insert(values, [0, 70, 70, 200], np.nan, axis=0)
    assert Scaler.fit(gappy) == Scaler.fit(values)
    assert Scaler.fit(values).mean == pytest.approx((2.0, 20.0), rel=0.05)
    assert Scaler.fit(values).scale == pytest.approx((1.0, 10.0), rel=0.15)


def test_the_highest_and_the_lowest_twentieth_count_as_their_bounds() -> None:
    values = np.arange(101.0)[:, None]
    drawn_in = np.clip(values, 5, 95)
    scaler = Scaler.fit(values)
    assert scaler.mean == pytest.approx((50.0,))
    assert scaler.scale == pytest.approx((drawn_in.std(),))


@pytest.mark.parametrize("absurd", [1e9, -1e30])
def test_no_outlier_decides_the_scale(absurd: float) -> None:
    values = np.random.default_rng(0).normal(size=(300, 1))
    clean = Scaler.fit(values)
    values[77] = absurd
    fitted = Scaler.fit(values)
    assert fitted.mean == pytest.approx(clean.mean, abs=0.05)
    assert fitted.scale == pytest.approx(clean.scale, rel=0.05)


def test_where_only_outliers_vary_they_all_count() -> None:
    values = np.zeros((100, 2))
    values[7] = 10, 10
    values[:, 1] += np.arange(100)
    fitted = Scaler.fit(values)
    assert fitted.scale[0] == pytest.approx(values[:, 0].std())
    assert fitted.mean[0] == pytest.approx(0.1)


def test_a_stream_of_any_size_keeps_its_digits_where_the_feature_is_only_scaled() -> None:
    for size in (1e-6, 1.0, 1e6):
        raw = Scaler(mean=(0.0,), scale=(3.0,)).raw(np.array([[0.123456789 * size]], dtype=np.float32))
        assert raw[0, 0] == pytest.approx(3 * 0.123456789 * size, rel=2e-7)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_scaling_there_and_back_gives_the_value(values: list[float]) -> None:
    scaler = Scaler(mean=(123.0,), scale=(45.0,))
    raw = np.array(values)[:, None]
    np.testing.assert_allclose(scaler.raw(scaler.scaled(raw)), raw, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-100, 1e-9, 0.5, 37.1, 1e12])
def test_raw_values_are_exact_to_a_tenth_of_a_millionth_of_the_scale(scale: float) -> None:
    scaled = np.array([[0.123456789], [-2.5]], dtype=np.float32)
    raw = Scaler(mean=(scale,), scale=(scale,)).raw(scaled)
    np.testing.assert_allclose(raw / scale, scaled.astype(float) + 1, rtol=0, atol=1e-7)


def test_raw_values_are_short() -> None:
    raw = Scaler(mean=(50.0,), scale=(37.1,)).raw(np.array([[0.123456789]], dtype=np.float32))
    assert str(raw[0, 0]) == "54.580247"


def test_missing_stays_missing() -> None:
    assert np.isnan(Scaler.identity(1).scaled(np.array([[np.nan]]))).all()


def test_a_value_that_float32_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueRangeError, match="float32"):
        Scaler.identity(1).scaled(np.array([[1e300]]))


@pytest.mark.parametrize(("mean", "scale"), [((0.0,), (0.0,)), ((float("nan"),), (1.0,)), ((0.0, 0.0), (1.0,))])
def test_a_scaler_that_cannot_scale_is_refused(mean: tuple[float, ...], scale: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="scale"):
        Scaler(mean, scale)
