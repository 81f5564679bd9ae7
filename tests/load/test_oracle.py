"""The oracle agrees with a right service, however a series is cut, and names what a wrong one does."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.conftest import random_checkpoint
from tests.load.oracle import LENGTH, Oracle, Stream


def answer_of(stream: Stream, count: int) -> dict[str, Any]:
    """What a right service says to the next observations."""
    stream.take(count)
    last = slice(stream.step - count, stream.step)
    told = {name: array(part[last]) for name, part in stream.told.items()}
    return told | {
        "predictions": stream.predictions[last].squeeze(-1).tolist(),
        "session_id": stream.session_id,
        "step": stream.step,
        "model": stream.oracle.model,
    }


def array(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values[:, 0]]


@pytest.fixture(params=[False, True], ids=["plain", "calibrated"])
def stream(request: pytest.FixtureRequest) -> Stream:
    return next(Oracle(random_checkpoint(calibrated=request.param)).streams())


@pytest.mark.parametrize("features", [1, 2])
def test_a_series_is_sent_completely_and_in_order(features: int) -> None:
    stream = next(Oracle(random_checkpoint(features)).streams())
    sent: list[Any] = []
    while not stream.exhausted:
        sent += stream.take(7)
    assert stream.step == LENGTH
    np.testing.assert_array_equal(np.array(sent, dtype=float).reshape(-1, features), stream.values)


def test_every_stream_is_another(stream: Stream) -> None:
    other = next(stream.oracle.streams())
    assert other.session_id != stream.session_id
    assert not np.array_equal(other.values, stream.values)


@pytest.mark.parametrize("features", [1, 2])
def test_forecasts_start_from_everything_sent(features: int) -> None:
    """A right answer, computed step by step, is found right wherever it is asked for."""
    oracle = Oracle(random_checkpoint(features))
    stream, predictor = next(oracle.streams()), oracle.predictor
    context = predictor.zero_context()
    for count in (1, 5, 300):
        before = stream.step
        stream.take(count)
        for t in range(before, stream.step):
            context = predictor.observe(stream.values[None, t : t + 1], context).context
        answer = {
            "forecast": predictor.forecast(context, 4).path[0].tolist(),
            "step": stream.step,
            "model": oracle.model,
        }
        assert stream.fault_in_forecast(answer, 4) is None
        assert stream.fault_in_forecast({**answer, "forecast": answer["forecast"][:3]}, 4) == "wrong prediction"


def test_a_right_answer_has_no_fault(stream: Stream) -> None:
    assert stream.fault_in_prediction(answer_of(stream, 1), 1) is None
    assert stream.fault_in_prediction(answer_of(stream, 5), 5) is None


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"predictions": None}, "wrong prediction"),
        ({"predictions": [None, None]}, "wrong prediction"),
        ({"predictions": [0.0]}, "wrong prediction"),
        ({"predictions": [[0.0], 0.0]}, "wrong prediction"),
        ({"predictions": "12"}, "wrong prediction"),
        ({"step": 3}, "wrong step"),
        ({"session_id": "another"}, "wrong session"),
        ({"model": "another"}, "wrong model"),
    ],
)
def test_a_wrong_answer_is_named(stream: Stream, change: Mapping[str, Any], fault: str) -> None:
    assert stream.fault_in_prediction({**answer_of(stream, 2), **change}, 2) == fault


@pytest.mark.parametrize("name", ["lower", "upper", "anomaly"])
def test_a_wrong_interval_is_named(name: str) -> None:
    stream = next(Oracle(random_checkpoint(calibrated=True)).streams())
    answer_of(stream, 3)
    right = answer_of(stream, 2)
    missing = {key: value for key, value in right.items() if key != name}
    for wrong in ({**right, name: [0.123, 0.456]}, {**right, name: [None, None]}, {**right, name: "1"}, missing):
        assert stream.fault_in_prediction(wrong, 2) == "wrong interval"
    assert stream.fault_in_prediction(right, 2) is None


def test_an_interval_that_nobody_can_know_is_wrong() -> None:
    stream = next(Oracle(random_checkpoint()).streams())
    assert stream.fault_in_prediction({**answer_of(stream, 1), "lower": [0.0]}, 1) == "wrong interval"


def test_a_small_deviation_is_tolerated_and_a_larger_one_is_not(stream: Stream) -> None:
    """The tolerance is in scaled units: this checkpoint's scale is 4."""
    answer = answer_of(stream, 1)
    right = answer["predictions"][0]
    assert stream.fault_in_prediction({**answer, "predictions": [right + 3e-5]}, 1) is None
    assert stream.fault_in_prediction({**answer, "predictions": [right + 5e-5]}, 1) == "wrong prediction"
