"""POST /predict_batch: rows that can be done together and rows that cannot, each as a request of its own would be."""

import asyncio
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from service.columns import Columns
from service.engine import Engine
from service.metrics import Metrics
from service.schemas import PredictBatchRequest
from service.sessions import Limits, MemoryStore
from service.settings import Settings
from tests.conftest import random_checkpoint
from tests.service.conftest import MakeClient

IDS = [f"s{number}" for number in range(5)]


@pytest.fixture(params=["memory", "sqlite", "redis"])
def client(request: pytest.FixtureRequest, make_client: MakeClient, tmp_path: Path) -> TestClient:
    """A service with intervals over each store."""
    store = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path / 'sessions.db'}"}.get(request.param)
    return make_client(calibrated=True, session_store=store or request.getfixturevalue("redis").url)


def batch(client: TestClient, ids: list[str], values: list[Any], **fields: Any) -> dict[str, Any]:
    response = client.post("/predict_batch", json={"session_ids": ids, "values": values, **fields})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    assert all(len(column) == len(ids) for name, column in found.items() if name not in ("errors", "alarms"))
    return found


def single(client: TestClient, session_id: str, value: Any, **fields: Any) -> dict[str, Any]:
    response = client.post("/predict", json={"values": [value], "session_id": session_id, **fields})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_a_batch_answers_what_single_requests_would_be_answered(client: TestClient) -> None:
    generator = np.random.default_rng(0)
    for step in range(4):
        values = [None if chance < 0.2 else value for chance, value in generator.normal(10, 4, size=(5, 2)).tolist()]
        found = batch(client, IDS, values, steps=[step, None, step, step, None])
        assert (found["steps"], found["errors"]) == ([step + 1] * 5, [])
        for index, value in enumerate(values):
            alone = single(client, f"alone{index}", value)
            for name in ("predictions", "lower", "upper", "anomaly"):
                assert found[name][index] == alone[name][0]


def test_sessions_that_go_on_in_a_batch_outlive_those_that_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now, limits = [1000.0], Limits(60, None, 9, 1_000_000, 60, 9)
    monkeypatch.setattr("time.time", lambda: now[0])
    checkpoint, store = random_checkpoint(), MemoryStore(limits, clock=lambda: now[0])
    columns = Columns(Engine(checkpoint, checkpoint.predictor("cpu"), store, Settings(), Metrics()))

    async def run() -> None:
        await columns.predict(PredictBatchRequest(session_ids=["first", "second"], values=[1.0, 2.0]))
        now[0] += 40
        await columns.predict(PredictBatchRequest(session_ids=["first"], values=[3.0]))
        now[0] += 40
        assert store.live() == 1
        assert [key for key, _ in await store.page("", "", 9)] == ["first"]

    asyncio.run(run())


def test_rows_fail_one_by_one(client: TestClient) -> None:
    batch(client, IDS[:3], [1, 2, 3])
    found = batch(client, ["s0", "s1", "no id!", "s2", "new"], [4, 5, 6, 1e300, 7], steps=[1, 7, None, 1, 3])
    assert found["steps"] == [2, None, None, None, None]
    errors = {error["index"]: error for error in found["errors"]}
    assert [errors[index]["error"] for index in (1, 2, 3, 4)] == [
        "step_conflict",
        "invalid_request",
        "invalid_request",
        "session_unknown",
    ]
    assert errors[1]["expected_step"] == 1
    assert all(found[name][1:] == [None] * 4 for name in ("predictions", "lower", "upper", "anomaly"))
    assert [client.get(f"/sessions/s{number}").json()["step"] for number in range(3)] == [2, 1, 1]
    assert client.get("/sessions/new").status_code == 404


def test_a_batch_that_is_sent_again_is_answered_again(client: TestClient) -> None:
    first = batch(client, IDS, [1, 2, 3, 4, 5], steps=[0] * 5)
    assert batch(client, IDS, [1, 2, 3, 4, 5], steps=[0] * 5) == first
    second = batch(client, IDS, [6, 7, None, 9, 10], steps=[1] * 5)
    assert batch(client, IDS, [6, 7, None, 9, 10], steps=[1] * 5) == second
    assert {error["error"] for error in batch(client, IDS, [6, 7, 8, 9, 11], steps=[1] * 5)["errors"]} == {
        "step_conflict"
    }
    assert single(client, "s1", 7, step=1)["predictions"][0] == second["predictions"][1]


def test_the_same_id_twice_is_applied_in_the_order_given(client: TestClient) -> None:
    for _ in range(2):  # first they are new, then they are not
        found = batch(client, ["a", "b", "a", "a"], [1, 2, 3, 4])
        assert [found["predictions"][index] for index in (0, 2, 3)] == [
            single(client, "alone", value)["predictions"][0] for value in (1, 3, 4)
        ]
    assert found["steps"] == [4, 2, 5, 6]
    assert client.get("/sessions/a").json()["step"] == 6


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"session_ids": ["a"], "values": [1, 2]}, "values: 2 of them for 1 session_ids; one each is needed"),
        ({"session_ids": ["a"], "values": [1], "steps": [1, 2]}, "steps: 2 of them for 1 session_ids"),
        ({"session_ids": [], "values": []}, "session_ids"),
        ({"session_ids": ["a"], "values": [[1, 2]]}, "has 2 numbers, the model 1 features"),
        ({"session_ids": ["a"], "values": [1], "steps": [-1]}, "steps"),
        ({"session_ids": ["a"], "values": ["1"]}, "values"),
        ({"session_ids": ["a"], "values": [1], "level": 0.5}, "level: there is no such field"),
    ],
)
def test_what_is_no_batch_is_refused_as_a_whole(client: TestClient, fields: dict[str, Any], complaint: str) -> None:
    response = client.post("/predict_batch", json=fields)
    assert response.status_code == 400
    assert complaint in response.json()["message"]
    assert client.get("/sessions").json() == {"sessions": []}


@pytest.mark.parametrize("store", ["memory://", "sqlite:///{}/sessions.db"])
def test_live_sessions_go_on_in_a_store_that_is_full(make_client: MakeClient, tmp_path: Path, store: str) -> None:
    client = make_client(session_store=store.format(tmp_path), max_sessions=3, max_queue=1)
    for step in (1, 2, 3):
        found = batch(client, ["a", "b", "c", "d"], [1, 2, 3, 4])
        assert (found["steps"][:3], found["steps"][3]) == ([step] * 3, None)
        assert [(error["index"], error["error"]) for error in found["errors"]] == [(3, "session_capacity")]


def test_features_go_in_and_out_as_lists(make_client: MakeClient) -> None:
    client = make_client(features=2, calibrated=True)
    for _ in range(2):
        found = batch(client, ["a", "b", "?"], [[1, None], [2, 3], [4, 5]])
        assert [len(row) for row in found["predictions"][:2] + found["lower"][:2]] == [2] * 4
        assert found["predictions"][2] is found["steps"][2] is None
        assert found["predictions"][1] == single(client, "alone", [2, 3])["predictions"][0]


def test_running_alarms_are_told(make_client: MakeClient) -> None:
    client = make_client(calibrated=True)
    for value in (10, 11, 9, 10):
        assert "alarms" not in batch(client, ["calm", "wild"], [value, value])
    assert batch(client, ["calm", "wild"], [10, 1e6])["alarms"] == [{"index": 1, "start_step": 5}]
    assert single(client, "wild", 1e6, step=4)["alarm"] == {"start_step": 5}


def test_sessions_of_a_batch_belong_to_its_key(make_client: MakeClient) -> None:
    client = make_client(api_keys="one,two")
    for key, step in (("one", 1), ("two", 1), ("one", 2)):
        headers = {"authorization": f"Bearer {key}"}
        response = client.post("/predict_batch", json={"session_ids": ["a"], "values": [1]}, headers=headers)
        assert response.json()["steps"] == [step]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, 1.5, 2.5, 1e300])), min_size=1, max_size=6),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, 1.5, 2.5])), min_size=1, max_size=6),
)
def test_any_two_batches_do_what_single_requests_do(client: TestClient, first: list[Any], second: list[Any]) -> None:
    for name in "abc":
        for owner in ("x", "y"):
            client.delete(f"/sessions/{owner}{name}")
    for rows in (first, second):
        found = client.post(
            "/predict_batch",
            json={"session_ids": [f"x{name}" for name, _ in rows], "values": [value for _, value in rows]},
        ).json()
        failed = {error["index"] for error in found["errors"]}
        for index, (name, value) in enumerate(rows):
            alone = client.post("/predict", json={"values": [value], "session_id": f"y{name}"})
            assert (alone.status_code == 200) == (index not in failed)
            if index not in failed:
                assert math.isclose(alone.json()["predictions"][0], found["predictions"][index])
                assert alone.json()["step"] == found["steps"][index]
