"""What goes over the wire: the requests and answers of the native door, for validation, encoding and the API page."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

SESSION_ID = r"^[A-Za-z0-9_][A-Za-z0-9._~:@-]{0,127}$"

Number = FiniteFloat | None
Observation = Number | Annotated[list[Number], Field(min_length=1)]
Value = float | list[float]


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PredictRequest(_Message):
    """Observations that happened, in time order."""

    values: list[Observation] = Field(
        min_length=1,
        description="A number each, or a list of one number per feature; null is a missing value and is replaced by "
        "the prediction for it.",
    )
    session_id: str | None = Field(
        None, pattern=SESSION_ID, description="The stream. Created on first use; without it the context starts at zero."
    )


class PredictResponse(_Message):
    """One prediction per observation."""

    predictions: list[Value] = Field(description="predictions[i] is for the value after values[i]; raw units.")
    session_id: str | None = Field(None, description="As requested.")
    step: int = Field(description="Observations that the context has now seen.")
    model: str = Field(description="Fingerprint of the checkpoint, 12 hexadecimal digits.")


class ForecastRequest(_Message):
    """Run free from a context. Changes nothing."""

    horizon: int = Field(ge=1, description="Steps ahead.")
    session_id: str | None = Field(
        None, pattern=SESSION_ID, description="The stream to look ahead of; without it the context starts at zero."
    )
    values: list[Observation] | None = Field(
        None, min_length=1, description="Hypothetical observations, fed first; the session never sees them."
    )


class ForecastResponse(_Message):
    """The path the network would take by itself."""

    forecast: list[Value] = Field(
        description="forecast[0] is for the next value, forecast[1] for the one after; raw units."
    )
    step: int = Field(description="Observations that the context has seen; unchanged.")
    model: str = Field(description="Fingerprint of the checkpoint, 12 hexadecimal digits.")


class ModelResponse(_Message):
    """What is served."""

    model: str = Field(description="The first 12 digits of the fingerprint, as in every answer.")
    fingerprint: str = Field(description="SHA-256 over weights and configuration.")
    features: list[str] = Field(description="Names of the numbers of an observation, in order.")
    units: list[str] = Field(description="Their units, where known.")
    architecture: dict[str, Any] = Field(description="Sizes and options of the network.")
    context_size: int = Field(description="float32 numbers that one stream carries.")
    device: str = Field(description="Where the network computes.")
    training: dict[str, Any] = Field(description="Data, split, seed, versions, and metrics beside the baselines.")


class ErrorResponse(BaseModel):
    """The one shape of every error; some carry further fields."""

    error: str = Field(description="A stable code for programs.")
    message: str = Field(description="One sentence that a person can act on.")
