"""What goes over the wire: the requests and answers of the native door, for validation, encoding and the API page."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

Number = FiniteFloat | None
Observation = Number | Annotated[list[Number], Field(min_length=1)]
Value = float | list[float]
Bound = Number | list[Number]

LEVEL = "Coverage of the interval, between 0 and 1. Absent: the checkpoint's, see GET /model."


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PredictRequest(_Message):
    """Observations that happened, in time order; of a session, of a token, or of neither: then from the start."""

    values: list[Observation] = Field(
        min_length=1,
        description="A number each, or a list of one number per feature; null is a missing value and is replaced by "
        "the prediction for it.",
    )
    session_id: str | None = Field(
        None, description="The stream, its context being held by the service. Created on first use."
    )
    context: str | None = Field(
        None, description="The stream's context as the client holds it: the token of the answer before."
    )
    step: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="Observations that the context has seen before these. With it a request can be repeated safely: it "
        "is applied once, and answered again if it is the last one.",
    )
    level: float | None = Field(None, gt=0, lt=1, description=LEVEL)


class Alarm(_Message):
    """A stream was no longer what it had been."""

    start_step: int = Field(description="It began with this observation, the first one being 1.")
    end_step: int | None = Field(None, description="And was over with this one; absent while it runs.")


class PredictResponse(_Message):
    """One prediction per observation."""

    predictions: list[Value] = Field(description="predictions[i] is for the value after values[i]; raw units.")
    lower: list[Bound] | None = Field(
        None, description="Of the interval for the value after values[i]; null while a stream has not shown its size."
    )
    upper: list[Bound] | None = Field(None, description="As lower. Both absent if the checkpoint has no calibration.")
    anomaly: list[Bound] | None = Field(
        None, description="p-value of values[i], given the prediction made before it; null where there was none."
    )
    alarm: Alarm | None = Field(None, description="The alarm that is running, if one is.")
    session_id: str | None = Field(None, description="As requested.")
    step: int = Field(description="Observations that the context has now seen.")
    model: str = Field(description="Fingerprint of the checkpoint, 12 hexadecimal digits.")
    context: str | None = Field(None, description="The token to send with the next values; without a session only.")
    rebuilt: bool | None = Field(None, description="True: another model is served than before; see rebuilt_steps.")
    rebuilt_steps: int | None = Field(None, description="The last observations that the context was rebuilt from.")


class PredictBatchRequest(_Message):
    """One observation each for many sessions, in columns. Rows succeed or fail one by one; the same id twice is applied
    in the order given.
    """

    session_ids: list[str] = Field(min_length=1, description="The streams. Unknown ones are created.")
    values: list[Observation] = Field(description="One observation each, as in predict.")
    steps: list[Annotated[int, Field(ge=0, lt=2**63)] | None] | None = Field(
        None, description="Observations that each context has seen before, as in predict; null: not said."
    )


class RowError(BaseModel):
    """Why a row failed; some carry further fields."""

    index: int = Field(description="Which row, the first being 0.")
    error: str = Field(description="A code, as of every error.")
    message: str = Field(description="One sentence that a person can act on.")


class RowAlarm(BaseModel):
    """An alarm that is running."""

    index: int = Field(description="Of which row, the first being 0.")
    start_step: int = Field(description="It began with this observation of its stream, the first one being 1.")


class PredictBatchResponse(_Message):
    """One prediction each, null at the rows that failed."""

    predictions: list[Value | None] = Field(description="For the value after each; raw units.")
    lower: list[Bound] | None = Field(None, description="Of the interval for the value after each.")
    upper: list[Bound] | None = Field(None, description="As lower. Both absent if the checkpoint has no calibration.")
    anomaly: list[Bound] | None = Field(None, description="p-value of each value, given the prediction before it.")
    alarms: list[RowAlarm] | None = Field(None, description="Alarms that are running; absent if none is.")
    steps: list[int | None] = Field(description="Observations that each context has now seen.")
    errors: list[RowError] = Field(description="Of the rows that failed.")


class ForecastRequest(_Message):
    """Run free from a context. Changes nothing."""

    horizon: int = Field(ge=1, description="Steps ahead.")
    session_id: str | None = Field(None, description="The stream to look ahead of.")
    context: str | None = Field(None, description="Or the token to look ahead of; with neither, from the start.")
    values: list[Observation] | None = Field(
        None, min_length=1, description="Hypothetical observations, fed first; the stream never sees them."
    )
    level: float | None = Field(None, gt=0, lt=1, description=LEVEL)


class ForecastResponse(_Message):
    """The path the network would take by itself."""

    forecast: list[Value] = Field(description="forecast[0] is for the next value, then one step further each.")
    lower: list[Bound] | None = Field(None, description="Of the interval for each; absent without calibration.")
    upper: list[Bound] | None = Field(None, description="As lower.")
    step: int = Field(description="Observations that the context has seen; unchanged.")
    model: str = Field(description="Fingerprint of the checkpoint, 12 hexadecimal digits.")


class RestoreRequest(_Message):
    """A context that the client holds, to be held by the service."""

    context: str = Field(description="A token, from predict or from a session.")


class SessionSummary(_Message):
    """A live session."""

    session_id: str = Field(description="Its id.")
    step: int = Field(description="Observations that it has seen.")
    model: str = Field(description="Fingerprint of the checkpoint that its context belongs to, 12 digits.")
    created_at: str = Field(description="When it was created, RFC 3339.")
    used_at: str = Field(description="When it was last advanced.")
    expires_at: str = Field(description="When it expires if nothing comes.")
    last_alarm: Alarm | None = Field(None, description="The last alarm, running or over; absent if there was none.")


class SessionState(SessionSummary):
    """A live session, and how it is doing."""

    error_level: Bound | None = Field(
        None, description="How far its values lie from the predictions of late, on average; raw units."
    )
    interval_width: Bound | None = Field(None, description="Of the interval for its next value; raw units.")
    hidden_state: list[list[float]] | None = Field(
        None, description="What the context units carry, a list for each layer; absent for another model's context."
    )


class SessionResponse(SessionState):
    """A live session, and its context to take along: for an export, or a point to fork from or go back to."""

    context: str = Field(description="Its context as a token.")


class SessionsResponse(_Message):
    """A page of live sessions, in order of their ids."""

    sessions: list[SessionSummary]
    cursor: str | None = Field(None, description="For the next page; absent on the last one.")


class ModelResponse(_Message):
    """What is served."""

    model: str = Field(description="The first 12 digits of the fingerprint, as in every answer.")
    fingerprint: str = Field(description="SHA-256 over weights and configuration.")
    features: list[str] = Field(description="Names of the numbers of an observation, in order.")
    targets: list[str] = Field(description="Names of the numbers of a prediction: the first of the features.")
    units: list[str] = Field(description="Their units, where known.")
    center: list[float] = Field(description="Of each feature: where the training data lies; raw units.")
    spread: list[float] = Field(description="And how far it spreads, about a standard deviation.")
    architecture: dict[str, Any] = Field(description="Sizes and options of the network.")
    level: float | None = Field(description="Coverage of the intervals where no other is asked for; null: none.")
    context_size: int = Field(description="float32 numbers that one stream carries.")
    warmup: int | None = Field(description="Observations after which the network has forgotten its start, if it does.")
    device: str = Field(description="Where the network computes.")
    training: dict[str, Any] = Field(description="Data, split, seed, versions, and metrics beside the baselines.")


class ErrorResponse(BaseModel):
    """The one shape of every error; some carry further fields."""

    error: str = Field(description="A stable code for programs.")
    message: str = Field(description="One sentence that a person can act on.")
