import re
import time

import numpy as np
import orjson
import pytest
from starlette.testclient import TestClient

from service.metrics import Metrics
from service.stepping import Stepping
from tests.service.conftest import MakeClient


def numbers(client: TestClient) -> dict[str, float]:
    text = client.get("/metrics").text
    return {name: float(value) for name, value in re.findall(r"^(elman_\S+) (\S+)$", text, re.MULTILINE)}


def test_what_happens_is_counted(client: TestClient) -> None:
    for _ in range(2):
        client.post("/predict", json={"values": [1, 2], "session_id": "s", "step": 0})
    client.post("/predict", json={"values": [3], "session_id": "s", "step": 0})
    client.post("/predict", json={"values": [3]})
    client.post("/sessions")
    client.delete("/sessions/s")
    counted = numbers(client)
    assert counted['elman_requests_total{route="/predict",status="200"}'] == 3
    assert counted['elman_requests_total{route="/predict",status="409"}'] == 1
    assert counted['elman_requests_total{route="/sessions/{session_id}",status="204"}'] == 1
    assert counted["elman_steps_total"] == 3
    assert counted["elman_replays_total"] == 1
    assert counted["elman_conflicts_total"] == 1
    assert counted["elman_sessions_created_total"] == 2
    assert counted["elman_sessions_deleted_total"] == 1
    assert counted["elman_sessions_active"] == 1
    for part in ("queue", "compute", "store"):
        assert counted[f"elman_{part}_seconds_count"] == 3


def test_expired_sessions_are_counted(make_client: MakeClient) -> None:
    client = make_client(session_idle_seconds=1e-3)
    for name in "ab":
        client.post("/predict", json={"values": [1], "session_id": name})
    time.sleep(0.01)
    client.get("/sessions")
    counted = numbers(client)
    assert counted["elman_sessions_expired_total"] == 2
    assert counted["elman_sessions_active"] == 0


def test_the_page_sums_what_all_workers_counted_and_leaves_out_what_nobody_knows() -> None:
    here, there = Metrics(), Metrics()
    for metrics, times in ((here, 2), (there, 3)):
        for _ in range(times):
            metrics.requests.inc("/predict", 200)
            metrics.time(0.0001, 0.3, 0.02)
            metrics.learn(np.array([[[0.5]], [[0.2]], [[0.4]]]))
        metrics.steps.inc(times)
        metrics.alarm_rate.set(0.01)
    there.requests.inc("/predict", 503)
    here.active.now = lambda: None
    told = orjson.loads(orjson.dumps(there.state()))
    page = here.text([here.state(), told]).decode()
    for line in (
        'elman_requests_total{route="/predict",status="200"} 5.0',
        'elman_requests_total{route="/predict",status="503"} 1.0',
        "elman_steps_total 5.0",
        'elman_compute_seconds_bucket{le="0.25"} 0.0',
        'elman_compute_seconds_bucket{le="0.5"} 5.0',
        "elman_compute_seconds_sum 1.5",
        "elman_scaled_error_count 5.0",
        "elman_covered_total 5.0",
        "elman_alarm_rate 0.01",
    ):
        assert f"{line}\n" in page
    assert "\nelman_sessions_active " not in page
    assert here.text([here.state()]) != page.encode()
    assert here.state()["steps"] == 2  # and nothing of it was added to what is told next time


def test_no_id_ever_becomes_a_label(client: TestClient) -> None:
    client.post("/predict", json={"values": [1], "session_id": "pump-7"})
    for path in ("/sessions/pump-7", "/sessions/pump-8", "/pump-9", "/predict/pump-9"):
        client.get(path)
    assert "pump" not in client.get("/metrics").text


def test_a_failed_commit_counts_no_step(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(stepping: Stepping, *_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Stepping, "many", fail)
    client.post("/predict", json={"values": [1], "session_id": "s"})
    assert numbers(client)["elman_steps_total"] == 0
