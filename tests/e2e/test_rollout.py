"""Replicas with the old and the new checkpoint on one Redis: what a client sees at each moment (docs/rollout.md)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import httpx2
import pytest

from tests.e2e.test_model_change import FOLLOWING, HISTORY, SERIES, Pair, checkpoint, replayed, two_models
from tests.redis_server import redis_server
from tests.server import serving

__all__ = ["two_models"]  # a fixture

OLD, NEW = (checkpoint(seed).fingerprint[:12] for seed in (1, 2))

Replicas = tuple[httpx2.Client, httpx2.Client]


@contextmanager
def side_by_side(models: Pair, history: int) -> Iterator[Replicas]:
    """The old model and the new one, on the same sessions."""
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        serve = partial(serving, elman_session_store=redis.url, elman_session_history=str(history))
        servers = [stack.enter_context(serve(model)) for model in models]
        old, new = (stack.enter_context(httpx2.Client(base_url=server.url)) for server in servers)
        yield old, new


def predict(client: httpx2.Client, values: list[float | None], step: int | None = None) -> httpx2.Response:
    request: dict[str, Any] = {"session_id": "s", "values": values}
    return client.post("/predict", json=request | ({} if step is None else {"step": step}))


def test_without_history_a_session_stays_with_its_model(two_models: Pair) -> None:
    with side_by_side(two_models, 0) as (old, new):
        given = predict(old, SERIES, 0).json()
        again = predict(new, SERIES, 0)  # the answer got lost, and the retry comes to the new one
        assert (again.headers["x-replayed"], again.json()) == ("true", given)
        refused = predict(new, FOLLOWING, len(SERIES))
        assert refused.status_code == 409
        assert refused.json().items() >= {"error": "model_changed", "context_model": OLD, "model": NEW}.items()
        assert predict(new, FOLLOWING, 3).json()["error"] == "step_conflict"
        assert new.get("/sessions/s").json()["model"] == OLD  # it can be looked at, exported and deleted
        followed = predict(old, FOLLOWING, len(SERIES)).json()
        assert followed["predictions"] == pytest.approx(replayed(SERIES + FOLLOWING, checkpoint(1))[-3:])
        new.delete("/sessions/s").raise_for_status()
        assert predict(new, SERIES).status_code == 410
        begun = new.post("/predict", json={"session_id": "s2", "values": SERIES}).json()
        assert begun["model"] == NEW
        assert predict(old, FOLLOWING).status_code == 410
        assert old.post("/predict", json={"session_id": "s2", "values": FOLLOWING}).json()["error"] == "model_changed"


def test_with_history_a_session_goes_on_with_whoever_is_asked(two_models: Pair) -> None:
    with side_by_side(two_models, HISTORY) as (old, new):
        predict(old, SERIES, 0).raise_for_status()
        step = len(SERIES)
        seen = SERIES[:]
        for client, model, seed in ((new, NEW, 2), (old, OLD, 1), (new, NEW, 2)):
            answer = predict(client, FOLLOWING, step).json()
            assert (answer["model"], answer["rebuilt"], answer["rebuilt_steps"]) == (model, True, HISTORY)
            expected = replayed(seen[-HISTORY:] + FOLLOWING, checkpoint(seed))[-3:]
            assert answer["predictions"] == pytest.approx(expected)
            for other in (old, new):  # the retry, wherever it comes
                again = predict(other, FOLLOWING, step)
                assert (again.headers["x-replayed"], again.json()) == ("true", answer)
            seen += FOLLOWING
            step += len(FOLLOWING)
        settled = predict(new, FOLLOWING, step).json()  # all are new now
        assert "rebuilt" not in settled
