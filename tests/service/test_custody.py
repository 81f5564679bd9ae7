"""The session routes, through the door."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.service.conftest import MakeClient

KEY, OTHER_KEY = "a" * 16, "b" * 16


def predict(client: TestClient, session_id: str, *values: float, **fields: Any) -> dict[str, Any]:
    response = client.post("/predict", json={"session_id": session_id, "values": values, **fields})
    assert response.is_success, response.text
    answer: dict[str, Any] = response.json()
    return answer


def refused(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


def test_a_session_is_shown_with_its_step_its_times_and_its_context(client: TestClient) -> None:
    predict(client, "s", 9, 8)
    session = client.get("/sessions/s").json()
    shown = {"session_id", "step", "model", "created_at", "used_at", "expires_at", "hidden_state", "context"}
    assert session.keys() == shown
    assert (session["session_id"], session["step"]) == ("s", 2)
    used, expires = (datetime.fromisoformat(session[name]) for name in ("used_at", "expires_at"))
    assert expires - used == timedelta(hours=1)
    assert abs(datetime.now(UTC) - used) < timedelta(seconds=10)


def test_an_age_limit_is_told(make_client: MakeClient) -> None:
    client = make_client(session_max_age_seconds=60)
    predict(client, "s", 9)
    session = client.get("/sessions/s").json()
    created, expires = (datetime.fromisoformat(session[name]) for name in ("created_at", "expires_at"))
    assert expires - created == timedelta(minutes=1)


def test_looking_changes_nothing(client: TestClient) -> None:
    predict(client, "s", 9)
    first = client.get("/sessions/s").json()
    client.get("/sessions")
    client.post("/forecast", json={"session_id": "s", "horizon": 3})
    again = client.get("/sessions/s").json()
    assert {**first, "context": None} == {**again, "context": None}


def test_a_server_made_session_begins_at_zero_under_an_id_nobody_guesses(client: TestClient) -> None:
    first, second = (client.post("/sessions") for _ in range(2))
    assert first.status_code == 201
    assert first.json()["step"] == 0
    assert len(first.json()["session_id"]) == 32
    assert first.json()["session_id"] != second.json()["session_id"]
    assert (
        predict(client, first.json()["session_id"], 9, step=0)["predictions"] == predict(client, "x", 9)["predictions"]
    )
    assert refused(client.post("/sessions", json={"session_id": "mine"})) == (400, "invalid_request")


def test_a_fork_goes_its_own_way_from_the_same_point(client: TestClient) -> None:
    predict(client, "trunk", 9, 8)
    token = client.get("/sessions/trunk").json()["context"]
    fork = client.put("/sessions/fork", json={"context": token})
    assert (fork.status_code, fork.json()["step"]) == (201, 2)
    assert predict(client, "fork", 7)["predictions"] == predict(client, "trunk", 7)["predictions"]
    assert predict(client, "fork", 1)["predictions"] != predict(client, "trunk", 20)["predictions"]


def test_a_rollback_names_the_step_that_it_undoes(client: TestClient) -> None:
    before = predict(client, "s", 9, 8)
    token = client.get("/sessions/s").json()["context"]
    wrong = predict(client, "s", 99)
    assert refused(client.put("/sessions/s", json={"context": token})) == (409, "session_exists")
    stale = client.put("/sessions/s", json={"context": token}, headers={"if-match": "2"})
    assert (refused(stale), stale.json()["expected_step"]) == ((409, "step_conflict"), 3)
    back = client.put("/sessions/s", json={"context": token}, headers={"if-match": '"3"'})
    assert (back.status_code, back.json()["step"]) == (200, 2)
    assert (
        client.post("/forecast", json={"session_id": "s", "horizon": 1}).json()["forecast"] == before["predictions"][1:]
    )
    assert predict(client, "s", 7, step=2)["step"] == wrong["step"]


def test_the_request_before_a_rollback_is_not_answered_again(client: TestClient) -> None:
    predict(client, "s", 9, step=0)
    token = client.get("/sessions/s").json()["context"]
    client.put("/sessions/s", json={"context": token}, headers={"if-match": "1"})
    response = client.post("/predict", json={"session_id": "s", "values": [9], "step": 0})
    assert refused(response) == (409, "step_conflict")


@pytest.mark.parametrize(("step", "expected"), [("1", (404, "session_unknown")), ("x", (400, "invalid_request"))])
def test_if_match_needs_a_session_and_a_number(client: TestClient, step: str, expected: tuple[int, str]) -> None:
    token = client.post("/predict", json={"values": [9]}).json()["context"]
    assert refused(client.put("/sessions/s", json={"context": token}, headers={"if-match": step})) == expected


def test_a_deleted_session_is_gone_for_every_route_and_can_be_restored(client: TestClient) -> None:
    predict(client, "s", 9)
    token = client.get("/sessions/s").json()["context"]
    assert client.delete("/sessions/s").status_code == 204
    for response in (
        client.delete("/sessions/s"),
        client.get("/sessions/s"),
        client.post("/predict", json={"session_id": "s", "values": [8]}),
        client.post("/predict", json={"session_id": "s", "values": [9], "step": 0}),
        client.post("/forecast", json={"session_id": "s", "horizon": 1}),
        client.put("/sessions/s", json={"context": token}, headers={"if-match": "1"}),
    ):
        assert refused(response) == (410, "session_deleted")
        assert "deleted_at" in response.json()
    assert client.put("/sessions/s", json={"context": token}).status_code == 201
    assert predict(client, "s", 8)["step"] == 2


def test_what_never_was_is_unknown(client: TestClient) -> None:
    for response in (client.get("/sessions/s"), client.delete("/sessions/s")):
        assert refused(response) == (404, "session_unknown")


def test_sessions_are_listed_page_by_page(client: TestClient) -> None:
    names = [f"s{index:02}" for index in range(25)]
    for name in reversed(names):
        predict(client, name, 9)
    client.delete("/sessions/s03")
    listed, cursor = [], ""
    while True:
        page = client.get("/sessions", params={"limit": 10, "cursor": cursor}).json()
        listed += [session["session_id"] for session in page["sessions"]]
        if (cursor := page.get("cursor")) is None:
            break
    assert listed == [name for name in names if name != "s03"]


def test_sessions_are_found_by_how_their_ids_begin(make_client: MakeClient) -> None:
    client = make_client(api_keys=f"{KEY},{OTHER_KEY}")
    for key, name in ((KEY, "pump-1"), (KEY, "pump-2"), (KEY, "fan"), (OTHER_KEY, "pump-3")):
        client.headers["authorization"] = f"Bearer {key}"
        predict(client, name, 9)
    client.headers["authorization"] = f"Bearer {KEY}"
    for prefix, cursor, expected in (
        ("pump-", "", ["pump-1", "pump-2"]),
        ("pump-", "pump-1", ["pump-2"]),
        ("x", "", []),
    ):
        page = client.get("/sessions", params={"prefix": prefix, "cursor": cursor}).json()
        assert [session["session_id"] for session in page["sessions"]] == expected


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "offset=3"])
def test_a_bad_query_is_refused(client: TestClient, query: str) -> None:
    assert refused(client.get(f"/sessions?{query}")) == (400, "invalid_request")


def test_a_bad_token_is_refused_and_makes_no_session(client: TestClient) -> None:
    assert refused(client.put("/sessions/s", json={"context": "AAAA"})) == (400, "invalid_token")
    assert refused(client.get("/sessions/s")) == (404, "session_unknown")


def test_each_key_sees_its_own_sessions_only(make_client: MakeClient) -> None:
    client = make_client(api_keys=f"{KEY},{OTHER_KEY}")
    mine, others = ({"authorization": f"Bearer {key}"} for key in (KEY, OTHER_KEY))
    body = {"session_id": "s", "values": [9]}
    assert client.post("/predict", json=body, headers=mine).json()["step"] == 1
    assert client.post("/predict", json=body, headers=mine).json()["step"] == 2
    assert client.post("/predict", json=body, headers=others).json()["step"] == 1
    client.delete("/sessions/s", headers=others)
    assert [s["step"] for s in client.get("/sessions", headers=mine).json()["sessions"]] == [2]
    assert client.get("/sessions", headers=others).json()["sessions"] == []
    for method, path in (("POST", "/predict"), ("POST", "/forecast"), ("GET", "/sessions"), ("GET", "/model")):
        response = client.request(method, path, headers={"authorization": "Bearer wrong"})
        assert refused(response) == (401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"
    for path in ("/livez", "/readyz", "/metrics", "/docs.json", "/"):
        assert client.get(path).is_success
