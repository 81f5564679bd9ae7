"""Several services on one Redis, asked for the same sessions at the same time: every value counts once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import numpy as np
import pytest

from service.columns import Columns
from service.engine import Engine
from service.metrics import Metrics
from service.schemas import PredictBatchRequest, PredictRequest
from service.sessions import Limits, Shared
from service.sessions.addresses import Address
from service.sessions.redis import RedisStore
from service.settings import Settings
from tests.conftest import random_checkpoint
from tests.redis_server import RedisServer

CHECKPOINT = random_checkpoint(calibrated=True)
PREDICTOR = CHECKPOINT.predictor("cpu")
LIMITS = Limits(60, None, 0, 0, 60, 0)
VALUE, IDS, TURNS = 12.0, ["a", "b", "c", "d"], 15


@asynccontextmanager
async def engines(url: str, count: int) -> AsyncIterator[list[Engine]]:
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(count):
            store: Shared = RedisStore(Address.parse(url), LIMITS, 20)
            made.append(Engine(CHECKPOINT, PREDICTOR, store, Settings(store_timeout_seconds=20), Metrics()))
            stack.push_async_callback(made[-1].close)
        yield made


@pytest.mark.parametrize("batches", [True, False], ids=["batches", "single"])
def test_no_value_is_lost_or_applied_twice(redis: RedisServer, batches: bool) -> None:
    """All values are the same, so the answer to the n-th of a stream is known, whoever was asked for it."""
    answers: dict[str, list[tuple[int, float]]] = {name: [] for name in IDS}

    async def ask(engine: Engine) -> None:
        for _ in range(TURNS):
            if batches:
                ids = [*IDS, "a"]
                request = PredictBatchRequest(session_ids=ids, values=[VALUE] * len(ids))
                found = await Columns(engine).predict(request)
                assert found["errors"] == []
                for name, step, prediction in zip(ids, found["steps"], found["predictions"], strict=True):
                    answers[name].append((int(step), float(prediction)))
            else:
                for name in IDS:
                    answer = (await engine.predict(PredictRequest(session_id=name, values=[VALUE]))).answer
                    answers[name].append((answer["step"], answer["predictions"][0]))

    async def race() -> float:
        async with engines(redis.url, 3) as racing:
            await asyncio.gather(*(ask(engine) for engine in racing for _ in range(2)))
            return sum(engine.metrics.superseded.state() for engine in racing)

    assert asyncio.run(race()) > 0, "somebody was faster at times"
    for name in IDS:
        many = 6 * TURNS * (2 if batches and name == "a" else 1)
        series = np.full((1, many, 1), VALUE)
        expected = PREDICTOR.observe(series, PREDICTOR.zero_context()).predictions[0, :, 0]
        steps = Counter(step for step, _ in answers[name])
        assert steps == Counter(range(1, many + 1))
        for step, prediction in answers[name]:
            assert prediction == pytest.approx(expected[step - 1], abs=1e-6 * CHECKPOINT.scaler.scale[0])
