"""Another checkpoint under live contexts: they are refused, or rebuilt from their history; never fed to it."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx2
import numpy as np
import pytest

from models import Checkpoint, save
from tests.conftest import random_checkpoint
from tests.e2e.test_start import refusal, start
from tests.server import serving

WARMUP = 5
HISTORY = 8
KEY = "a key that stays the same"
SERIES = [9.0, 12.0, None, 7.0, 15.0, 11.0, None, 8.0, 10.0, 14.0, 6.0]
FOLLOWING = [13.0, None, 9.0]

Pair = tuple[Path, Path]


def checkpoint(seed: int) -> Checkpoint:
    return replace(random_checkpoint(seed=seed, calibrated=True), warmup=WARMUP)


@pytest.fixture
def two_models(tmp_path: Path) -> Pair:
    one, other = (save(checkpoint(seed), tmp_path / f"{seed}.safetensors") for seed in (1, 2))
    return one, other


def replayed(values: list[float | None], model: Checkpoint) -> list[float]:
    """The predictions for a whole series, from zero."""
    predictor = model.predictor("cpu")
    series = np.array(values, dtype=float)[None, :, None]
    predictions = predictor.observe(series, predictor.zero_context()).predictions
    return [float(prediction) for prediction in predictions[0, :, 0]]


def test_without_history_the_contexts_of_another_model_are_refused_and_kept(tmp_path: Path, two_models: Pair) -> None:
    serve = partial(serving, elman_session_store=f"sqlite:///{tmp_path}/sessions", elman_token_key=KEY)
    names = {"context_model": checkpoint(1).fingerprint[:12], "model": checkpoint(2).fingerprint[:12]}
    with serve(two_models[0]) as server:
        httpx2.post(f"{server.url}/predict", json={"values": SERIES, "session_id": "s"}).raise_for_status()
        token = httpx2.post(f"{server.url}/predict", json={"values": SERIES}).json()["context"]
    with serve(two_models[1]) as server, httpx2.Client(base_url=server.url) as client:
        for request in (
            client.build_request("POST", "/predict", json={"values": FOLLOWING, "session_id": "s"}),
            client.build_request("POST", "/predict", json={"values": FOLLOWING, "context": token}),
            client.build_request("POST", "/forecast", json={"horizon": 1, "session_id": "s"}),
            client.build_request("POST", "/forecast", json={"horizon": 1, "context": token}),
            client.build_request("PUT", "/sessions/t", json={"context": token}),
        ):
            answer = client.send(request)
            assert (answer.status_code, answer.json()["error"]) == (409, "model_changed")
            assert answer.json().items() >= names.items()
    with serve(two_models[0]) as server:
        following = {"values": FOLLOWING, "session_id": "s", "step": len(SERIES)}
        answer = httpx2.post(f"{server.url}/predict", json=following)
        assert answer.json()["predictions"] == pytest.approx(replayed(SERIES + FOLLOWING, checkpoint(1))[-3:])


def test_with_history_a_context_is_rebuilt_for_the_new_model_and_says_so(tmp_path: Path, two_models: Pair) -> None:
    store = f"sqlite:///{tmp_path}/sessions"
    serve = partial(serving, elman_session_store=store, elman_session_history=str(HISTORY))
    last = {"values": SERIES[3:], "session_id": "long", "step": 3}
    with serve(two_models[0]) as server, httpx2.Client(base_url=server.url) as client:
        client.post("/predict", json={"values": SERIES[:3], "session_id": "long"}).raise_for_status()
        given = client.post("/predict", json=last).json()
        client.post("/predict", json={"values": SERIES[:2], "session_id": "short"}).raise_for_status()
    with serve(two_models[1]) as server, httpx2.Client(base_url=server.url) as client:
        assert client.post("/predict", json=last).json() == given  # a retry gets the answer that it had
        for session_id, step, seen in (("long", len(SERIES), SERIES[-HISTORY:]), ("short", 2, SERIES[:2])):
            request = {"values": FOLLOWING, "session_id": session_id, "step": step}
            expected = replayed(seen + FOLLOWING, checkpoint(2))[-3:]
            for _ in range(2):  # it is said again to who asks again
                answer = client.post("/predict", json=request).json()
                assert answer["predictions"] == pytest.approx(expected)
                assert (answer["rebuilt"], answer["rebuilt_steps"]) == (True, len(seen))
                assert (answer["step"], answer["model"]) == (step + 3, checkpoint(2).fingerprint[:12])
            assert "rebuilt" not in client.post("/predict", json={"values": [1], "session_id": session_id}).json()


def test_a_history_too_short_to_rebuild_from_is_refused(tmp_path: Path, two_models: Pair) -> None:
    line = refusal(start(tmp_path, ELMAN_CHECKPOINT=str(two_models[0]), ELMAN_SESSION_HISTORY=str(WARMUP - 1)))
    assert line.startswith(f"elman: ELMAN_SESSION_HISTORY={WARMUP - 1} is too short: this network needs {WARMUP} ")
