"""The oracle agrees with a right service, however a series is cut, and names what a wrong one does."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tests.conftest import random_checkpoint
from tests.load.oracle import Oracle, Wrong
from tests.load.streams import Stream


def oracle_of(features: int = 1, *, calibrated: bool = True) -> Oracle:
    return Oracle(random_checkpoint(features, calibrated=calibrated), series=8, length=64, seed=0)


def answer_of(stream: Stream, start: int, count: int) -> dict[str, Any]:
    """What a right service says to these observations, all at once."""
    series = stream.series
    answer: dict[str, Any] = {kind: part[start : start + count] for kind, part in series.parts.items()}
    if alarm := series.alarms[start + count - 1]:
        answer["alarm"] = {"start_step": alarm}
    return answer | {"step": start + count, "model": stream.oracle.model}


@pytest.fixture(params=[False, True], ids=["plain", "calibrated"])
def stream(request: pytest.FixtureRequest) -> Stream:
    return Stream(oracle_of(calibrated=request.param))


@pytest.mark.parametrize("features", [1, 2])
def test_a_series_fed_at_once_has_the_answers_that_are_known_step_by_step(features: int) -> None:
    oracle = oracle_of(features)
    predictor = oracle.predictor
    for series in oracle.series:
        observed = predictor.observe(series.raw[None], predictor.zero_context())
        assert observed.watch is not None
        for kind, numbers in (("predictions", observed.predictions), ("upper", observed.watch.upper)):
            np.testing.assert_array_equal(np.array(series.parts[kind], float).reshape(-1, features), numbers[0])


def test_series_differ_and_have_gaps_and_alarms() -> None:
    oracle = Oracle(random_checkpoint(calibrated=True), seed=0)
    assert len({str(series.values) for series in oracle.series}) == len(oracle.series)
    assert any(None in series.values for series in oracle.series)
    assert any(any(series.alarms) for series in oracle.series)


def test_every_stream_has_an_id_of_its_own(stream: Stream) -> None:
    others = [Stream(stream.oracle) for _ in range(1000)]
    assert len({other.session_id for other in (stream, *others)}) == 1001


def test_a_right_answer_is_right(stream: Stream) -> None:
    stream.check(answer_of(stream, 0, 1), 0, 1)
    stream.check(answer_of(stream, 3, 7), 3, 7)


def test_an_alarm_that_runs_has_to_be_told() -> None:
    stream = Stream(Oracle(random_checkpoint(calibrated=True), seed=0))
    stream.series = next(series for series in stream.oracle.series if any(series.alarms))
    at = next(step for step, alarm in enumerate(stream.series.alarms) if alarm)
    right = answer_of(stream, at, 1)
    stream.check(right, at, 1)
    for wrong in ({"start_step": at + 5}, None):
        with pytest.raises(Wrong) as caught:
            stream.check({**right, "alarm": wrong}, at, 1)
        assert caught.value.kind == "wrong alarm"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"predictions": None}, "wrong predictions"),
        ({"predictions": [None, None]}, "wrong predictions"),
        ({"predictions": [0.0]}, "wrong predictions"),
        ({"predictions": [[0.0], 0.0]}, "wrong predictions"),
        ({"predictions": "12"}, "wrong predictions"),
        ({"step": 3}, "wrong step"),
        ({"model": "another"}, "wrong model"),
    ],
)
def test_a_wrong_answer_is_named(stream: Stream, change: Mapping[str, Any], kind: str) -> None:
    with pytest.raises(Wrong, match=r"got .*, expected ") as caught:
        stream.check({**answer_of(stream, 0, 2), **change}, 0, 2)
    assert caught.value.kind == kind


@pytest.mark.parametrize("name", ["lower", "upper", "anomaly"])
def test_a_wrong_bound_or_p_value_is_named(name: str) -> None:
    stream = Stream(oracle_of())
    right = answer_of(stream, 3, 2)
    missing = {key: value for key, value in right.items() if key != name}
    for wrong in ({**right, name: [0.123, 0.456]}, {**right, name: [None, None]}, {**right, name: "1"}, missing):
        with pytest.raises(Wrong) as caught:
            stream.check(wrong, 3, 2)
        assert caught.value.kind == f"wrong {name}"


def test_a_bound_that_nobody_can_know_is_wrong() -> None:
    stream = Stream(oracle_of(calibrated=False))
    with pytest.raises(Wrong, match="expected None"):
        stream.check({**answer_of(stream, 0, 1), "lower": [0.0]}, 0, 1)


def test_a_small_deviation_is_tolerated_and_a_larger_one_is_not(stream: Stream) -> None:
    """The tolerance is in scaled units: this checkpoint's scale is 4."""
    answer = answer_of(stream, 0, 1)
    right = answer["predictions"][0]
    stream.check({**answer, "predictions": [right + 3e-6]}, 0, 1)
    with pytest.raises(Wrong):
        stream.check({**answer, "predictions": [right + 5e-6]}, 0, 1)


@pytest.mark.parametrize("features", [1, 2])
def test_forecasts_start_from_everything_answered(features: int) -> None:
    oracle = oracle_of(features)
    stream, predictor = Stream(oracle), oracle.predictor
    context = predictor.zero_context()
    for step in range(5):
        context = predictor.observe(stream.series.raw[None, step : step + 1], context).context
    forecast = predictor.forecast(context, 4, 0.5)
    assert forecast.lower is not None
    assert forecast.upper is not None
    parts = {"forecast": forecast.path, "lower": forecast.lower, "upper": forecast.upper}
    answer = {name: (part[0, :, 0] if features == 1 else part[0]).tolist() for name, part in parts.items()}
    oracle.check_forecast(answer, stream.series, 5, 4, 0.5)
    with pytest.raises(Wrong, match="expected"):
        oracle.check_forecast({**answer, "forecast": answer["forecast"][:3]}, stream.series, 5, 4, 0.5)
    with pytest.raises(Wrong):
        oracle.check_forecast(answer, stream.series, 6, 4, 0.5)
