"""Policy: what a request means for a context. No HTTP here, and no arithmetic.

A context is advanced by one request at a time. Everything that follows from a request is computed first and committed
as one record; what fails before leaves everything as it was, and nothing is answered before it is kept.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np

from models import Checkpoint, NumericalError, Predictor, ValueRangeError
from models.predictor import Condition, Context, Observed, Values
from service import observations
from service.answers import answer_of, forecasted, last_alarm, predicted
from service.errors import (
    InvalidRequest,
    ModelChanged,
    NumericalFailure,
    SessionDeleted,
    SessionExpired,
    SessionUnknown,
    StepConflict,
    StoreUnavailable,
)
from service.metrics import Metrics
from service.schemas import (
    Alarm,
    ForecastRequest,
    ForecastResponse,
    ModelResponse,
    Observation,
    PredictRequest,
    PredictResponse,
)
from service.sessions import Answer, Gone, Record, Store
from service.sessions.record import MODEL_BYTES
from service.settings import Settings, listed
from service.times import rfc3339
from service.tokens import Token, Tokens
from service.turns import Turns


@dataclass(slots=True)
class Timing:
    """Where the time of a request went, in seconds."""

    queue: float = 0.0
    compute: float = 0.0
    store: float = 0.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """An answer; whether it had been given before; and how long it took."""

    response: PredictResponse
    replayed: bool
    timing: Timing


class Engine:
    """One checkpoint on one device, and the contexts that it advances."""

    def __init__(
        self, checkpoint: Checkpoint, predictor: Predictor, store: Store, settings: Settings, metrics: Metrics
    ) -> None:
        self._checkpoint = checkpoint
        self._predictor = predictor
        self.store = store
        self.tokens = Tokens(listed(settings.token_key), settings.token_seconds)
        self._settings = settings
        self.metrics = metrics
        metrics.active.set_function(store.__len__)
        metrics.calibrated(checkpoint.calibration)
        self.turns = Turns()
        self.model = bytes.fromhex(checkpoint.fingerprint)[:MODEL_BYTES]
        self._name = name_of(self.model)
        self._id_pattern = re.compile(settings.session_id_pattern)

    def close(self) -> None:
        """Stop gracefully."""
        self.store.close()

    async def predict(self, request: PredictRequest, owner: str = "") -> Prediction:
        """Observe, and predict the value after each observation. All of it is applied, or nothing."""
        values, timing = self._values(request.values), Timing()
        if request.session_id is None:
            return self._predict_token(request, values, timing)
        if request.context is not None:
            raise InvalidRequest("session_id and context: a request belongs to a session or to a token, not to both")
        self.check_id(request.session_id)
        key = owner + request.session_id
        started = time.perf_counter()
        async with self.turn(key):
            timing.queue = time.perf_counter() - started
            return await self._predict_session(key, request, values, timing)

    async def _predict_session(self, key: str, request: PredictRequest, values: Values, timing: Timing) -> Prediction:
        session_id, expected = str(request.session_id), request.step
        digest = observations.digest(values)
        found = alive(await self.store.get(key), session_id)
        if found is None:
            if expected:
                raise SessionUnknown(
                    f"no session {session_id!r}, so none at step {expected}; begin without step or with 0"
                )
        elif expected is not None and expected != found.step:
            if found.last is not None and (expected, digest) == (found.last.base, found.last.digest):
                self.metrics.replays.inc()
                return Prediction(self._session_response(session_id, found, found.last), True, timing)
            self.metrics.conflicts.inc()
            raise StepConflict(
                f"session {session_id!r} is at step {found.step}, not at {expected}", expected_step=found.step
            )
        before, rebuilt = self.current(found or self.fresh())
        observed = self._observe(values, before.context, timing, request.level)
        step = before.step + values.shape[1]
        ages = self._predictor.alarm(observed.context)
        answer = answer_of(observed, before.step, digest, ages, rebuilt)
        after = replace(
            before,
            context=observed.context,
            step=step,
            used_at=time.time(),
            history=self._remember(before.history, values[0]),
            last=answer,
        )
        started = time.perf_counter()
        await self.keep(key, after)
        timing.store = time.perf_counter() - started
        if found is None:
            self.metrics.created.inc()
        if rebuilt:
            self.metrics.rebuilds.inc()
        self._learn(values, observed, key)
        return Prediction(self._session_response(session_id, after, answer), False, timing)

    def _session_response(self, session_id: str, record: Record, answer: Answer) -> PredictResponse:
        return predicted(answer, record.step, name_of(record.model), session_id=session_id)

    def _predict_token(self, request: PredictRequest, values: Values, timing: Timing) -> Prediction:
        token = self._token(request.context)
        if request.step is not None and request.step != token.step:
            self.metrics.conflicts.inc()
            raise StepConflict(f"the token is at step {token.step}, not at {request.step}", expected_step=token.step)
        observed = self._observe(values, token.context, timing, request.level)
        after = Token(self.model, observed.context, token.step + values.shape[1])
        self._learn(values, observed)
        answer = answer_of(observed, token.step, b"", self._predictor.alarm(after.context))
        response = predicted(answer, after.step, self._name, context=self.tokens.issue(after))
        return Prediction(response, False, timing)

    async def forecast(self, request: ForecastRequest, owner: str = "") -> ForecastResponse:
        """Run free from a session's context, from a token's, or from zero. Commits nothing."""
        if request.horizon > self._settings.max_horizon:
            raise InvalidRequest(f"horizon {request.horizon} is over the limit of {self._settings.max_horizon}")
        if request.session_id is not None and request.context is not None:
            raise InvalidRequest("session_id and context: a forecast is of a session or of a token, not of both")
        hypothetical = None if request.values is None else self._values(request.values)
        if request.session_id is not None:
            self.check_id(request.session_id)
            record, _ = self.current(self.needed(await self.store.get(owner + request.session_id), request.session_id))
            context, step = record.context, record.step
        else:
            token = self._token(request.context)
            context, step = token.context, token.step
        timing = Timing()
        if hypothetical is not None:
            context = self._observe(hypothetical, context, timing).context
        self._check_level(request.level)
        try:
            forecast = self._predictor.forecast(context, request.horizon, request.level)
        except NumericalError as error:
            raise NumericalFailure(str(error)) from None
        return forecasted(forecast, step, self._name)

    def last_alarm(self, record: Record) -> Alarm | None:
        """The last alarm of a session, running or over; None also for a context of another model."""
        return last_alarm(self._predictor.alarm(record.context), record.step) if record.model == self.model else None

    def condition(self, record: Record) -> Condition | None:
        """How a session is doing; None where nothing is known of errors, or the context is of another model."""
        if record.model != self.model:
            return None
        return self._predictor.condition(self._predictor.fitted(record.context))

    def describe(self) -> ModelResponse:
        """What is served."""
        checkpoint = self._checkpoint
        return ModelResponse(
            model=self._name,
            fingerprint=checkpoint.fingerprint,
            features=list(checkpoint.features),
            targets=list(checkpoint.features[: self._predictor.targets]),
            units=list(checkpoint.units),
            architecture=asdict(checkpoint.network.config),
            level=checkpoint.calibration.level if checkpoint.calibration else None,
            context_size=self._predictor.context_size,
            warmup=checkpoint.warmup,
            device=self._predictor.device.type,
            training=dict(checkpoint.training),
        )

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Have a session to oneself. Whoever leaves while a change is being kept leaves the turn to the change.

        Raises:
            StoreUnavailable: those before do not come to an end.
        """
        seconds = 2 * self._settings.store_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                await self.turns.take(key)
        except TimeoutError:
            raise StoreUnavailable(f"the session was busy for more than {seconds:g} s", retry_after=1) from None
        try:
            yield
        finally:
            if (change := self.store.pending(key)) is None:
                self.turns.give(key)
            else:
                change.add_done_callback(lambda _: self.turns.give(key))

    async def keep(self, key: str, record: Record) -> None:
        """Commit a record in time.

        Raises:
            SessionCapacity, StoreUnavailable: it is not kept; or, after the time was over, it may be: the same request
                with its step finds out.
        """
        async with self.store_in_time():
            await self.store.commit(key, record)

    @asynccontextmanager
    async def store_in_time(self) -> AsyncIterator[None]:
        """The store may take so long and no longer.

        Raises:
            StoreUnavailable: it took longer.
        """
        seconds = self._settings.store_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise StoreUnavailable(
                f"the session store did not commit within {seconds:g} s; ask again with the same step", retry_after=1
            ) from None

    def fresh(self) -> Record:
        """The record of a stream that has seen nothing."""
        now = time.time()
        return Record(self.model, self._predictor.zero_context(), 0, now, now, self._no_history())

    def current(self, record: Record) -> tuple[Record, int]:
        """The record for the model that is served, and from how many observations it was rebuilt (0: it was not).

        Raises:
            ModelChanged: it belongs to another model and cannot be rebuilt.
        """
        if record.model == self.model:
            return replace(record, context=self._predictor.fitted(record.context)), 0
        history = record.history
        complete = len(history) == record.step or len(history) >= (self._checkpoint.warmup or np.inf)
        if not len(history) or history.shape[1] != self._predictor.features or not complete:
            raise ModelChanged(
                f"the context belongs to model {name_of(record.model)}, and {self._name} is served now; "
                "begin a new session, or serve that model again",
                context_model=name_of(record.model),
                model=self._name,
            )
        rebuilt = self._observe(history[None], self._predictor.zero_context(), Timing())
        return replace(record, model=self.model, context=rebuilt.context), len(history)

    def needed(self, found: Record | Gone | None, session_id: str) -> Record:
        """The record of a session that must be alive.

        Raises:
            SessionUnknown, SessionExpired, SessionDeleted: it is not.
        """
        record = alive(found, session_id)
        if record is None:
            raise SessionUnknown(f"no session {session_id!r}; predict creates one")
        return record

    def check_id(self, session_id: str) -> None:
        """Refuse what does not look like a session id.

        Raises:
            InvalidRequest: it does not match the setting.
        """
        if self._id_pattern.fullmatch(session_id) is None:
            raise InvalidRequest(f"session_id: it must match {self._id_pattern.pattern}")

    def _token(self, text: str | None) -> Token:
        if text is None:
            return Token(self.model, self._predictor.zero_context(), 0)
        token = self.tokens.read(text)
        if token.model != self.model:
            raise ModelChanged(
                f"the token belongs to model {name_of(token.model)}, and {self._name} is served now; "
                "begin anew, or serve that model again",
                context_model=name_of(token.model),
                model=self._name,
            )
        return replace(token, context=self._predictor.fitted(token.context))

    def _observe(self, values: Values, context: Context, timing: Timing, level: float | None = None) -> Observed:
        self._check_level(level)
        started = time.perf_counter()
        try:
            return self._predictor.observe(values, context, level)
        except ValueRangeError as error:
            raise InvalidRequest(f"values: {error}") from None
        except NumericalError as error:
            raise NumericalFailure(str(error)) from None
        finally:
            timing.compute += time.perf_counter() - started

    def _check_level(self, level: float | None) -> None:
        if level is not None and self._checkpoint.calibration is None:
            raise InvalidRequest("level: this checkpoint has no calibration, so no intervals; leave level out")

    def _learn(self, values: Values, observed: Observed, key: str | None = None) -> None:
        """Count what has been applied, and how good the predictions were."""
        self.metrics.steps.inc(values.shape[1])
        if observed.watch is not None:
            since, over = self._predictor.alarm(observed.context)
            self.metrics.learn(observed.watch, alarmed=0 < since <= values.shape[1])
            if key is not None:
                self.metrics.note_alarm(key, since > 0 and not over)

    def _remember(self, history: Values, values: Values) -> Values:
        """The last observations, (n, F), n being the setting."""
        kept = self._settings.session_history
        return np.concatenate((history, values))[-kept:] if kept else self._no_history()

    def _no_history(self) -> Values:
        return np.empty((0, self._predictor.features))

    def _values(self, values: Sequence[Observation]) -> Values:
        if len(values) > self._settings.max_values:
            raise InvalidRequest(f"{len(values)} values are over the limit of {self._settings.max_values}")
        return observations.to_array(values, self._predictor.features)


def alive(found: Record | Gone | None, session_id: str) -> Record | None:
    """The record, or None where there never was one.

    Raises:
        SessionExpired, SessionDeleted: there was one, and its context is gone.
    """
    if not isinstance(found, Gone):
        return found
    when = rfc3339(found.at)
    kind, field = (SessionExpired, "expired_at") if found.reason == "expired" else (SessionDeleted, "deleted_at")
    raise kind(
        f"session {session_id!r} {'expired' if found.reason == 'expired' else 'was deleted'} at {when} and its "
        f"context is gone; go on under another id, or restore it from a token with PUT /sessions/{session_id}",
        **{field: when},
    )


def name_of(model: bytes) -> str:
    """The 12 digits by which answers name a model."""
    return model.hex()[:12]
