"""Intervals, p-values and alarms as a client gets them."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from models.predictor import Watch
from tests.conftest import random_checkpoint
from tests.service.conftest import MakeClient
from tests.service.test_metrics import numbers

PREDICTOR = random_checkpoint(calibrated=True).predictor("cpu")
VALUES = [10.0, 12.5, None, 9.0, 11.0, 8.5, 10.5]
WILD = [200.0, 230.0, 190.0, 260.0, 220.0, 280.0, 240.0, 300.0]
NEAR = pytest.approx


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    return make_client(calibrated=True)


def ask(client: TestClient, values: list[Any], **fields: Any) -> dict[str, Any]:
    answer = client.post("/predict", json={"values": values} | fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def array(values: Sequence[float | None]) -> np.ndarray:
    return np.array(values, dtype=float)


def watched(values: Sequence[float | None], level: float | None = None) -> Watch:
    series = array(values)[None, :, None]
    watch = PREDICTOR.observe(series, PREDICTOR.zero_context(), level).watch
    assert watch is not None
    return watch


@pytest.mark.parametrize("where", [{"session_id": "s"}, {}], ids=["session", "token"])
@pytest.mark.parametrize("level", [None, 0.5, 0.999])
def test_every_answer_has_an_interval_and_a_p_value(client: TestClient, where: dict[str, str], level: float) -> None:
    answer = ask(client, VALUES, level=level, **where)
    expected = watched(VALUES, level)
    for name in ("lower", "upper", "anomaly"):
        np.testing.assert_array_equal(array(answer[name]), getattr(expected, name)[0, :, 0])
    assert [p is None for p in answer["anomaly"]] == [True, False, True, False, False, False, False]
    assert all(low < high for low, high in zip(answer["lower"], answer["upper"], strict=True))


def test_the_higher_the_level_the_wider(client: TestClient) -> None:
    ask(client, VALUES, session_id="s")
    token = client.get("/sessions/s").json()["context"]
    widths = [
        answer["upper"][0] - answer["lower"][0]
        for answer in (ask(client, [10], context=token, level=level) for level in (0.1, 0.5, 0.9, 0.99, 0.9999))
    ]
    assert widths == sorted(widths)
    assert widths[0] > 0
    by_default = ask(client, [10], context=token)
    assert by_default["upper"][0] - by_default["lower"][0] == NEAR(widths[2])


@pytest.mark.parametrize("level", [0, 1, -0.1, 1.5, "0.9", True])
def test_a_level_that_is_none_is_refused_and_changes_nothing(client: TestClient, level: object) -> None:
    ask(client, VALUES, session_id="s")
    for route, request in (("/predict", {"values": [1.0]}), ("/forecast", {"horizon": 1})):
        answer = client.post(route, json=request | {"session_id": "s", "level": level})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert "level" in answer.json()["message"]
    assert client.get("/sessions/s").json()["step"] == len(VALUES)


def test_without_calibration_there_are_no_intervals_and_no_level(make_client: MakeClient) -> None:
    client = make_client()
    answer = ask(client, VALUES, session_id="s")
    forecast = client.post("/forecast", json={"session_id": "s", "horizon": 2}).json()
    session = client.get("/sessions/s").json()
    shown = answer.keys() | forecast.keys() | session.keys()
    assert not shown & {"lower", "upper", "anomaly", "alarm", "last_alarm", "error_level", "interval_width"}
    assert client.get("/model").json()["level"] is None
    for route, request in (("/predict", {"values": [1.0]}), ("/forecast", {"horizon": 1})):
        answer = client.post(route, json=request | {"session_id": "s", "level": 0.9}).json()
        assert answer["error"] == "invalid_request"
        assert "no calibration" in answer["message"]


def test_a_forecast_begins_with_the_interval_of_the_last_answer_and_widens(client: TestClient) -> None:
    answer = ask(client, VALUES, session_id="s", level=0.8)
    before = client.get("/sessions/s").json()
    forecast = client.post("/forecast", json={"session_id": "s", "horizon": 10, "level": 0.8}).json()
    assert forecast["lower"][0] == NEAR(answer["lower"][-1], abs=1e-5)
    assert forecast["upper"][0] == NEAR(answer["upper"][-1], abs=1e-5)
    widths = [high - low for low, high in zip(forecast["lower"], forecast["upper"], strict=True)]
    assert (np.diff(widths) > -1e-6).all()
    assert widths[3] == NEAR(2 * widths[0], rel=1e-3)
    assert widths[9] == NEAR(widths[7])  # beyond the farthest horizon that was calibrated
    after = client.get("/sessions/s").json()
    assert {**before, "context": ""} == {**after, "context": ""}


def test_a_replay_gives_the_same_bounds_and_the_same_alarm(client: TestClient) -> None:
    ask(client, VALUES, session_id="s")
    request = {"values": WILD, "session_id": "s", "step": len(VALUES), "level": 0.7}
    first, again = (client.post("/predict", json=request) for _ in range(2))
    assert first.json()["alarm"]
    assert again.headers["x-replayed"] == "true"
    assert again.json() == first.json()
    other_level = client.post("/predict", json=request | {"level": 0.2})
    assert other_level.json() == first.json()


def test_an_alarm_begins_runs_and_ends(client: TestClient) -> None:
    usual = [10.0, 12.0, 9.0, 11.0] * 25
    assert "alarm" not in ask(client, usual, session_id="s")
    assert "last_alarm" not in client.get("/sessions/s").json()
    first = ask(client, [WILD[0]], session_id="s")
    assert first["anomaly"][0] < 1e-5
    assert first["alarm"] == {"start_step": 101}
    assert ask(client, WILD[1:], session_id="s")["alarm"] == {"start_step": 101}
    assert client.get("/sessions/s").json()["last_alarm"] == {"start_step": 101}
    assert "alarm" not in ask(client, usual, session_id="s")
    last = client.get("/sessions/s").json()["last_alarm"]
    assert last["start_step"] == 101
    assert 101 + len(WILD) <= last["end_step"] < 200
    (listed,) = client.get("/sessions").json()["sessions"]
    assert listed["last_alarm"] == last


def test_an_alarm_goes_with_its_token(client: TestClient) -> None:
    calm = ask(client, VALUES * 10)
    alarmed = ask(client, WILD, context=calm["context"])
    assert alarmed["alarm"] == {"start_step": 71}
    restored = client.put("/sessions/s", json={"context": alarmed["context"]}).json()
    assert restored["last_alarm"] == {"start_step": 71}
    assert ask(client, [500.0], session_id="s")["alarm"] == {"start_step": 71}


def test_the_rate_of_false_alarms_can_be_chosen(make_client: MakeClient) -> None:
    strange = [10.0, 12.0, 9.0, 11.0] * 25 + [17.0]
    (shy, keen) = (make_client(calibrated=True, alarm_rate=rate) for rate in (1e-9, 1e-2))
    assert "alarm" not in ask(shy, strange, session_id="s")
    assert ask(keen, strange, session_id="s")["alarm"] == {"start_step": 101}


def test_a_session_shows_how_far_off_its_predictions_are(client: TestClient) -> None:
    fresh = client.post("/sessions").json()
    calm, wild = [10.0, 12.0, 9.0, 11.0] * 25, [-20.0, 40.0, 0.0, 20.0] * 25
    ask(client, calm, session_id="calm")
    answer = ask(client, wild, session_id="wild")
    sessions = {name: client.get(f"/sessions/{name}").json() for name in ("calm", "wild")}
    assert fresh["error_level"] == NEAR(2 * 4.0)  # a new context errs twice as much
    assert sessions["calm"]["error_level"] < 4.0 < sessions["wild"]["error_level"] < 80.0
    assert sessions["wild"]["interval_width"] == NEAR(answer["upper"][-1] - answer["lower"][-1], abs=1e-4)


def test_with_several_features_everything_is_told_of_each(make_client: MakeClient) -> None:
    client = make_client(features=2, calibrated=True)
    answer = ask(client, [[10, 20], [11, None], [None, None], [9, 22]], session_id="s")
    assert [[p is None for p in pair] for pair in answer["anomaly"]] == [
        [True, True], [False, True], [True, True], [False, False],
    ]  # fmt: skip
    assert (np.array(answer["lower"]) < np.array(answer["upper"])).all()
    assert len(client.get("/sessions/s").json()["interval_width"]) == 2


@pytest.mark.parametrize("way", [("off", "rls"), ("rls", "off")], ids="-".join)
def test_adaptation_can_be_switched_on_and_off_under_a_session_and_a_token(
    make_client: MakeClient, way: tuple[str, str]
) -> None:
    first, second = (make_client(calibrated=True, token_key="k" * 20, adapt=adapt) for adapt in way)
    learn = [10.0, 14.0, 6.0] * 30
    token = ask(first, learn)["context"]
    sizes = [client.get("/model").json()["context_size"] for client in (first, second)]
    assert sizes[0] != sizes[1]
    assert second.put("/sessions/s", json={"context": token}).status_code == 201
    session, carried = ask(second, [10.0], session_id="s", step=90), ask(second, [10.0], context=token)
    assert session["predictions"] == carried["predictions"]
    assert session["step"] == carried["step"] == 91
    assert second.get("/sessions/s").json()["error_level"] > 0


def test_live_accuracy_is_counted(client: TestClient) -> None:
    ask(client, VALUES, session_id="s")
    ask(client, WILD, session_id="t")
    ask(client, WILD)
    told = [watched(series) for series in (VALUES, WILD, WILD)]
    counted = numbers(client)
    assert counted["elman_scaled_error_count"] == 5 + 7 + 7
    assert counted["elman_scaled_error_sum"] == NEAR(
        sum(np.nansum(np.minimum(watch.error, 10)) for watch in told), rel=1e-5
    )
    assert counted["elman_naive_scaled_error_total"] == NEAR(
        sum(np.nansum(np.minimum(watch.naive, 10)) for watch in told), rel=1e-5
    )
    inside = sum(int((watch.anomaly >= 0.1).sum()) for watch in told)
    assert counted["elman_covered_total"] == inside
    assert counted["elman_alarms_total"] == 2
    assert counted["elman_sessions_in_alarm"] == 1
    assert counted["elman_calibration_error"] == 1
    assert counted["elman_calibration_level"] == 0.9
    assert counted["elman_alarm_rate"] == 1e-4
    client.delete("/sessions/t")
    assert numbers(client)["elman_sessions_in_alarm"] == 0


def test_a_session_in_alarm_that_nobody_uses_is_not_counted_for_ever(make_client: MakeClient) -> None:
    client = make_client(calibrated=True, session_idle_seconds=0.05)
    ask(client, WILD, session_id="s")
    time.sleep(0.06)
    assert numbers(client)["elman_alarms_total"] == 1
    assert numbers(client)["elman_sessions_in_alarm"] == 0
