"""What goes over the wire at `/v2`, in the protocol's words and shapes; what is not described here is ignored."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

_ELEMENT = {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "boolean"}, {"type": "null"}]}

Uint64 = Annotated[int, Field(ge=0, lt=2**64)]
Data = Annotated[
    list[Any], WithJsonSchema({"type": "array", "items": {"anyOf": [*_ELEMENT["anyOf"], {"type": "array"}]}})
]
"""Flat or nested: looked at by the codec, all at once."""


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class InferenceParameters(_Message):
    """Of a request; all are optional."""

    sequence_id: Uint64 | str | None = Field(
        None, description='The session; 0, "" or absent: none, and nothing is kept. 7 and "7" are the same.'
    )
    sequence_start: bool | None = Field(None, description="Begin the session anew, whatever there was.")
    sequence_end: bool | None = Field(None, description="Delete the session behind these values.")
    step: int | None = Field(
        None, ge=0, lt=2**63, description="Observations that the session has seen before; makes a request repeatable."
    )
    level: float | None = Field(None, gt=0, lt=1, description="Coverage of the intervals, between 0 and 1.")
    horizon: int | None = Field(None, ge=1, description="Steps to forecast behind the last value.")
    binary_data_output: bool | None = Field(None, description="Outputs as binary data where they do not say.")


class InputParameters(_Message):
    """Of the input."""

    model_config = ConfigDict(extra="allow")

    binary_data_size: int | None = Field(None, ge=0, description="Bytes behind the JSON object, instead of data.")


class OutputParameters(_Message):
    """Of an output that is asked for."""

    model_config = ConfigDict(extra="allow")

    binary_data: bool | None = Field(None, description="As binary data, whatever binary_data_output says.")


class RequestInput(_Message):
    """A tensor: `values`, FP64 or FP32, [T, F]."""

    name: str
    shape: list[Uint64]
    datatype: str
    parameters: InputParameters | None = None
    data: Data | None = Field(None, description="Row by row, flat or nested; null or NaN is a missing value.")


class RequestOutput(_Message):
    """A tensor that is asked for."""

    name: str
    parameters: OutputParameters | None = None


class InferenceRequest(_Message):
    """Observations that happened, in time order, in a session or by themselves."""

    id: str | None = Field(None, description="Comes back in the answer.")
    parameters: InferenceParameters | None = None
    inputs: list[RequestInput]
    outputs: list[RequestOutput] | None = Field(None, description="Absent: all that there are.")


class ResponseParameters(_Message):
    """Of an answer."""

    step: int = Field(description="Observations that the session has now seen.")
    replayed: bool = Field(description="The request had been applied before; this is the answer it got.")
    alarm_start_step: int | None = Field(None, description="The alarm that is running began with this observation.")
    rebuilt_steps: int | None = Field(None, description="Another model is served than before; see docs/sessions.md.")


class TensorParameters(_Message):
    """Of an output."""

    binary_data_size: int | None = Field(None, description="Bytes behind the JSON object, instead of data.")


class ResponseOutput(_Message):
    """A tensor: FP64, [T, O], or [horizon, O] of a forecast."""

    name: str
    shape: list[int]
    datatype: str
    parameters: TensorParameters | None = None
    data: Data | None = Field(None, description="Row by row, flat; null where nothing can be said.")


class InferenceResponse(_Message):
    """One prediction per observation."""

    model_name: str
    model_version: str | None = None
    id: str | None = Field(None, description="As requested.")
    parameters: ResponseParameters | None = None
    outputs: list[ResponseOutput]


class ServerMetadata(_Message):
    """Who answers."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(_Message):
    """A tensor; -1 is any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(_Message):
    """What is served."""

    name: str
    versions: list[str] = Field(description="The same version under two names: see docs/protocol.md.")
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelConfiguration(_Message):
    """Triton's ModelConfig, as far as it says something here; sessions are its sequences."""

    model_config = ConfigDict(extra="allow")

    name: str
    platform: str
    max_batch_size: int
    input: list[dict[str, Any]]
    output: list[dict[str, Any]]
    sequence_batching: dict[str, Any]


class ServerLive(_Message):
    """It answers."""

    live: bool


class ServerReady(_Message):
    """It predicts."""

    ready: bool
    live: bool


class ModelReady(_Message):
    """The model predicts."""

    name: str
    ready: bool


class DurationStatistics(_Message):
    """So many times, and nanoseconds altogether."""

    count: int
    ns: int


class InferenceStatistics(_Message):
    """Of the inference requests."""

    success: DurationStatistics
    fail: DurationStatistics
    queue: DurationStatistics
    compute_input: DurationStatistics
    compute_infer: DurationStatistics
    compute_output: DurationStatistics
    cache_hit: DurationStatistics
    cache_miss: DurationStatistics


class BatchStatistics(_Message):
    """Of the calls of the model for so many requests at once."""

    batch_size: int
    compute_input: DurationStatistics
    compute_infer: DurationStatistics
    compute_output: DurationStatistics


class ModelStatistics(_Message):
    """Of the model that is served."""

    name: str
    version: str
    last_inference: int = Field(description="When the last request came, in milliseconds since 1970.")
    inference_count: int
    execution_count: int
    inference_stats: InferenceStatistics
    batch_stats: list[BatchStatistics]


class Statistics(_Message):
    """Since the start."""

    model_stats: list[ModelStatistics]


class IndexRequest(_Message):
    """Which models to name."""

    ready: bool | None = Field(None, description="Only those that are ready; the one that is served always is.")


class IndexEntry(_Message):
    """A model."""

    name: str
    version: str
    state: str
    reason: str


class ProtocolError(_Message):
    """The one shape of every error at `/v2`."""

    error: str = Field(description="The code, a colon, and one sentence that a person can act on.")
