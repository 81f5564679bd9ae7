"""Two replicas behind HAProxy, one Redis: one of them dies under load."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import httpx2
import numpy as np

from models import load
from tests.conftest import MakeCheckpoint
from tests.deploy.front import haproxy, wait_until
from tests.redis_server import redis_server
from tests.server import Server, serving

STREAMS = 4
VALUES = np.random.default_rng(0).normal(10, 4, (STREAMS, 300))


@contextmanager
def replicas(folder: Path, checkpoint: Path) -> Iterator[tuple[Server, httpx2.Client]]:
    """One of them, and a client of them all."""
    with ExitStack() as stack:
        store = stack.enter_context(redis_server()).url
        started = [
            stack.enter_context(serving(checkpoint, elman_session_store=store, elman_token_key="0123456789abcdef"))
            for _ in range(2)
        ]
        yield started[0], stack.enter_context(haproxy(folder, *(replica.port for replica in started)))


def test_a_replica_that_dies_costs_no_step(tmp_path: Path, make_checkpoint: MakeCheckpoint) -> None:
    """Whichever replica answers, every step is applied once and every prediction is that of one unbroken stream."""
    checkpoint, answered = make_checkpoint(), count(1)
    with replicas(tmp_path, checkpoint) as (dying, client):

        def feed(stream: int) -> list[float]:
            predictions = []
            for step, value in enumerate(VALUES[stream].tolist()):
                request = {"session_id": f"s{stream}", "values": [value], "step": step}
                answer = client.post("/predict", json=request)
                assert answer.status_code == 200, answer.text
                assert answer.json()["step"] == step + 1
                predictions += answer.json()["predictions"]
                if next(answered) == VALUES.size // 3:
                    dying.kill()
            return predictions

        wait_until(lambda: client.get("/readyz").status_code == 200)
        with ThreadPoolExecutor(STREAMS) as pool:
            predictions = list(pool.map(feed, range(STREAMS)))

    predictor = load(checkpoint).predictor("cpu")
    for values, predicted in zip(VALUES, predictions, strict=True):
        expected = predictor.observe(values[None, :, None], predictor.zero_context()).predictions
        assert predicted == expected[0, :, 0].tolist()
