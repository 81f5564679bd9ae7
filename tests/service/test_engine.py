from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import Checkpoint
from models.predictor import Device
from service.engine import Engine
from service.errors import InvalidRequest, NumericalFailure, SessionUnknown
from service.schemas import ForecastRequest, PredictRequest
from service.sessions import MemorySessions
from service.settings import Settings
from tests.conftest import MakeCheckpoint, random_checkpoint

VALUES = np.random.default_rng(0).normal(10, 4, size=20).tolist()
SCALED_UNIT = 4.0


def engine_of(checkpoint: Checkpoint | None = None, **settings: int) -> Engine:
    checkpoint = checkpoint or random_checkpoint()
    return Engine(checkpoint, checkpoint.predictor("cpu"), MemorySessions(100, 60), Settings(**settings))  # type: ignore[arg-type]


def predict(engine: Engine, values: list[object], session_id: str | None = "s") -> list[object]:
    return list(engine.predict(PredictRequest(values=values, session_id=session_id)).predictions)  # type: ignore[arg-type]


def oracle(values: list[float]) -> list[float]:
    predictor = random_checkpoint().predictor("cpu")
    predictions, _ = predictor.observe(np.array(values)[None, :, None], predictor.zero_context())
    return [float(prediction) for prediction in predictions[0, :, 0]]


@given(cuts=st.sets(st.integers(1, 19), max_size=5))
def test_a_session_cut_into_any_chunks_predicts_the_same(cuts: set[int]) -> None:
    engine, predictions = engine_of(), []
    for start, end in pairwise([0, *sorted(cuts), 20]):
        predictions += predict(engine, VALUES[start:end])
    assert predictions == oracle(VALUES)


@given(st.lists(st.booleans(), min_size=40, max_size=40))
def test_two_interleaved_sessions_equal_two_separate_ones(turns: list[bool]) -> None:
    engine, other_values = engine_of(), [20 - value for value in VALUES]
    feeds = {"a": iter(VALUES), "b": iter(other_values)}
    answers: dict[str, list[object]] = {"a": [], "b": []}
    for turn in turns:
        name = "a" if turn else "b"
        if (value := next(feeds[name], None)) is not None:
            answers[name] += predict(engine, [value], name)
    for name, values in (("a", VALUES), ("b", other_values)):
        seen = len(answers[name])
        assert answers[name] == (oracle(values[:seen]) if seen else [])


def test_step_counts_the_observations_of_the_session() -> None:
    engine = engine_of()
    assert engine.predict(PredictRequest(values=[1.0, 2.0], session_id="s")).step == 2
    assert engine.predict(PredictRequest(values=[3.0], session_id="s")).step == 3


def test_without_a_session_every_request_starts_from_zero() -> None:
    engine = engine_of()
    assert predict(engine, [5.0], None) == predict(engine, [5.0], None)
    assert engine.predict(PredictRequest(values=[5.0])).session_id is None


def test_a_missing_value_is_replaced_by_the_prediction_for_it() -> None:
    gap = predict(engine_of(), [8.0, 12.0, None, 9.0])
    filled = predict(engine_of(), [8.0, 12.0, gap[1], 9.0])
    np.testing.assert_allclose(gap, filled, rtol=0, atol=1e-6 * SCALED_UNIT)  # type: ignore[arg-type]


def test_features_go_in_and_out_as_lists() -> None:
    engine = engine_of(random_checkpoint(features=2))
    (prediction,) = predict(engine, [[1.0, None]])
    assert isinstance(prediction, list)
    assert len(prediction) == 2


@pytest.mark.parametrize(
    ("features", "values", "complaint"),
    [
        (1, [1.0, [1.0, 2.0]], r"values\[1\] has 2 numbers, the model 1 features"),
        (2, [[1.0, 2.0], 1.0], r"values\[1\] is one number; the model needs a list of 2"),
        (2, [[1.0]], r"values\[0\] has 1 numbers, the model 2 features"),
        (1, [1e300], "too far"),
        (1, [0.0] * 6, "6 values are over the limit of 5"),
    ],
)
def test_what_the_model_cannot_take_is_refused_and_changes_nothing(
    features: int, values: list[object], complaint: str
) -> None:
    engine = engine_of(random_checkpoint(features=features), max_values=5)
    with pytest.raises(InvalidRequest, match=complaint):
        predict(engine, values)
    with pytest.raises(SessionUnknown):
        engine.forecast(ForecastRequest(horizon=1, session_id="s"))


def test_a_result_that_is_not_finite_leaves_the_session_as_it_was() -> None:
    checkpoint = random_checkpoint(nonlinearity="relu", bias=False)
    with torch.no_grad():
        for weight in checkpoint.network.parameters():
            weight.fill_(1e25)
    engine = engine_of(checkpoint)
    predict(engine, [10.0])  # exactly the mean: everything stays 0
    with pytest.raises(NumericalFailure, match="left as it was"):
        predict(engine, [1e9, 1e9, 1e9])
    forecast = engine.forecast(ForecastRequest(horizon=1, session_id="s"))
    assert (forecast.step, forecast.forecast) == (1, [10.0])


def test_a_forecast_starts_with_the_last_prediction_and_changes_nothing() -> None:
    engine = engine_of()
    last = predict(engine, VALUES[:5])[-1]
    request = ForecastRequest(horizon=4, session_id="s", values=[1.0, 2.0])
    hypothetical = engine.forecast(request)
    plain = engine.forecast(ForecastRequest(horizon=4, session_id="s"))
    assert plain.forecast[0] == last
    assert hypothetical.forecast != plain.forecast
    assert engine.forecast(request) == hypothetical
    assert hypothetical.step == plain.step == 5
    assert predict(engine, VALUES[5:]) == oracle(VALUES)[5:]


def test_a_forecast_needs_a_session_that_exists_and_a_horizon_within_the_limit() -> None:
    engine = engine_of(max_horizon=10)
    with pytest.raises(SessionUnknown, match="no session 's'; predict creates one"):
        engine.forecast(ForecastRequest(horizon=1, session_id="s"))
    with pytest.raises(InvalidRequest, match="horizon 11 is over the limit of 10"):
        engine.forecast(ForecastRequest(horizon=11))
    assert len(engine.forecast(ForecastRequest(horizon=10)).forecast) == 10


def test_it_describes_what_is_served() -> None:
    checkpoint = random_checkpoint(features=2)
    description = engine_of(checkpoint).describe()
    assert description.fingerprint == checkpoint.fingerprint
    assert description.fingerprint.startswith(description.model)
    assert description.features == ["f0", "f1"]
    assert description.architecture["hidden_size"] == 6
    assert description.context_size == 6
    assert description.device == "cpu"
    assert description.training == {"seed": 0}


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_it_opens_what_the_settings_name(make_checkpoint: MakeCheckpoint, device: Device) -> None:
    engine = Engine.open(Settings(checkpoint=str(make_checkpoint()), device=device))
    assert predict(engine, VALUES) == oracle(VALUES)


def test_what_cannot_be_served_stops_the_start_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"elman: .*no such file"):
        Engine.open(Settings(checkpoint=str(tmp_path / "none.safetensors")))
