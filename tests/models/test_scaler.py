import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Scaler, ValueRangeError


def test_it_is_fitted_without_the_missing_values() -> None:
    scaler = Scaler.fit(np.array([[1.0, 10.0], [3.0, np.nan], [np.nan, 30.0]]))
    assert scaler == Scaler(mean=(2.0, 20.0), scale=(1.0, 10.0))


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
