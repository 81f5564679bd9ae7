"""Several services on one Redis, asked for the same sessions at the same time: every value counts once, and is seen."""

import asyncio
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from service import watching
from service.columns import Columns
from service.custody import Custody
from service.engine import Engine
from service.errors import StoreUnavailable
from service.metrics import Metrics
from service.schemas import PredictBatchRequest, PredictRequest, RestoreRequest
from service.sessions import Limits, MemoryStore, Shared, wire
from service.sessions.addresses import Address
from service.sessions.redis import RedisStore
from service.settings import Settings
from service.watching import BEAT, RECENT
from tests.conftest import random_checkpoint
from tests.redis_server import RedisServer, redis_cluster, redis_sentinel, redis_server
from tests.server import HOST, wait_until
from tests.service.test_watching import Ear, Told, events, predict

CHECKPOINT = random_checkpoint(calibrated=True)
PREDICTOR = CHECKPOINT.predictor("cpu")
LIMITS = Limits(60, None, 0, 0, 60, 0)
VALUE, IDS, TURNS = 12.0, ["a", "b", "c", "d"], 15
SETTINGS = Settings(store_timeout_seconds=20, token_key=SecretStr("k" * 32))
RECOVERY_SECONDS = 20


@asynccontextmanager
async def engines(url: str, count: int) -> AsyncIterator[list[Engine]]:
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(count):
            store: Shared = RedisStore(Address.parse(url), LIMITS, 20)
            made.append(Engine(CHECKPOINT, PREDICTOR, store, SETTINGS, Metrics()))
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


class PatientEar(Ear):
    """It waits until Redis is there again."""

    async def hear(self) -> Told:
        async with asyncio.timeout(RECOVERY_SECONDS):
            while not self._heard:
                self._heard = events(await anext(self._pieces))
        return self._heard.pop(0)


async def step_of(ear: Ear) -> int:
    """Of the next event, which is of values."""
    name, told = await ear.hear()
    assert name == "observed"
    step: int = told["step"]
    return step


async def batch(engine: Engine, ids: list[str], *values: float) -> None:
    found = await Columns(engine).predict(PredictBatchRequest(session_ids=ids, values=list(values)))
    assert found["errors"] == []


async def kept(engine: Engine, session_id: str, value: float) -> None:
    """As soon as the store is there again."""
    async with asyncio.timeout(RECOVERY_SECONDS):
        while True:
            with suppress(StoreUnavailable):
                await predict(engine, session_id, value)
                return
            await asyncio.sleep(0.1)


async def arrives(ear: Ear, step: int) -> None:
    """It is told that the session is at this step: how it is, or, if that was heard, what led there."""
    while (await ear.hear())[1].get("step") != step:
        pass


async def heard(ear: Ear, name: str) -> dict[str, Any]:
    """The next event of this name."""
    while True:
        found, told = await ear.hear()
        if found == name:
            return told


async def life(engine: Engine) -> None:
    """All that can happen to a session."""
    custody = Custody(engine, SETTINGS)
    await predict(engine, "s", 9.0, None, 11.0)
    token = (await custody.show("s")).context
    await predict(engine, "s", 12.0, level=0.5)
    await batch(engine, ["s", "other", "s"], 8.0, 8.0, 30.0)
    await batch(engine, ["s"], 90.0)
    await predict(engine, "s", *(float(i % 7) for i in range(RECENT + 20)))
    await custody.restore("s", RestoreRequest(context=token), if_step=RECENT + 27)
    await predict(engine, "s", 13.0)
    await custody.delete("s")
    await custody.restore("s", RestoreRequest(context=token))
    await predict(engine, "s", 14.0)


async def pieces(engine: Engine, live: Engine) -> bytes:
    """What who watches at the one is told of a life at the other, without the times."""
    custody = Custody(engine, SETTINGS)
    watcher = engine.watching.watch(["s"], custody.look, ["s"])
    told, found = aiter(watcher), b""
    found += await anext(told)
    await life(live)
    async with asyncio.timeout(5):
        while found.count(b"event: ") < 13:
            found += await anext(told)
    watcher.close()
    return re.sub(rb"[0-9T:.-]{19,}Z", b"then", found.replace(BEAT, b""))


def test_what_another_process_keeps_is_told_to_the_byte_as_if_it_were_ones_own(redis: RedisServer) -> None:
    async def run() -> None:
        limits = Limits(60, None, 9, 1_000_000, 60, 9)
        alone = Engine(CHECKPOINT, PREDICTOR, MemoryStore(limits), SETTINGS, Metrics())
        expected = await pieces(alone, alone)
        assert b"session_unknown" in expected
        assert b"session_deleted" in expected
        assert expected.count(b"event: begun") == 1
        async with engines(redis.url, 2) as (here, there):
            assert await pieces(here, there) == expected
            redis.ask("FLUSHALL")
            assert await pieces(here, here) == expected

    asyncio.run(run())


def test_values_that_come_by_several_processes_are_told_once_and_in_order(redis: RedisServer) -> None:
    async def run() -> None:
        async with engines(redis.url, 3) as several:
            ears = [Ear(engine, "s") for engine in several for _ in range(2)]
            for ear in ears:
                assert (await ear.hear())[1]["error"] == "session_unknown"
            await asyncio.gather(*(predict(several[i % 3], "s", float(i)) for i in range(150)))
            for i in range(150, 300):
                await predict(several[i % 3], "s", float(i))
            told = [[await ear.hear() for _ in range(300)] for ear in ears]
            assert [event["step"] for _, event in told[0]] == list(range(1, 301))
            assert all(events == told[0] for events in told)

    asyncio.run(run())


def test_where_nobody_watches_nothing_is_published(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SIGN_MS", 200)

    def published() -> int:
        calls: int = redis.ask("INFO", "commandstats").get("cmdstat_publish", {"calls": 0})["calls"]
        return calls

    async def run() -> None:
        async with engines(redis.url, 2) as (here, there):
            before, ear = published(), Ear(here, "s")
            await predict(there, "s", 9.0)
            assert published() == before
            await ear.hear()
            await predict(there, "s", 9.0)
            await predict(there, "other", 9.0)
            assert (await step_of(ear), published()) == (2, before + 1)
            assert redis.ask("PUBSUB", "CHANNELS") == [b"elman:watch:0"]
            ear.watcher.close()
            wait_until(lambda: not redis.ask("EXISTS", "elman:{s}:watched"))
            await predict(there, "s", 9.0)
            assert published() == before + 1
            async with asyncio.timeout(5):
                while redis.ask("PUBSUB", "CHANNELS"):
                    await asyncio.sleep(0.01)

    asyncio.run(run())


def test_owners_see_their_own_sessions_only_whoever_keeps_them(redis: RedisServer) -> None:
    async def run() -> None:
        async with engines(redis.url, 2) as (here, there):
            ear = Ear(here, "s", owner="me:")
            await ear.hear()
            await there.predict(PredictRequest(session_id="s", values=[9.0]), "you:")
            await there.predict(PredictRequest(session_id="s", values=[10.0]), "me:")
            name, told = await ear.hear()
            assert (name, told["session_id"], told["values"]) == ("observed", "s", [10.0])

    asyncio.run(run())


def test_who_watches_stays_while_redis_is_away_and_is_told_how_it_is_then(caplog: pytest.LogCaptureFixture) -> None:
    async def run(server: RedisServer) -> None:
        async with engines(server.url, 2) as (here, there):
            ear = PatientEar(here, "s")
            await ear.hear()
            await predict(there, "s", 9.0)
            assert await step_of(ear) == 1
            server.end(signal.SIGKILL)
            with pytest.raises(StoreUnavailable):
                await predict(there, "s", 9.0)
            server.start()
            await kept(there, "s", 9.0)
            await arrives(ear, 2)
            await predict(there, "s", 9.0)
            assert await step_of(ear) == 3

    with redis_server(appendonly="yes", appendfsync="always") as server:
        asyncio.run(run(server))
    assert [entry.message[:4] for entry in caplog.records].count("who ") == 1


def test_after_a_connection_was_lost_all_is_looked_at_again(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wire, "STEADY_SECONDS", 0.0)

    async def run() -> None:
        async with engines(redis.url, 2) as (here, there):
            ears = [PatientEar(here, "s"), PatientEar(here, "t")]
            for ear in ears:
                await ear.hear()
            redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
            await predict(there, "s", 9.0)
            assert (await heard(ears[0], "session"))["step"] == 1
            assert (await heard(ears[1], "ended"))["error"] == "session_unknown"
            await predict(there, "t", 9.0)
            assert await step_of(ears[1]) == 1

    asyncio.run(run())
    assert len([entry for entry in caplog.records if "does not see what other" in entry.message]) == 1
    assert caplog.records[-1].message == "who watches a session sees again what other processes do to it"


def test_redis_that_says_nothing_is_asked_and_a_dead_connection_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SILENT_SECONDS", 0.2)

    async def run(server: RedisServer) -> None:
        async with engines(server.url, 2) as (here, there):
            ear = PatientEar(here, "s")
            await ear.hear()
            await asyncio.sleep(0.5)
            await predict(there, "s", 9.0)
            assert await step_of(ear) == 1
            server.freeze()
            assert isinstance(there.store, RedisStore)
            assert isinstance(here.store, RedisStore)
            async with asyncio.timeout(5):
                while here.store.wire.hears:
                    await asyncio.sleep(0.05)
            server.thaw()
            assert (await heard(ear, "session"))["step"] == 1
            await predict(there, "s", 9.0)
            assert await step_of(ear) == 2

    with redis_server() as server:
        asyncio.run(run(server))


def test_a_sign_that_was_lost_is_noticed(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BEAT_SECONDS", 0.2)

    async def run() -> None:
        async with engines(redis.url, 2) as (here, there):
            ear = PatientEar(here, "s")
            await ear.hear()
            redis.ask("DEL", "elman:{s}:watched")
            await predict(there, "s", 9.0)
            assert (await heard(ear, "session"))["step"] == 1
            await predict(there, "s", 9.0)
            assert await step_of(ear) == 2

    asyncio.run(run())


def test_a_cluster_tells_what_happens_at_all_of_its_nodes() -> None:
    ids = [f"session-{number}" for number in range(30)]

    async def run(nodes: list[RedisServer]) -> None:
        async with engines("redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in nodes), 2) as (here, there):
            ear = PatientEar(here, *ids)
            assert {(await ear.hear())[0] for _ in ids} == {"ended"}
            for _ in range(2):
                await asyncio.gather(*(predict(there, name, 9.0) for name in ids))
            told: list[Told] = [await ear.hear() for _ in range(2 * len(ids))]
            for name in ids:
                assert [event["step"] for _, event in told if event["session_id"] == name] == [1, 2]

    with redis_cluster() as nodes:
        asyncio.run(run(nodes))


@pytest.mark.parametrize("first", range(2))
def test_where_a_node_of_a_cluster_dies_another_tells(first: int) -> None:
    async def run(nodes: list[RedisServer]) -> None:
        async with engines("redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in nodes), 2) as (here, there):
            assert isinstance(here.store, RedisStore)
            client = here.store._pipelines.client
            at = await client.initialize()
            here.store._pipelines.client.get_random_node = lambda: at.get_node(HOST, nodes[first].port)
            ear = PatientEar(here, *IDS)
            for _ in IDS:
                await ear.hear()
            del client.get_random_node
            wait_until(nodes[0].is_replicated)
            nodes[0].end(signal.SIGKILL)
            for name in IDS:
                await kept(there, name, 9.0)
            async with asyncio.timeout(RECOVERY_SECONDS):
                while not here.store.wire.hears:
                    await asyncio.sleep(0.05)
            unseen = set(IDS)
            while unseen:
                unseen -= {told["session_id"] for name, told in [await ear.hear()] if name != "ended"}
            for name in IDS:
                await predict(there, name, 9.0)
                assert (await heard(ear, "observed"))["session_id"] == name

    with redis_cluster(replicas=1) as nodes:
        asyncio.run(run(nodes))


def test_after_a_failover_the_new_primary_tells() -> None:
    async def run(url: str, primary: RedisServer) -> None:
        async with engines(url, 2) as (here, there):
            ear = PatientEar(here, "s")
            await ear.hear()
            await predict(there, "s", 9.0)
            assert await step_of(ear) == 1
            wait_until(primary.is_replicated)
            primary.end(signal.SIGKILL)
            await kept(there, "s", 9.0)
            await arrives(ear, 2)
            await predict(there, "s", 9.0)
            assert await step_of(ear) == 3

    with redis_server() as primary, redis_server(replicaof=f"{HOST} {primary.port}"), redis_sentinel(primary) as port:
        asyncio.run(run(f"redis+sentinel://{HOST}:{port}/sessions", primary))


def test_a_user_that_may_not_listen_sees_its_own_process_only_and_the_log_says_what_it_needs(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "FORBIDDEN_SECONDS", 0.2)

    async def run(server: RedisServer) -> None:
        async with engines(server.url, 2) as (here, there):
            server.ask("ACL", "SETUSER", "default", "resetchannels")
            ear = PatientEar(here, "s")
            await ear.hear()
            await predict(there, "s", 9.0)
            await predict(here, "s", 9.0)
            await batch(here, ["s"], 9.0)
            assert [await step_of(ear) for _ in range(2)] == [2, 3]
            await asyncio.sleep(0.5)
            assert [entry.message.split("; ")[1] for entry in caplog.records] == [
                "its user needs +subscribe, +publish and &elman:watch:0"
            ]
            server.ask("ACL", "SETUSER", "default", "allchannels")
            assert (await heard(ear, "session"))["step"] == 3
            await predict(there, "s", 9.0)
            assert await step_of(ear) == 4

    with redis_server() as server:
        asyncio.run(run(server))


def test_a_user_that_may_not_publish_is_answered_all_the_same_and_the_log_says_what_it_needs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run(server: RedisServer) -> None:
        async with engines(server.url, 2) as (here, there):
            ear = PatientEar(here, "s")
            await ear.hear()
            server.ask("ACL", "SETUSER", "default", "-publish")
            for _ in range(2):
                await predict(there, "s", 9.0)
            await predict(here, "s", 9.0)
            assert await step_of(ear) == 3
            needs = [entry.message.split("; ")[1] for entry in caplog.records]
            assert needs == [f"the user of {HOST}:{server.port} needs +publish and &elman:watch:0"] * 2

    with redis_server() as server:
        asyncio.run(run(server))


def test_what_no_process_of_this_version_published_is_passed_over(redis: RedisServer) -> None:
    async def run() -> None:
        async with engines(redis.url, 2) as (here, there):
            ear = PatientEar(here, "s")
            await ear.hear()
            for message in (b"", b"elman:{s}\n", b"elman:{s}\n\n", b"elman:{s}\ndeleted x\n" + b"\0" * 8):
                redis.ask("PUBLISH", "elman:watch:0", message)
            redis.ask("PUBLISH", "elman:watch:0", b"elman:{s}\ndeleted 1\n" + b"\0" * 8 + b"x" * 16 + b"\xff" * 30)
            await predict(there, "s", 9.0)
            assert await step_of(ear) == 1

    asyncio.run(run())
