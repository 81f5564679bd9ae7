"""kill -9 at any moment: no acknowledged observation is lost, and none is applied twice."""

import os
import random
import signal
import time
from pathlib import Path

import httpx2
import pytest

from models import load
from tests.conftest import MakeCheckpoint
from tests.e2e.streams import Crowd
from tests.server import HOST, free_port, serving

KILLS = int(os.environ.get("KILLS", "5"))  # KILLS=50 pytest -s tests/e2e/test_crash.py prints the figures of 50
LONGEST_LIFE = 1.5  # seconds of service


@pytest.mark.timeout(60 + 20 * KILLS)
def test_killed_and_started_again_on_the_same_file(tmp_path: Path, make_checkpoint: MakeCheckpoint) -> None:
    checkpoint, port, store = make_checkpoint(calibrated=True), free_port(), f"sqlite:///{tmp_path}/sessions.db"
    began = time.monotonic()
    with Crowd(f"http://{HOST}:{port}") as crowd:
        for _ in range(KILLS):
            with serving(checkpoint, port=port, elman_session_store=store) as server:
                time.sleep(random.uniform(0, LONGEST_LIFE))
                server.kill()
        with serving(checkpoint, port=port, elman_session_store=store):
            time.sleep(1)
            crowd.finish()
            crowd.check(load(checkpoint))
    print(f"{KILLS} kills in {time.monotonic() - began:.0f} s:", crowd.figures())


def test_the_worker_alone_is_killed_and_started_again_by_its_supervisor(
    tmp_path: Path, make_checkpoint: MakeCheckpoint
) -> None:
    checkpoint, store = make_checkpoint(calibrated=True), f"sqlite:///{tmp_path}/sessions.db"
    with serving(checkpoint, elman_session_store=store) as server, Crowd(server.url) as crowd:
        time.sleep(random.uniform(0, LONGEST_LIFE))
        (worker,) = server.workers()
        os.kill(worker, signal.SIGKILL)
        before = crowd.figures()["requests"]
        while crowd.figures()["requests"] < before + 100:
            time.sleep(0.1)
        crowd.finish()
        crowd.check(load(checkpoint))


def test_no_worker_outlives_a_killed_supervisor(tmp_path: Path, make_checkpoint: MakeCheckpoint) -> None:
    """The next service gets the port and the file at once, and what was acknowledged is there."""
    checkpoint, port, store = make_checkpoint(), free_port(), f"sqlite:///{tmp_path}/sessions.db"
    with serving(checkpoint, port=port, elman_session_store=store) as server:
        answer = httpx2.post(f"{server.url}/predict", json={"session_id": "s", "values": [9.0], "step": 0}).json()
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        with serving(checkpoint, port=port, elman_session_store=store) as successor:
            again = httpx2.post(f"{successor.url}/predict", json={"session_id": "s", "values": [9.0], "step": 0})
    assert (again.headers["x-replayed"], again.json()) == ("true", answer)
