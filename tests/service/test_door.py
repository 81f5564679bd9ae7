import json
import logging
import re
import time
from datetime import datetime

import pytest
from starlette.testclient import TestClient

from service.engine import Engine
from tests.service.conftest import MakeClient


def test_a_conversation(client: TestClient) -> None:
    first = client.post("/predict", json={"values": [9, 11.5], "session_id": "s"})
    assert first.status_code == 200
    assert first.headers["content-type"] == "application/json"
    assert first.json().keys() == {"predictions", "session_id", "step", "model"}
    assert re.fullmatch(r"queue;dur=[\d.]+, compute;dur=[\d.]+, store;dur=[\d.]+", first.headers["server-timing"])
    second = client.post("/predict", json={"values": [None], "session_id": "s"}).json()
    assert second["step"] == 3
    forecast = client.post("/forecast", json={"session_id": "s", "horizon": 2}).json()
    assert forecast.keys() == {"forecast", "step", "model"}
    assert forecast["forecast"][0] == second["predictions"][0]
    assert client.get("/model").json()["model"] == first.json()["model"]


def test_without_a_session_none_is_named(client: TestClient) -> None:
    answer = client.post("/predict", json={"values": [9]}).json()
    assert answer.keys() == {"predictions", "step", "model", "context"}


def test_a_replay_is_marked(client: TestClient) -> None:
    first, again = (client.post("/predict", json={"values": [9], "session_id": "s", "step": 0}) for _ in range(2))
    assert (first.headers.get("x-replayed"), again.headers.get("x-replayed")) == (None, "true")
    assert first.content == again.content


def test_a_conflict_names_the_step_that_is_expected(client: TestClient) -> None:
    client.post("/predict", json={"values": [9, 8], "session_id": "s"})
    response = client.post("/predict", json={"values": [9], "session_id": "s", "step": 1})
    assert (response.status_code, response.json()["error"], response.json()["expected_step"]) == (
        409,
        "step_conflict",
        2,
    )


VALUE = "an observation is a finite number, a list of one per feature, or null"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not JSON"),
        (b"nonsense", "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (b"[1]", "the body"),
        (b"{}", "values: this field is needed"),
        (b'{"values": []}', "values: List should have at least 1 item"),
        (b'{"values": 3}', "values: Input should be a valid array"),
        (b'{"values": [1, NaN]}', f"values[1]: {VALUE}"),
        (b'{"values": [Infinity]}', f"values[0]: {VALUE}"),
        (b'{"values": [1e999]}', f"values[0]: {VALUE}"),
        (b'{"values": [1, [2, "secret"]]}', f"values[1]: {VALUE}"),
        (b'{"values": [true]}', f"values[0]: {VALUE}"),
        (b'{"values": [[]]}', f"values[0]: {VALUE}"),
        (b'{"values": [1], "sesion_id": "s"}', "sesion_id: there is no such field"),
        (b'{"values": [1], "session_id": "a b"}', "the id of a session must match"),
        (b'{"values": [1], "step": -1}', "step: Input should be greater than or equal to 0"),
        (b'{"values": [1], "step": 1.5}', "step: Input should be a valid integer"),
        (b'{"values": [1], "session_id": 7}', "session_id: Input should be a valid string"),
        (b'{"values": [1e300]}', "values: an observation is too far"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(
    client: TestClient, caplog: pytest.LogCaptureFixture, body: bytes, message: str
) -> None:
    response = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json().keys() == {"error", "message"}
    assert response.json()["error"] == "invalid_request"
    assert response.json()["message"].startswith(message)
    assert "secret" not in response.text + caplog.text, "what was sent is neither echoed nor logged"
    assert not caplog.records


@pytest.mark.parametrize("horizon", [0, -1, 1.5, "3", None, 10**9])
def test_a_bad_horizon_is_refused(client: TestClient, horizon: object) -> None:
    response = client.post("/forecast", json={"horizon": horizon})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert response.json()["message"].startswith("horizon")


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "allow"),
    [
        ("GET", "/predict", 405, "method_not_allowed", "POST"),
        ("PUT", "/forecast", 405, "method_not_allowed", "POST"),
        ("PATCH", "/sessions/x", 405, "method_not_allowed", "GET, PUT, DELETE, HEAD"),
        ("POST", "/model", 405, "method_not_allowed", "GET, HEAD"),
        ("POST", "/livez", 405, "method_not_allowed", "GET"),
        ("GET", "/nothing", 404, "not_found", None),
    ],
)
def test_routes_and_methods_that_do_not_exist(
    client: TestClient, method: str, path: str, status: int, code: str, allow: str | None
) -> None:
    response = client.request(method, path, json={"values": [1]})
    assert (response.status_code, response.json()["error"]) == (status, code)
    assert response.json()["message"]
    assert set((response.headers.get("allow") or "").split(", ")) >= set((allow or "").split(", "))


def test_head_has_no_body(client: TestClient) -> None:
    response = client.head("/model")
    assert response.status_code == 200
    assert response.content == b""
    assert int(response.headers["content-length"]) == len(client.get("/model").content)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_probes(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_only_json_is_taken(client: TestClient) -> None:
    response = client.post(
        "/predict", content=b"values=1", headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert (response.status_code, response.json()["error"]) == (415, "unsupported_media_type")
    for media_type in ("application/json; charset=utf-8", "Application/JSON"):
        assert client.post("/predict", content=b'{"values":[1]}', headers={"content-type": media_type}).is_success


def test_a_body_over_the_limit_is_refused_however_it_comes(make_client: MakeClient) -> None:
    client = make_client(max_body_bytes=1024)
    body = json.dumps({"values": [1] * 1000}).encode()
    assert client.post("/predict", json={"values": [1] * 100}).is_success
    for content in (body, (body[start : start + 100] for start in range(0, len(body), 100))):
        response = client.post("/predict", content=content, headers={"content-type": "application/json"})
        assert (response.status_code, response.json()["error"]) == (413, "too_large")


def test_an_unknown_session_cannot_be_forecast(client: TestClient) -> None:
    response = client.post("/forecast", json={"session_id": "nobody", "horizon": 1})
    assert (response.status_code, response.json()["error"]) == (404, "session_unknown")


def test_a_full_store_says_when_to_come_back(make_client: MakeClient) -> None:
    client = make_client(max_sessions=1)
    assert client.post("/predict", json={"values": [1], "session_id": "a"}).is_success
    response = client.post("/predict", json={"values": [1], "session_id": "b"})
    assert (response.status_code, response.json()["error"]) == (503, "session_capacity")
    assert response.headers["retry-after"] == str(response.json()["retry_after"])
    assert client.post("/predict", json={"values": [1], "session_id": "a"}).json()["step"] == 2


def test_an_expired_session_is_not_silently_started_again(make_client: MakeClient) -> None:
    client = make_client(session_idle_seconds=0.5)
    assert client.post("/predict", json={"values": [1], "session_id": "a"}).is_success
    time.sleep(0.6)
    for path, body in (("/predict", {"values": [1]}), ("/forecast", {"horizon": 1})):
        response = client.post(path, json={"session_id": "a", **body})
        assert (response.status_code, response.json()["error"]) == (410, "session_expired")
        when = datetime.fromisoformat(response.json()["expired_at"])
        assert when.timestamp() == pytest.approx(time.time(), abs=5)


def test_a_mistake_of_ours_is_logged_and_not_shown(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(engine: Engine, request: object, owner: str) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(Engine, "predict", fail)
    with caplog.at_level(logging.ERROR, "elman"):
        response = client.post("/predict", json={"values": [1]})
    assert (response.status_code, response.json()["error"]) == (500, "internal_error")
    assert "the inside" not in response.text
    assert "the inside" in caplog.text
