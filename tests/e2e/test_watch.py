"""GET /watch over HTTP: what others do arrives, leaving is noticed, and who listens does not keep the service alive."""

import json
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from models import save
from tests.conftest import random_checkpoint
from tests.server import HOST, Server, serving, wait_until

KEY, OTHER = "k" * 20, "o" * 20
MINE = {"authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    checkpoint = save(random_checkpoint(calibrated=True), tmp_path_factory.mktemp("watch") / "model.safetensors")
    with serving(checkpoint, elman_api_keys=f"{KEY},{OTHER}", elman_max_watchers="2") as server:
        yield server


@contextmanager
def watching(
    server: Server, *ids: str, headers: dict[str, str] = MINE, closely: Sequence[str] = ()
) -> Iterator[Iterator[tuple[str, Any]]]:
    query = urlencode([("session_id", name) for name in ids] + [("hidden_state", name) for name in closely])
    with (
        httpx2.Client(timeout=10) as client,
        client.stream("GET", f"{server.url}/watch?{query}", headers=headers) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"] == "text/event-stream"
        yield told(answer.iter_lines())


def told(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: ") and name != "begun":
            yield name, json.loads(line.removeprefix("data: "))


def predict(server: Server, session_id: str, *values: float, key: str = KEY) -> dict[str, Any]:
    body = {"session_id": session_id, "values": values}
    headers = {"authorization": f"Bearer {key}"}
    answer: dict[str, Any] = httpx2.post(f"{server.url}/predict", json=body, headers=headers).json()
    return answer


def watchers(server: Server) -> float:
    text = httpx2.get(f"{server.url}/metrics").text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("elman_watchers "))


def test_values_that_anybody_sends_arrive_in_order(server: Server) -> None:
    with watching(server, "a", "b") as events:
        assert {name for name, _ in islice(events, 2)} == {"ended"}
        answers = [predict(server, "ab"[i % 2], 9.0 + i) for i in range(6)]
        predict(server, "a", 5.0, key=OTHER)
        answers.append(predict(server, "a", 12.0))
        for answer, (name, data) in zip(answers, events, strict=False):
            assert name == "observed"
            assert {key: data[key] for key in answer} == answer


def test_hidden_states_are_told_of_those_for_which_they_are_asked_for(server: Server) -> None:
    with watching(server, "c", "d", closely=["d"]) as events:
        assert {name for name, _ in islice(events, 2)} == {"ended"}
        for name in "cd":
            predict(server, name, 9.0)
        told = {data["session_id"]: data for _, data in islice(events, 2)}
        assert ["hidden_state" in told[name] for name in "cd"] == [False, True]
        shown = httpx2.get(f"{server.url}/sessions/d", headers=MINE).json()["hidden_state"]
        assert told["d"]["hidden_state"] == shown


def test_who_goes_away_is_no_watcher_any_more(server: Server) -> None:
    with watching(server, "x"), watching(server, "x"):
        assert watchers(server) == 2
        refused = httpx2.get(f"{server.url}/watch?session_id=x", headers=MINE)
        assert (refused.status_code, refused.json()["error"]) == (429, "overloaded")
        assert "retry-after" in refused.headers
    wait_until(lambda: watchers(server) == 0)


def test_who_breaks_off_with_a_request_behind_it_is_nothing_to_write_about(server: Server) -> None:
    """Of the end of the connection only the request hears that came last."""
    head = f" HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n"
    with socket.create_connection((HOST, server.port)) as connection:
        connection.sendall(f"GET /watch?session_id=broken{head}GET /model{head}".encode())
        connection.recv(100)
    wait_until(lambda: watchers(server) == 1)
    predict(server, "broken", 9.0)
    wait_until(lambda: watchers(server) == 0)
    assert "Traceback" not in server.log()


@pytest.mark.parametrize(
    ("query", "headers", "status", "error"),
    [
        ("", MINE, 400, "invalid_request"),
        ("session=a", MINE, 400, "invalid_request"),
        ("&".join(f"session_id=s{i}" for i in range(1001)), MINE, 400, "invalid_request"),
        ("session_id=a&hidden_state=b", MINE, 400, "invalid_request"),
        ("hidden_state=a", MINE, 400, "invalid_request"),
        ("session_id=a", {}, 401, "unauthorized"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    server: Server, query: str, headers: dict[str, str], status: int, error: str
) -> None:
    answer = httpx2.get(f"{server.url}/watch?{query}", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_an_id_that_cannot_be_does_not_keep_others_from_being_watched(server: Server) -> None:
    with watching(server, "no such id", "good") as events:
        told = {data["session_id"]: data["error"] for _, data in islice(events, 2)}
        assert told == {"no such id": "invalid_request", "good": "session_unknown"}
        predict(server, "good", 9.0)
        assert next(events)[0] == "observed"


def test_a_head_request_is_answered_at_once(server: Server) -> None:
    answer = httpx2.head(f"{server.url}/watch?session_id=a", headers=MINE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    wait_until(lambda: watchers(server) == 0)


@pytest.mark.parametrize("access_log", ["false", "true"])
def test_a_watcher_does_not_keep_the_service_from_stopping(tmp_path: Path, access_log: str) -> None:
    checkpoint = save(random_checkpoint(), tmp_path / "model.safetensors")
    with serving(checkpoint, elman_access_log=access_log) as server, watching(server, "a", headers={}) as events:
        assert next(events)[0] == "ended"
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert list(events) == []
        assert server.process.wait(15) == 0
        assert time.monotonic() - began < 6  # the grace that connections get is 10
