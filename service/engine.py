"""Policy: what a request means for a session. No HTTP here, and no arithmetic.

Nothing is awaited between reading a context and committing its successor, so that on the one event loop of a worker
a context is never advanced by two requests at once.
"""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from models import Checkpoint, ModelError, NumericalError, Predictor, ValueRangeError
from models.predictor import Context, Values
from service.checkpoints import open_checkpoint
from service.errors import InvalidRequest, NumericalFailure, SessionUnknown
from service.schemas import (
    ForecastRequest,
    ForecastResponse,
    ModelResponse,
    Observation,
    PredictRequest,
    PredictResponse,
    Value,
)
from service.sessions import MemorySessions, Session
from service.settings import Settings


class Engine:
    """One checkpoint on one device, and the sessions that it advances."""

    def __init__(
        self, checkpoint: Checkpoint, predictor: Predictor, sessions: MemorySessions, settings: Settings
    ) -> None:
        self._checkpoint = checkpoint
        self._predictor = predictor
        self._sessions = sessions
        self._settings = settings
        self._model = checkpoint.fingerprint[:12]

    @classmethod
    def open(cls, settings: Settings) -> "Engine":
        """Load the checkpoint, prove it, and take it to its device.

        Raises:
            SystemExit: it cannot be served; one line says why.
        """
        try:
            checkpoint = open_checkpoint(settings.checkpoint)
            predictor = checkpoint.predictor(settings.device)
        except ModelError as error:
            raise SystemExit(f"elman: {error}") from None
        return cls(
            checkpoint, predictor, MemorySessions(settings.max_sessions, settings.session_idle_seconds), settings
        )

    def predict(self, request: PredictRequest) -> PredictResponse:
        """Observe, and predict the value after each observation. All of it is committed, or nothing."""
        values = self._values(request.values)
        session = self._session(request.session_id) or Session(self._predictor.zero_context())
        predictions, context = self._observe(values, session.context)
        step = session.step + values.shape[1]
        if request.session_id is not None:
            self._sessions.put(request.session_id, Session(context, step))
        return PredictResponse.model_construct(
            predictions=self._plain(predictions), session_id=request.session_id, step=step, model=self._model
        )

    def forecast(self, request: ForecastRequest) -> ForecastResponse:
        """Run free from a session's context, or from zero. Commits nothing."""
        if request.horizon > self._settings.max_horizon:
            raise InvalidRequest(f"horizon {request.horizon} is over the limit of {self._settings.max_horizon}")
        session = self._session(request.session_id)
        if session is None and request.session_id is not None:
            raise SessionUnknown(f"no session {request.session_id!r}; predict creates one")
        session = session or Session(self._predictor.zero_context())
        context = session.context
        if request.values is not None:
            _, context = self._observe(self._values(request.values), context)
        try:
            forecast = self._predictor.forecast(context, request.horizon)
        except NumericalError as error:
            raise NumericalFailure(str(error)) from None
        return ForecastResponse.model_construct(forecast=self._plain(forecast), step=session.step, model=self._model)

    def describe(self) -> ModelResponse:
        """What is served."""
        checkpoint = self._checkpoint
        return ModelResponse(
            model=self._model,
            fingerprint=checkpoint.fingerprint,
            features=list(checkpoint.features),
            units=list(checkpoint.units),
            architecture=asdict(checkpoint.network.config),
            context_size=self._predictor.context_size,
            device=self._predictor.device.type,
            training=dict(checkpoint.training),
        )

    def _session(self, session_id: str | None) -> Session | None:
        return None if session_id is None else self._sessions.get(session_id)

    def _observe(self, values: Values, context: Context) -> tuple[Values, Context]:
        try:
            return self._predictor.observe(values, context)
        except ValueRangeError as error:
            raise InvalidRequest(f"values: {error}") from None
        except NumericalError as error:
            raise NumericalFailure(str(error)) from None

    def _values(self, observations: Sequence[Observation]) -> Values:
        """-> (1, T, F) raw units, NaN = missing"""
        if len(observations) > self._settings.max_values:
            raise InvalidRequest(
                f"{len(observations)} values are over the limit of {self._settings.max_values} per request"
            )
        width = self._predictor.features
        values = np.full((1, len(observations), width), np.nan)
        for index, observation in enumerate(observations):
            if isinstance(observation, list):
                if len(observation) != width:
                    raise InvalidRequest(f"values[{index}] has {len(observation)} numbers, the model {width} features")
                values[0, index] = [np.nan if number is None else number for number in observation]
            elif observation is not None:
                if width != 1:
                    raise InvalidRequest(f"values[{index}] is one number; the model needs a list of {width}")
                values[0, index, 0] = observation
        return values

    def _plain(self, values: Values) -> list[Value]:
        """(1, T, F) -> T numbers, or T lists of F numbers"""
        plain: list[Value] = values[0, :, 0].tolist() if self._predictor.features == 1 else values[0].tolist()
        return plain
