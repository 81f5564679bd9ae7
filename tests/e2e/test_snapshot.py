"""A restart keeps what it promises to keep, and says what is lost."""

import time
from pathlib import Path

import httpx2

from models import load
from tests.conftest import MakeCheckpoint
from tests.e2e.streams import Crowd, Stream
from tests.server import HOST, free_port, serving


def test_a_snapshot_loses_nothing_over_sigterm_under_load(tmp_path: Path, make_checkpoint: MakeCheckpoint) -> None:
    checkpoint, port, snapshot = make_checkpoint(), free_port(), tmp_path / "sessions"
    with Crowd(f"http://{HOST}:{port}") as crowd:
        for _ in range(2):
            with serving(checkpoint, port=port, elman_snapshot=str(snapshot)):
                assert not snapshot.exists()  # true only until the first request
                time.sleep(1)
            assert snapshot.exists()
        with serving(checkpoint, port=port, elman_snapshot=str(snapshot)):
            crowd.finish()
            crowd.check(load(checkpoint))


def test_what_a_restart_lost_is_said_and_not_begun_anew(make_checkpoint: MakeCheckpoint) -> None:
    """Sessions without a snapshot are unknown, and tokens without a key of ours are foreign."""
    checkpoint = make_checkpoint()
    with serving(checkpoint) as server:
        httpx2.post(f"{server.url}/predict", json={"values": [9, 10], "session_id": "s"}).raise_for_status()
        token = httpx2.post(f"{server.url}/predict", json={"values": [9, 10]}).json()["context"]
    with serving(checkpoint) as server:
        for request, status, code in (
            ({"values": [11], "session_id": "s", "step": 2}, 404, "session_unknown"),
            ({"values": [11], "context": token, "step": 2}, 400, "invalid_token"),
        ):
            answer = httpx2.post(f"{server.url}/predict", json=request)
            assert (answer.status_code, answer.json()["error"]) == (status, code)
        assert httpx2.get(f"{server.url}/sessions").json()["sessions"] == []


def test_a_token_outlives_the_process_that_signed_it(make_checkpoint: MakeCheckpoint) -> None:
    checkpoint, stream, token = make_checkpoint(), Stream("in a token"), None
    series: list[list[float | None]] = [[9.0, None], [12.0]]
    for values in series:
        with serving(checkpoint, elman_token_key="a key that stays the same") as server:
            request = {"values": values, "step": stream.step, "context": token}
            answer = httpx2.post(f"{server.url}/predict", json=request).json()
            stream.accept(values, answer)
            token = answer["context"]
    stream.check(load(checkpoint))
