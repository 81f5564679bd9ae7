"""Any order of requests, waiting, stops and crashes, held against a model of the contract that fits on a page."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr

from models.predictor import Context, Values
from service.custody import Custody
from service.engine import Engine, Part, Prediction
from service.errors import ServiceError
from service.metrics import Metrics
from service.schemas import ForecastRequest, PredictRequest, RestoreRequest, SessionResponse
from service.sessions import Gone, Limits, MemoryStore, SqliteStore, Store
from service.sessions.addresses import Address
from service.sessions.redis import RedisStore
from service.settings import Settings
from service.times import rfc3339
from tests.conftest import random_checkpoint
from tests.redis_server import RedisServer, redis_cluster
from tests.server import HOST

IDLE, AGE, REMEMBERED, CAPACITY, MAX_VALUES = 60, 150, 200, 2, 3
LIMITS = Limits(IDLE, AGE, CAPACITY, max_bytes=10**6, gone_seconds=REMEMBERED, max_gone=100)
SETTINGS = Settings(
    max_values=MAX_VALUES,
    session_idle_seconds=IDLE,
    session_max_age_seconds=AGE,
    token_key=SecretStr("one key for all starts"),
    store_timeout_seconds=60,  # what is late here is the machine
)
CHECKPOINT = random_checkpoint()
PREDICTOR = CHECKPOINT.predictor("cpu")
TOLERANCE = 1e-6 * CHECKPOINT.scaler.scale[0]

Seen = tuple[float | None, ...]
T = TypeVar("T")


class Clock:
    """Time that the machine moves; what the engine takes for the module `time`."""

    perf_counter = staticmethod(time.perf_counter)

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now


def observed(seen: Seen) -> tuple[Values, Context]:
    """The oracle: the whole stream at once, from zero."""
    values = np.array([np.nan if value is None else value for value in seen]).reshape(1, -1, 1)
    if not seen:
        return values, PREDICTOR.zero_context()
    observed = PREDICTOR.observe(values, PREDICTOR.zero_context())
    return observed.predictions, observed.context


class Refused(Exception):
    """What the contract refuses, and the details that it promises."""

    def __init__(self, code: str, **details: object) -> None:
        super().__init__(code, details)


@dataclass
class Stream:
    """A live session: everything it has seen, and its last request: the step before, the values, the answer."""

    seen: Seen
    created: float
    used: float
    last: tuple[int, Seen, list[float]] | None = None

    @property
    def end(self) -> float:
        return min(self.used + IDLE, self.created + AGE)


class Reference:
    """The contract, as plainly as it can be said."""

    def __init__(self, clock: Clock, capacity: float) -> None:
        self.clock = clock
        self.capacity = capacity
        self.live: dict[str, Stream] = {}
        self.gone: dict[str, Gone] = {}

    def time_passes(self) -> None:
        now = self.clock.now
        for session_id, stream in [item for item in self.live.items() if now > item[1].end]:
            self.gone[session_id] = Gone("expired", stream.end)
            del self.live[session_id]
        self.gone = {session_id: gone for session_id, gone in self.gone.items() if now - gone.at <= REMEMBERED}

    def lose_everything(self) -> None:
        self.live, self.gone = {}, {}

    def find(self, session_id: str) -> Stream | None:
        self.time_passes()
        if (gone := self.gone.get(session_id)) is not None:
            raise Refused(f"session_{gone.reason}", **{f"{gone.reason}_at": rfc3339(gone.at)})
        return self.live.get(session_id)

    def needed(self, session_id: str) -> Stream:
        if (stream := self.find(session_id)) is None:
            raise Refused("session_unknown")
        return stream

    def begin(self, session_id: str, seen: Seen) -> Stream:
        self.time_passes()
        if len(self.live) >= self.capacity:
            raise Refused("session_capacity")
        self.gone.pop(session_id, None)
        stream = self.live[session_id] = Stream(seen, self.clock.now, self.clock.now)
        return stream

    def predict(self, session_id: str, values: Seen, step: int | None) -> tuple[list[float], int, bool]:
        """-> the answer, the step after it, and whether it is a replay"""
        stream = self.find(session_id)
        if stream is None and step:
            raise Refused("session_unknown")
        if stream is not None and step not in (None, len(stream.seen)):
            if stream.last is not None and (step, values) == stream.last[:2]:
                return stream.last[2], len(stream.seen), True
            raise Refused("step_conflict", expected_step=len(stream.seen))
        stream = stream or self.begin(session_id, ())
        base, stream.seen, stream.used = len(stream.seen), stream.seen + values, self.clock.now
        stream.last = (base, values, observed(stream.seen)[0][0, base:, 0].tolist())
        return stream.last[2], len(stream.seen), False

    def infer(
        self, session_id: str, values: Seen, step: int | None, start: bool, end: bool
    ) -> tuple[list[float], int, bool]:
        """The same of a request that says whether it begins the session, and whether it ends it."""
        if start:
            self.start(session_id, values, step)
        else:
            self.needed(session_id)
        answer = self.predict(session_id, values, step)
        if end:
            self.delete(session_id)
        return answer

    def start(self, session_id: str, values: Seen, step: int | None) -> None:
        """Make room for a session that begins, unless the request is a retry."""
        self.time_passes()
        if step:
            raise Refused("step_conflict", expected_step=0)
        stream = self.live.get(session_id)
        if step == 0 and stream is not None and stream.last is not None and stream.last[:2] == (0, values):
            return
        self.live.pop(session_id, None)
        self.begin(session_id, ())

    def restore(self, session_id: str, seen: Seen, if_step: int | None) -> bool:
        """-> whether it is new"""
        self.time_passes()
        stream = self.live.get(session_id)
        if stream is None:
            if if_step is not None:
                self.needed(session_id)
            self.begin(session_id, seen)
            return True
        if if_step is None:
            raise Refused("session_exists", step=len(stream.seen))
        if if_step != len(stream.seen):
            raise Refused("step_conflict", expected_step=len(stream.seen))
        stream.seen, stream.used, stream.last = seen, self.clock.now, None
        return False

    def delete(self, session_id: str) -> None:
        self.needed(session_id)
        del self.live[session_id]
        self.gone[session_id] = Gone("deleted", self.clock.now)


names = Bundle("names")
tokens = Bundle("tokens")
requests = Bundle("requests")
values = st.lists(st.sampled_from([None, -5.0, 10.0, 12.5]), min_size=1, max_size=MAX_VALUES).map(tuple)
offsets = st.none() | st.just(0) | st.integers(-4, 2)  # of a step, from where the session really is
nonsense = st.sampled_from([(1e300,), (10.0, [1.0, 2.0]), (10.0,) * (MAX_VALUES + 1)])
pauses = st.sampled_from([0.5, 10, IDLE / 2, IDLE - 0.5, IDLE, IDLE + 0.5, REMEMBERED])


class Sessions(RuleBasedStateMachine):
    """Drives the engine and the reference side by side. Subclasses say which store, and what it survives."""

    survives_stop = False
    survives_crash = False
    capacity: float = CAPACITY

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.reference = Reference(self.clock, self.capacity)
        self.applied: dict[str, PredictRequest] = {}
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.run = self.stack.enter_context(asyncio.Runner()).run
        for module in ("model", "custody", "stepping"):
            self.stack.enter_context(mock.patch(f"service.{module}.time", self.clock))
        self.start()

    def open_store(self) -> Store:
        return MemoryStore(LIMITS, clock=self.clock.time)

    def start(self) -> None:
        self.engine = Engine(CHECKPOINT, PREDICTOR, self.open_store(), SETTINGS, Metrics())
        self.custody = Custody(self.engine, SETTINGS)

    def stop(self) -> None:
        self.run(self.engine.close())

    def teardown(self) -> None:
        self.stop()
        self.stack.close()

    def both(self, act: Coroutine[Any, Any, T], expect: Callable[[], Any]) -> tuple[T, Any] | None:
        """What is answered and what should be; None where both refuse in the same way."""
        try:
            expected = expect()
        except Refused as refused:
            self.refused(act, *refused.args)
            return None
        return self.run(act), expected

    def refused(self, act: Coroutine[Any, Any, object], code: str, details: dict[str, object]) -> None:
        with pytest.raises(ServiceError) as error:
            self.run(act)
        found = {name: value for name, value in error.value.details.items() if name != "retry_after"}
        assert (error.value.code, found) == (code, details)

    def step_of(self, name: str, offset: int | None) -> int | None:
        stream = self.reference.live.get(name)
        return None if offset is None else max(0, offset + (len(stream.seen) if stream else 0))

    def send(self, request: PredictRequest) -> None:
        """A request of a session is applied, answered again, or refused."""
        name, seen = str(request.session_id), tuple(request.values)
        outcome = self.both(
            self.engine.predict(request),
            lambda: self.reference.predict(name, seen, request.step),  # type: ignore[arg-type]  # one feature: numbers
        )
        if outcome is None:
            return
        prediction, (answer, step, replayed) = outcome
        check(prediction, answer, step, replayed)
        if not replayed:
            self.applied[name] = request.model_copy(update={"step": step - len(seen)})

    @initialize(target=names)
    def give_names(self) -> Any:
        return multiple(*"abc")

    @initialize(target=tokens)
    def give_a_token(self) -> tuple[str, Seen]:
        return self.observe_by_token(None, (), (10.0, None), None)

    @rule(target=requests, name=names, values=values, offset=offsets, times=st.integers(1, 2))
    def predict(self, name: str, values: Seen, offset: int | None, times: int) -> PredictRequest:
        request = PredictRequest(values=list(values), session_id=name, step=self.step_of(name, offset))
        for _ in range(times):
            self.send(request)
        return request

    @rule(name=names, values=values, offset=offsets, start=st.booleans(), end=st.booleans(), horizon=st.integers(0, 2))
    def infer(self, name: str, values: Seen, offset: int | None, start: bool, end: bool, horizon: int) -> None:
        step = self.step_of(name, offset) if not start else offset and max(0, offset)
        array = np.array(values, float).reshape(1, -1, 1)  # None becomes NaN
        outcome = self.both(
            self.engine.infer(array, name, step, part=Part(start, end, horizon)),
            lambda: self.reference.infer(name, values, step, start, end),
        )
        if outcome is None:
            return
        prediction, (answer, after, replayed) = outcome
        check(prediction, answer, after, replayed)
        if horizon:
            assert prediction.forecast is not None
            assert prediction.forecast.path[0, :1, 0].tolist() == near(answer[-1:])
        if not replayed:
            request = PredictRequest(values=list(values), session_id=name, step=after - len(values))
            self.applied[name] = request

    @rule(request=requests)
    def send_some_request_again(self, request: PredictRequest) -> None:
        self.send(request)

    @rule(name=names)
    def retry_what_was_applied_last(self, name: str) -> None:
        if name in self.applied:
            self.send(self.applied[name])

    @rule(name=names, nonsense=nonsense)
    def send_nonsense(self, name: str, nonsense: tuple[Any, ...]) -> None:
        self.reference.time_passes()
        if name not in self.reference.gone:
            request = PredictRequest(values=list(nonsense), session_id=name)
            self.refused(self.engine.predict(request), "invalid_request", {})

    @rule(target=tokens, values=values)
    def begin_with_a_token(self, values: Seen) -> tuple[str, Seen]:
        return self.observe_by_token(None, (), values, None)

    @rule(target=tokens, token=tokens, values=values, step=st.booleans())
    def go_on_with_a_token(self, token: tuple[str, Seen], values: Seen, step: bool) -> tuple[str, Seen]:
        return self.observe_by_token(*token, values, len(token[1]) if step else None)

    def observe_by_token(self, text: str | None, seen: Seen, values: Seen, step: int | None) -> tuple[str, Seen]:
        prediction = self.run(self.engine.predict(PredictRequest(values=list(values), context=text, step=step)))
        after = seen + values
        check(prediction, observed(after)[0][0, len(seen) :, 0].tolist(), len(after), replayed=False)
        assert prediction.response.context is not None
        return prediction.response.context, after

    @rule(token=tokens, ahead=st.integers(1, 2))
    def take_a_token_for_another_step(self, token: tuple[str, Seen], ahead: int) -> None:
        request = PredictRequest(values=[10.0], context=token[0], step=len(token[1]) + ahead)
        self.refused(self.engine.predict(request), "step_conflict", {"expected_step": len(token[1])})

    @rule(name=names, hypothetical=st.none() | values, horizon=st.integers(1, 3))
    def forecast(self, name: str, hypothetical: Seen | None, horizon: int) -> None:
        request = ForecastRequest(
            session_id=name, horizon=horizon, values=None if hypothetical is None else list(hypothetical)
        )
        if outcome := self.both(self.engine.forecast(request), lambda: self.reference.needed(name)):
            response, stream = outcome
            _, context = observed(stream.seen + (hypothetical or ()))
            assert response.step == len(stream.seen)
            assert response.forecast == near(PREDICTOR.forecast(context, horizon).path[0, :, 0].tolist())

    @rule(target=names)
    def create(self) -> Any:
        outcome = self.both(self.custody.create(), lambda: self.reference.begin("new", ()))
        if outcome is None:
            return multiple()
        session, stream = outcome
        self.reference.live[session.session_id] = self.reference.live.pop("new")
        self.describes(session, stream)
        return session.session_id

    @rule(target=tokens, name=names)
    def export(self, name: str) -> Any:
        outcome = self.both(self.custody.show(name), lambda: self.reference.needed(name))
        if outcome is None:
            return multiple()
        session, stream = outcome
        self.describes(session, stream)
        return session.context, stream.seen

    @rule(name=names, token=tokens, offset=offsets)
    def restore_or_fork(self, name: str, token: tuple[str, Seen], offset: int | None) -> None:
        text, seen = token
        step = self.step_of(name, offset)
        outcome = self.both(
            self.custody.restore(name, RestoreRequest(context=text), if_step=step),
            lambda: self.reference.restore(name, seen, step),
        )
        if outcome is not None:
            (session, new), expected = outcome
            assert new == expected
            self.describes(session, self.reference.live[name])

    @rule(name=names)
    def delete(self, name: str) -> None:
        self.both(self.custody.delete(name), lambda: self.reference.delete(name))

    @rule(limit=st.integers(1, CAPACITY + 1))
    def list_sessions(self, limit: int) -> None:
        self.reference.time_passes()
        cursor: str | None = ""
        listed = []
        while cursor is not None:
            page = self.run(self.custody.page(cursor=cursor, limit=limit))
            assert page.sessions or not cursor  # a cursor leads to something
            listed += [(session.session_id, session.step) for session in page.sessions]
            cursor = page.cursor
        assert listed == sorted((name, len(stream.seen)) for name, stream in self.reference.live.items())

    @rule(seconds=pauses)
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(crash=st.booleans())
    def restart(self, crash: bool) -> None:
        if crash:
            self.crash()
        else:
            self.stop()
        if not (self.survives_crash if crash else self.survives_stop):
            self.reference.lose_everything()
        self.start()

    def crash(self) -> None:
        """The process is killed: nothing is closed."""

    def describes(self, session: SessionResponse, stream: Stream) -> None:
        times = (session.created_at, session.used_at, session.expires_at)
        assert session.step == len(stream.seen)
        assert times == tuple(map(rfc3339, (stream.created, stream.used, stream.end)))


def near(answer: list[float]) -> Any:
    return pytest.approx(answer, rel=0, abs=TOLERANCE)


def check(prediction: Prediction, answer: list[float], step: int, replayed: bool) -> None:
    response = prediction.response
    assert (response.step, prediction.replayed) == (step, replayed)
    assert response.predictions == near(answer)


class InMemory(Sessions):
    """Nothing outlives the process, and nothing comes back as something else."""


class WithSnapshot(Sessions):
    """Lossless over a stop; a crash loses everything and rewinds nothing."""

    survives_stop = True

    def open_store(self) -> Store:
        return MemoryStore(LIMITS, snapshot_file=self.folder / "snapshot", clock=self.clock.time)


class InSqlite(Sessions):
    """Every step that was acknowledged survives everything."""

    survives_stop = survives_crash = True

    def open_store(self) -> SqliteStore:
        return SqliteStore(self.folder / "sessions.db", LIMITS, clock=self.clock.time)

    def crash(self) -> None:
        """What another process would find in the files of this one."""
        found = Path(tempfile.mkdtemp(dir=self.folder))
        for name in ("sessions.db-wal", "sessions.db"):  # in this order any checkpoint in between is harmless
            shutil.copy(self.folder / name, found)
        self.run(self.engine.close())
        for name in ("sessions.db-wal", "sessions.db"):
            (found / name).replace(self.folder / name)


class InRedis(Sessions):
    """Two processes that keep nothing themselves; how many sessions there may be is Redis's own affair."""

    survives_stop = survives_crash = True
    capacity = inf

    def __init__(self, url: str) -> None:
        self.url = url
        super().__init__()

    def open_store(self) -> Store:
        return RedisStore(Address.parse(f"{self.url}?prefix={self.folder.name}"), LIMITS, clock=self.clock.time)

    def start(self) -> None:
        super().start()
        self.other = self.engine, self.custody
        super().start()

    @rule()
    def go_to_the_other_process(self) -> None:
        self.other, (self.engine, self.custody) = (self.engine, self.custody), self.other

    def stop(self) -> None:
        super().stop()
        self.run(self.other[0].close())

    def crash(self) -> None:
        """Nothing is in a process but connections."""
        self.stop()


RUN = settings(
    max_examples=100,
    stateful_step_count=50,
    phases=(
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ),  # a failure is told as it was found: to shrink it takes minutes
)


@pytest.mark.parametrize("machine", [InMemory, WithSnapshot, InSqlite])
def test_alone(machine: type[Sessions]) -> None:
    run_state_machine_as_test(machine, settings=RUN)


def test_in_redis(redis: RedisServer) -> None:
    run_state_machine_as_test(partial(InRedis, redis.url), settings=RUN)  # type: ignore[arg-type]  # calls it


def test_in_a_cluster() -> None:
    with redis_cluster() as nodes:
        url = "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in nodes)
        run_state_machine_as_test(partial(InRedis, url), settings=RUN)  # type: ignore[arg-type]  # calls it
