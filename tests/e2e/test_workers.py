"""Several workers are one service: whoever answers, sessions and numbers are the same; and one that dies is missed."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from models import load, save
from service.siblings import DIRECTORY
from tests.conftest import random_checkpoint
from tests.e2e.streams import Crowd
from tests.e2e.test_watch import watching
from tests.redis_server import RedisServer, redis_server
from tests.server import HOST, Server, free_port, serving

WORKERS = 2
STORE_SECONDS = 1
PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(random_checkpoint(calibrated=True), tmp_path_factory.mktemp("workers") / "model.safetensors")


@pytest.fixture(scope="module")
def server(redis: RedisServer, checkpoint: Path) -> Iterator[Server]:
    """It ends as it should when it is told to."""
    with serving(checkpoint, **settings(redis)) as server:
        yield server
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


@pytest.fixture(autouse=True)
def _nobody_was_here(redis: RedisServer) -> None:
    redis.ask("FLUSHALL")


def settings(redis: RedisServer) -> dict[str, Any]:
    return {
        "elman_workers": str(WORKERS),
        "elman_session_store": redis.url,
        "elman_store_timeout_seconds": str(STORE_SECONDS),
    }


def probe(server: Server, path: str = "/readyz") -> tuple[int, Any]:
    """On a connection of its own; what is wrong, if something is."""
    answer = httpx2.get(f"{server.url}{path}", timeout=10)
    return answer.status_code, answer.json() if answer.status_code == 503 else None


def predict(server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """On a connection of its own."""
    answer: dict[str, Any] = httpx2.post(f"{server.url}/predict", json=body, timeout=10).raise_for_status().json()
    return answer


@contextmanager
def stopped(worker: int) -> Iterator[None]:
    """It takes no connection."""
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while probe(server)[0] != 200:
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.1)


def numbers(server: Server) -> dict[str, float]:
    """What /metrics says of what is counted."""
    text = httpx2.get(f"{server.url}/metrics").text
    return {name: float(value) for name, value in re.findall(r"^(elman_\S+) (\S+)$", text, re.MULTILINE)}


def each_counted(server: Server) -> list[float]:
    """How many steps each of the workers applied, as they told each other last."""
    environment = dict(
        variable.split("=", 1)
        for variable in Path(f"/proc/{server.workers()[0]}/environ").read_text().split("\0")
        if "=" in variable
    )
    files = Path(environment[DIRECTORY]).glob("*.json")
    return [json.loads(file.read_text())["metrics"]["steps"] for file in files]


def test_sessions_tokens_and_numbers_are_those_of_all(server: Server, checkpoint: Path) -> None:
    """Each worker goes on with what the other began."""
    before, statistics = numbers(server), f"{server.url}/v2/models/elman/stats"
    counted_before = httpx2.get(statistics).json()["model_stats"][0]["inference_count"]
    token, predictor = None, load(checkpoint).predictor("cpu")
    context = predictor.zero_context()
    for step, worker in enumerate(server.workers() * 2):
        observed = predictor.observe(np.array([[[float(step)]]]), context)
        context = observed.context
        with stopped(worker):  # another answers
            by_session = predict(server, {"values": [step], "session_id": "s", "step": step})
            by_token = predict(server, {"values": [step], "context": token, "step": step})
        token = by_token["context"]
        for answer in (by_session, by_token):
            assert answer["predictions"] == pytest.approx([observed.predictions[0, 0, 0]], abs=1e-5)
    with Crowd(server.url) as crowd:
        time.sleep(1)
        crowd.finish()
        crowd.check(load(checkpoint))
    here = 4 * WORKERS
    steps = crowd.figures()["step"] + here
    for _ in range(5):  # whoever is asked
        after = numbers(server)
        assert after["elman_steps_total"] - before["elman_steps_total"] == steps
        assert after["elman_scaled_error_count"] > before["elman_scaled_error_count"]
        assert "elman_sessions_active" not in after
        counted = httpx2.get(statistics).json()["model_stats"][0]["inference_count"]
        assert counted - counted_before == crowd.figures()["requests"] + here
    each = each_counted(server)
    assert len(each) == WORKERS
    assert min(each) > 0
    assert sum(each) == numbers(server)["elman_steps_total"]


def test_who_watches_sees_what_every_worker_does(server: Server) -> None:
    """On one connection to one of them; in order, with the answers that were given."""
    with watching(server, "s", "t", headers={}) as events:
        assert [next(events)[0] for _ in range(2)] == ["ended"] * 2
        answers = []
        for step, worker in enumerate(server.workers() * 3):
            with stopped(worker):  # another answers
                answers.append(predict(server, {"values": [step], "session_id": "st"[step % 2]}))
        for answer in answers:
            name, told = next(events)
            assert (name, {key: told[key] for key in answer}) == ("observed", answer)


def test_a_store_that_is_not_there_is_said_and_missed_no_longer_when_it_is_back(
    server: Server, redis: RedisServer
) -> None:
    body = {"session_id": "s", "values": [1]}
    httpx2.post(f"{server.url}/predict", json=body).raise_for_status()
    redis.freeze()
    began = time.monotonic()
    assert probe(server)[1]["error"] == "store_unavailable"
    assert probe(server, "/v2/health/ready")[1]["error"].startswith("store_unavailable: ")
    assert time.monotonic() - began < 10 * STORE_SECONDS
    assert probe(server, "/livez")[0] == 200
    redis.thaw()
    wait_until_ready(server)
    redis.end()
    assert probe(server)[1]["error"] == "store_unavailable"
    redis.start()
    wait_until_ready(server)
    redis.ask("CONFIG", "SET", "maxmemory", "1")
    assert "memory" in probe(server)[1]["message"]
    redis.ask("CONFIG", "SET", "maxmemory", "0")
    wait_until_ready(server)
    redis.ask("REPLICAOF", HOST, free_port())
    status, refusal = probe(server)
    redis.ask("REPLICAOF", "NO", "ONE")
    assert (status, refusal["error"]) == (503, "store_unavailable")
    wait_until_ready(server)


def test_a_worker_that_hangs_is_missed(server: Server) -> None:
    for worker in server.workers():
        with stopped(worker):
            status, refusal = probe(server)
        assert (status, refusal["error"]) == (503, "worker_missing")
        assert re.fullmatch(r"worker \d of 2 does not answer", refusal["message"])
        wait_until_ready(server)


def test_a_worker_that_dies_is_missed_until_another_is_there(server: Server, checkpoint: Path) -> None:
    """Nothing that was acknowledged is lost, and no counter goes down."""
    with Crowd(server.url) as crowd:
        time.sleep(1)
        before = numbers(server)
        os.kill(server.workers()[0], signal.SIGKILL)
        assert probe(server)[1]["error"] == "worker_missing"
        while probe(server)[0] != 200:
            after = numbers(server)
            assert all(after[name] >= value for name, value in before.items())
            before = after
            time.sleep(0.1)
        crowd.finish()
        crowd.check(load(checkpoint))
    after = numbers(server)
    assert all(after[name] >= value for name, value in before.items())


@pytest.mark.timeout(180)
def test_in_a_container_all_end_when_one_is_dead(redis: RedisServer, checkpoint: Path) -> None:
    """With 1, so that its keeper starts it again; and then it goes on where it was. So does a worker that is alone."""
    contained: dict[str, Any] = {"target": "tests.e2e.impatient:service", "bentoml_containerized": "true"}
    port = free_port()
    with Crowd(f"http://{HOST}:{port}") as crowd:
        with (
            serving(checkpoint, port=port, **contained, **settings(redis)) as several,
            serving(checkpoint, **contained) as alone,
        ):
            for server in (several, alone):
                os.kill(server.workers()[0], signal.SIGKILL)
            assert probe(several)[1]["error"] == "worker_missing"
            assert several.process.wait(PATIENCE_SECONDS) == 1
            assert alone.process.wait(PATIENCE_SECONDS) == 1
        with serving(checkpoint, port=port, **settings(redis)) as again:
            crowd.finish()
            crowd.check(load(checkpoint))
            workers = again.workers()
            os.kill(again.process.pid, signal.SIGKILL)
            again.process.wait()
            deadline = time.monotonic() + PATIENCE_SECONDS
            while any(is_running(worker) for worker in workers):  # none outlives its supervisor
                assert time.monotonic() < deadline
                time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
