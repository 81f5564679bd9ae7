import asyncio
from dataclasses import replace
from itertools import pairwise
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Checkpoint, Scaler
from service.engine import Engine, Prediction
from service.errors import (
    InvalidRequest,
    ModelChanged,
    NumericalFailure,
    Overloaded,
    SessionUnknown,
    StepConflict,
)
from service.metrics import Metrics
from service.schemas import ForecastRequest, ForecastResponse, PredictRequest
from service.sessions import Limits, MemoryStore
from service.settings import Settings
from tests.conftest import random_checkpoint

VALUES = np.random.default_rng(0).normal(10, 4, size=20).tolist()
SCALED_UNIT = 4.0


LIMITS = Limits(idle_seconds=60, max_age_seconds=None, max_sessions=100, max_bytes=10**6, gone_seconds=60, max_gone=9)


def engine_of(checkpoint: Checkpoint | None = None, **settings: Any) -> Engine:
    checkpoint = checkpoint or random_checkpoint()
    return Engine(checkpoint, checkpoint.predictor("cpu"), MemoryStore(LIMITS), Settings(**settings), Metrics())


def ask(engine: Engine, values: list[Any], session_id: str | None = "s", **fields: Any) -> Prediction:
    return asyncio.run(engine.predict(PredictRequest(values=values, session_id=session_id, **fields)))


def predict(engine: Engine, values: list[Any], session_id: str | None = "s") -> list[Any]:
    return list(ask(engine, values, session_id).response.predictions)


def forecast(engine: Engine, **fields: Any) -> ForecastResponse:
    return asyncio.run(engine.forecast(ForecastRequest(**fields)))


def oracle(values: list[float]) -> list[float]:
    predictor = random_checkpoint().predictor("cpu")
    predictions = predictor.observe(np.array(values)[None, :, None], predictor.zero_context()).predictions
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
    answers: dict[str, list[Any]] = {"a": [], "b": []}
    for turn in turns:
        name = "a" if turn else "b"
        if (value := next(feeds[name], None)) is not None:
            answers[name] += predict(engine, [value], name)
    for name, values in (("a", VALUES), ("b", other_values)):
        seen = len(answers[name])
        assert answers[name] == (oracle(values[:seen]) if seen else [])


def test_step_counts_the_observations_of_the_session() -> None:
    engine = engine_of()
    assert ask(engine, [1.0, 2.0]).response.step == 2
    assert ask(engine, [3.0]).response.step == 3


def test_without_a_session_every_request_starts_from_zero() -> None:
    engine = engine_of()
    assert predict(engine, [5.0], None) == predict(engine, [5.0], None)
    assert ask(engine, [5.0], None).response.session_id is None


def test_a_missing_value_is_replaced_by_the_prediction_for_it() -> None:
    gap = predict(engine_of(), [8.0, 12.0, None, 9.0])
    filled = predict(engine_of(), [8.0, 12.0, gap[1], 9.0])
    np.testing.assert_allclose(gap, filled, rtol=0, atol=1e-6 * SCALED_UNIT)


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
    features: int, values: list[Any], complaint: str
) -> None:
    engine = engine_of(random_checkpoint(features=features), max_values=5)
    with pytest.raises(InvalidRequest, match=complaint):
        predict(engine, values)
    with pytest.raises(SessionUnknown):
        forecast(engine, horizon=1, session_id="s")


def test_a_result_that_is_not_finite_leaves_the_session_as_it_was() -> None:
    checkpoint = random_checkpoint(nonlinearity="relu", bias=False)
    for weight in checkpoint.weights.arrays.values():
        weight.fill(1e25)
    engine = engine_of(checkpoint)
    predict(engine, [10.0])  # exactly the mean: everything stays 0
    with pytest.raises(NumericalFailure, match="left as it was"):
        predict(engine, [1e9, 1e9, 1e9])
    after = forecast(engine, horizon=1, session_id="s")
    assert (after.step, after.forecast) == (1, [10.0])


def test_a_forecast_starts_with_the_last_prediction_and_changes_nothing() -> None:
    engine = engine_of()
    last = predict(engine, VALUES[:5])[-1]
    hypothetical = forecast(engine, horizon=4, session_id="s", values=[1.0, 2.0])
    plain = forecast(engine, horizon=4, session_id="s")
    assert plain.forecast[0] == last
    assert hypothetical.forecast != plain.forecast
    assert forecast(engine, horizon=4, session_id="s", values=[1.0, 2.0]) == hypothetical
    assert hypothetical.step == plain.step == 5
    assert predict(engine, VALUES[5:]) == oracle(VALUES)[5:]


def test_a_forecast_needs_a_session_that_exists_and_a_horizon_within_the_limit() -> None:
    engine = engine_of(max_horizon=10)
    with pytest.raises(SessionUnknown, match="no session 's'; predict creates one"):
        forecast(engine, horizon=1, session_id="s")
    with pytest.raises(InvalidRequest, match="horizon: it is over the limit of 10"):
        forecast(engine, horizon=11)
    assert len(forecast(engine, horizon=10).forecast) == 10


def test_it_describes_what_is_served() -> None:
    checkpoint = random_checkpoint(features=2)
    description = engine_of(checkpoint).model.describe()
    assert description.fingerprint == checkpoint.fingerprint
    assert description.fingerprint.startswith(description.model)
    assert description.features == ["f0", "f1"]
    assert description.architecture["hidden_size"] == 6
    assert description.context_size == 6
    assert description.device == "cpu"
    assert description.training == {"seed": 0}


def test_a_step_is_applied_once_and_answered_again() -> None:
    engine = engine_of()
    first = ask(engine, [1.0, 2.0], step=0)
    again = ask(engine, [1.0, 2.0], step=0)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.response == first.response
    second = ask(engine, [3.0], step=2)
    assert ask(engine, [3.0], step=2).response == second.response
    assert predict(engine, VALUES[:1]) == oracle([1.0, 2.0, 3.0, VALUES[0]])[-1:]


@pytest.mark.parametrize(("values", "step"), [([1.0, 2.5], 0), ([1.0], 0), ([1.0, 2.0], 1), ([5.0], 9)])
def test_another_step_or_other_values_conflict_and_change_nothing(values: list[Any], step: int) -> None:
    engine = engine_of()
    ask(engine, [1.0, 2.0], step=0)
    with pytest.raises(StepConflict) as conflict:
        ask(engine, values, step=step)
    assert conflict.value.details == {"expected_step": 2}
    assert ask(engine, [3.0], step=2).response.predictions == oracle([1.0, 2.0, 3.0])[-1:]


def test_an_older_request_than_the_last_is_not_answered_again() -> None:
    engine = engine_of()
    ask(engine, [1.0], step=0)
    ask(engine, [2.0], step=1)
    with pytest.raises(StepConflict):
        ask(engine, [1.0], step=0)


def test_a_step_of_a_session_that_is_not_there_is_unknown() -> None:
    with pytest.raises(SessionUnknown, match="none at step 3"):
        ask(engine_of(), [1.0], step=3)


def test_a_conversation_by_token_equals_a_session() -> None:
    engine, token, predictions = engine_of(), None, []
    for step, value in enumerate(VALUES):
        response = ask(engine, [value], None, context=token, step=step).response
        predictions += response.predictions
        token = response.context
    assert predictions == oracle(VALUES)


def test_a_token_at_another_step_conflicts() -> None:
    engine = engine_of()
    token = ask(engine, [1.0, 2.0], None).response.context
    with pytest.raises(StepConflict) as conflict:
        ask(engine, [3.0], None, context=token, step=1)
    assert conflict.value.details == {"expected_step": 2}


def test_a_request_is_of_a_session_or_of_a_token() -> None:
    engine = engine_of()
    token = ask(engine, [1.0], None).response.context
    with pytest.raises(InvalidRequest, match="not to both"):
        ask(engine, [1.0], "s", context=token)
    with pytest.raises(InvalidRequest, match="not of both"):
        forecast(engine, horizon=1, session_id="s", context=token)


def test_a_forecast_of_a_token_equals_that_of_a_session() -> None:
    engine = engine_of()
    token = ask(engine, VALUES, None).response.context
    predict(engine, VALUES)
    assert forecast(engine, horizon=5, context=token) == forecast(engine, horizon=5, session_id="s")


@pytest.mark.parametrize("session_id", ["", "a b", "a/b", "../x", "x" * 129, "é", "a\n"])
def test_what_is_no_session_id_is_refused(session_id: str) -> None:
    with pytest.raises(InvalidRequest, match="the id of a session must match"):
        predict(engine_of(), [1.0], session_id)


def test_the_pattern_of_session_ids_is_a_setting() -> None:
    engine = engine_of(session_id_pattern="pump-[0-9]+")
    predict(engine, [1.0], "pump-7")
    with pytest.raises(InvalidRequest):
        predict(engine, [1.0], "pump-x")


def moved(engine: Engine, checkpoint: Checkpoint, **settings: Any) -> Engine:
    """Another checkpoint over the same sessions, with tokens signed by the same key."""
    return Engine(checkpoint, checkpoint.predictor("cpu"), engine.store, Settings(**settings), Metrics())


def test_a_context_is_never_fed_to_another_model() -> None:
    engine = engine_of(token_key="k" * 16)
    token = ask(engine, [1.0], None).response.context
    predict(engine, [1.0, 2.0])
    other = moved(engine, random_checkpoint(seed=1), token_key="k" * 16)
    for act in (
        lambda: predict(other, [3.0]),
        lambda: forecast(other, horizon=1, session_id="s"),
        lambda: ask(other, [3.0], None, context=token),
        lambda: forecast(other, horizon=1, context=token),
    ):
        with pytest.raises(ModelChanged) as changed:
            act()
        assert changed.value.details == {
            "context_model": random_checkpoint().fingerprint[:12],
            "model": random_checkpoint(seed=1).fingerprint[:12],
        }
    assert predict(moved(engine, random_checkpoint()), [3.0]) == oracle([1.0, 2.0, 3.0])[-1:]


def test_a_context_is_rebuilt_for_another_model_from_its_history() -> None:
    engine = engine_of(replace(random_checkpoint(), warmup=4), session_history=4)
    predict(engine, VALUES[:9])
    checkpoint = replace(random_checkpoint(seed=1), warmup=4)
    other = moved(engine, checkpoint, session_history=4)
    expected = predict(engine_of(checkpoint), VALUES[5:10], "fresh")[-1:]
    first = ask(other, VALUES[9:10], step=9)
    assert (first.response.predictions, first.response.rebuilt, first.response.rebuilt_steps) == (expected, True, 4)
    again = ask(other, VALUES[9:10], step=9)
    assert (again.replayed, again.response) == (True, first.response)
    assert ask(other, VALUES[10:11]).response.rebuilt is None


def test_a_short_but_complete_history_rebuilds_exactly() -> None:
    engine = engine_of(replace(random_checkpoint(), warmup=50), session_history=50)
    predict(engine, VALUES[:3])
    checkpoint = replace(random_checkpoint(seed=1), warmup=50)
    other = moved(engine, checkpoint, session_history=50)
    assert predict(other, VALUES[3:4]) == predict(engine_of(checkpoint), VALUES[:4])[-1:]


def test_too_many_requests_at_a_time_are_refused_at_once() -> None:
    async def crowd() -> list[Any]:
        engine = engine_of(max_queue=3)
        asked = [PredictRequest(values=[1.0], session_id="s") for _ in range(5)]
        outcomes = await asyncio.gather(*map(engine.predict, asked), return_exceptions=True)
        assert (await engine.predict(asked[0])).response.step == 4  # there is room again
        return outcomes

    *answered, fourth, fifth = asyncio.run(crowd())
    assert [outcome.response.step for outcome in answered] == [1, 2, 3]
    for refused in (fourth, fifth):
        assert isinstance(refused, Overloaded)
        assert refused.details == {"retry_after": 1}


def test_a_long_chunk_does_not_keep_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is computed in a thread, and its session waits while others go on."""
    values = np.random.default_rng(0).normal(10, 4, size=50).tolist()

    async def run(engine: Engine) -> None:
        gate, advance = Event(), engine.model.predictor.advance

        def slow(rows: Any, *arguments: Any) -> Any:
            if rows.shape[1] == len(values):
                gate.wait()
            return advance(rows, *arguments)

        monkeypatch.setattr(engine.model.predictor, "advance", slow)
        await engine.predict(PredictRequest(values=[9.0], session_id="s"))
        long = asyncio.ensure_future(engine.predict(PredictRequest(values=values, session_id="s")))
        after = asyncio.ensure_future(engine.predict(PredictRequest(values=[7.0], session_id="s")))
        other = await engine.predict(PredictRequest(values=[9.0], session_id="other"))
        assert other.response.predictions == oracle([9.0])
        assert not long.done()
        assert not after.done()
        gate.set()
        assert (await long).response.predictions == oracle([9.0, *values])[1:]
        assert (await after).response.predictions == oracle([9.0, *values, 7.0])[-1:]

    engine = engine_of()
    engine.model.predictor.at_once = 20
    asyncio.run(run(engine))


def test_a_long_chunk_that_is_given_up_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(10, 4, size=50).tolist()

    async def run(engine: Engine) -> None:
        await engine.predict(PredictRequest(values=[9.0], session_id="s"))
        for moments in range(5):
            long = asyncio.ensure_future(engine.predict(PredictRequest(values=values, session_id="s")))
            for _ in range(moments):
                await asyncio.sleep(0)
            long.cancel()
            with pytest.raises(asyncio.CancelledError):
                await long
            other = await engine.predict(PredictRequest(values=[3.0], session_id=f"new{moments}"))
            assert other.response.predictions == oracle([3.0])
        assert (await engine.predict(PredictRequest(values=[7.0], session_id="s", step=1))).response.step == 2
        assert (await engine.predict(PredictRequest(values=[8.0], session_id="s"))).response.predictions == oracle(
            [9.0, 7.0, 8.0]
        )[-1:]

    engine = engine_of()
    engine.model.predictor.at_once = 20
    asyncio.run(run(engine))


def test_exogenous_features_are_observed_and_not_predicted() -> None:
    """Two numbers in, one out; the answer kept for a replay is as wide as the one that was given."""
    engine = engine_of(replace(random_checkpoint(features=2), targets=1))
    first = ask(engine, [[10.0, 20.0], [11.0, None]], step=0)
    assert all(isinstance(prediction, float) for prediction in first.response.predictions)
    assert ask(engine, [[10.0, 20.0], [11.0, None]], step=0).response == first.response
    assert ask(engine, [[10.0, 25.0]]).response.predictions != ask(engine, [[10.0, 20.0]]).response.predictions
    assert isinstance(forecast(engine, session_id="s", horizon=3).forecast[0], float)
    assert (engine.model.describe().features, engine.model.describe().targets) == (["f0", "f1"], ["f0"])


def test_every_option_of_the_network_can_be_served() -> None:
    """A stream of another size, with a network that carries input lags and the stream's own scale."""
    network = random_checkpoint(hidden_size=5, taps=(1, 2, 5), residual=True, per_stream_scale=True)
    engine = engine_of(replace(network, scaler=Scaler((0.0,), (3.0,))))
    wave = (5 + np.sin(np.arange(40) / 3)).tolist()
    small, large = predict(engine, wave, "small"), predict(engine, [1e6 * value for value in wave], "large")
    np.testing.assert_allclose(np.array(large) / 1e6, small, rtol=1e-5)
    cut = [*predict(engine, wave[:17], "cut"), *predict(engine, wave[17:], "cut")]
    np.testing.assert_allclose(cut, small, rtol=1e-6)
