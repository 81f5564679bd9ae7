"""The network that is served: what it makes of values and of contexts, whoever holds them."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from models import Checkpoint, NumericalError, Predictor, ValueRangeError
from models.predictor import Condition, Context, Forecast, Observed, Slab, Values
from service import observations
from service.answers import last_alarm
from service.errors import InvalidRequest, ModelChanged
from service.schemas import Alarm, ModelResponse, Observation
from service.sessions import Record, Shape
from service.sessions.record import MODEL_BYTES
from service.settings import Settings
from service.stepping import refusal
from service.tokens import Token


class Model:
    """A checkpoint on a device, within the limits that the settings set to requests.

    key: the first MODEL_BYTES of its fingerprint, by which contexts tell whose they are; name: as answers call it.
    """

    def __init__(self, checkpoint: Checkpoint, predictor: Predictor, settings: Settings) -> None:
        self._checkpoint = checkpoint
        self._settings = settings
        self.predictor = predictor
        self._layers = checkpoint.weights.config.num_layers, checkpoint.weights.config.hidden_size
        self.key = bytes.fromhex(checkpoint.fingerprint)[:MODEL_BYTES]
        self.name = name_of(self.key)

    def shape(self) -> Shape:
        """Of its sessions."""
        return Shape.of(self.key, self.predictor, self._settings.session_history)

    def values_of(self, values: Sequence[Observation]) -> Values:
        """(1, T, F) raw units, NaN = missing.

        Raises:
            InvalidRequest: there are too many, or one is of another width.
        """
        self.check_number(len(values))
        return observations.to_array(values, self.predictor.features)

    def check_level(self, level: float | None) -> None:
        """See whether there can be intervals, if one is asked for.

        Raises:
            InvalidRequest: there cannot.
        """
        if level is not None and self._checkpoint.calibration is None:
            raise InvalidRequest("level: this checkpoint has no calibration, so no intervals; leave level out")

    def check_horizon(self, horizon: int) -> None:
        """See whether it is within the limit.

        Raises:
            InvalidRequest: it is not.
        """
        if horizon > self._settings.max_horizon:
            raise InvalidRequest(f"horizon: it is over the limit of {self._settings.max_horizon}")

    def check_number(self, values: int) -> None:
        """See whether so many observations are within the limit of a request.

        Raises:
            InvalidRequest: they are not.
        """
        if values > self._settings.max_values:
            raise InvalidRequest(f"{values} values are over the limit of {self._settings.max_values}")

    async def observe(self, values: Values, context: Context, level: float | None = None) -> Observed:
        """From a context on, (1, T, F), which stays as it is; what takes long is computed in a thread.

        Raises:
            InvalidRequest, NumericalFailure: it cannot be done.
        """
        context = self.predictor.fitted(context)
        if values.shape[1] > self.predictor.at_once:
            return await asyncio.to_thread(self._observe, values, context, level)
        return self._observe(values, context, level)

    def _observe(self, values: Values, context: Context, level: float | None = None) -> Observed:
        try:
            return self.predictor.observe(values, context, level)
        except (ValueRangeError, NumericalError) as error:
            raise refusal(error) from None

    def forecast(self, context: Context, horizon: int, level: float | None) -> Forecast:
        """Run free from a context.

        Raises:
            NumericalFailure: it leads to no finite number.
        """
        try:
            return self.predictor.forecast(self.predictor.fitted(context), horizon, level)
        except NumericalError as error:
            raise refusal(error) from None

    def fresh(self) -> Record:
        """The record of a stream that has seen nothing."""
        now = time.time()
        return Record(self.key, self.predictor.zero_context(), 0, now, now, np.empty((0, self.predictor.features)))

    def current(self, record: Record) -> tuple[Record, int]:
        """The record for the model that is served, and from how many observations it was rebuilt (0: it was not).

        Raises:
            ModelChanged: it belongs to another model and cannot be rebuilt.
        """
        if record.model == self.key:
            return replace(record, context=self.predictor.fitted(record.context)), 0
        history = record.history
        complete = len(history) == record.step or len(history) >= (self._checkpoint.warmup or np.inf)
        if not len(history) or history.shape[1] != self.predictor.features or not complete:
            raise ModelChanged(
                f"the context belongs to model {name_of(record.model)}, and {self.name} is served now; "
                "begin a new session, or serve that model again",
                context_model=name_of(record.model),
                model=self.name,
            )
        rebuilt = self._observe(history[None], self.predictor.zero_context())
        return replace(record, model=self.key, context=rebuilt.context), len(history)

    def nothing(self) -> Token:
        """A stream that has seen nothing, and that no session holds."""
        return Token(self.key, self.predictor.zero_context(), 0)

    def check_token(self, token: Token) -> None:
        """See whether its context is of this model.

        Raises:
            ModelChanged: it is not.
        """
        if token.model != self.key:
            raise ModelChanged(
                f"the token belongs to model {name_of(token.model)}, and {self.name} is served now; "
                "begin anew, or serve that model again",
                context_model=name_of(token.model),
                model=self.name,
            )

    def last_alarm(self, record: Record) -> Alarm | None:
        """The last alarm of a session, running or over; None also for a context of another model."""
        return last_alarm(self.predictor.alarm(record.context), record.step) if record.model == self.key else None

    def condition(self, record: Record) -> Condition | None:
        """How a session is doing; None where nothing is known of errors, or the context is of another model."""
        if record.model != self.key:
            return None
        return self.predictor.condition(self.predictor.fitted(record.context))

    def hidden(self, contexts: Slab, row: int = 0) -> Context:
        """The hidden state in a row of contexts, a copy, (L, H)."""
        layers, units = self._layers
        part = contexts[row][: layers * units].reshape(layers, units)
        return part.copy() if isinstance(part, np.ndarray) else part.cpu().numpy()

    def describe(self) -> ModelResponse:
        """What is served."""
        checkpoint = self._checkpoint
        return ModelResponse(
            model=self.name,
            fingerprint=checkpoint.fingerprint,
            features=list(checkpoint.features),
            targets=list(checkpoint.features[: self.predictor.targets]),
            units=list(checkpoint.units),
            center=list(checkpoint.scaler.mean),
            spread=list(checkpoint.scaler.scale),
            architecture=asdict(checkpoint.weights.config),
            level=checkpoint.calibration.level if checkpoint.calibration else None,
            context_size=self.predictor.context_size,
            warmup=checkpoint.warmup,
            device=self.predictor.device,
            training=dict(checkpoint.training),
        )


def name_of(model: bytes) -> str:
    """The 12 digits by which answers name a model."""
    return model.hex()[:12]
