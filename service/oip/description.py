"""What the protocol tells about the server and its one model. Nothing here changes while it is served."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.oip.codec import ANSWERED, INPUT
from service.schemas import ModelResponse
from service.settings import Settings

NAME = "elman"
VERSION = "0.1.0"
EXTENSIONS = (
    "sequence",
    "sequence(string_id)",
    "parameters",
    "binary_tensor_data",
    "model_configuration",
    "statistics",
)

PREDICTION = "prediction"
BOUNDS = ("lower", "upper", "anomaly")
FORECAST = "forecast"
FORECAST_BOUNDS = ("forecast_lower", "forecast_upper")

_INT32 = 2**31 - 1


@dataclass(frozen=True)
class Description:
    """model: as GET /model describes it; bounded: whether something is known of its errors."""

    model: ModelResponse
    bounded: bool

    @property
    def version(self) -> str:
        """The version that is served, as every answer names it."""
        return self.model.model

    @property
    def number(self) -> str:
        """The same as a decimal number: some clients take versions for numbers."""
        return str(int(self.version, 16))

    @property
    def features(self) -> int:
        """F"""
        return len(self.model.features)

    @property
    def targets(self) -> int:
        """O"""
        return len(self.model.targets)

    @property
    def outputs(self) -> Sequence[str]:
        """What is answered if nothing else is asked for."""
        return (PREDICTION, *BOUNDS) if self.bounded else (PREDICTION,)

    @property
    def forecasts(self) -> Sequence[str]:
        """And with a horizon."""
        return (FORECAST, *FORECAST_BOUNDS) if self.bounded else (FORECAST,)

    def server(self) -> dict[str, Any]:
        """Server metadata."""
        return {"name": NAME, "version": VERSION, "extensions": EXTENSIONS}

    def metadata(self) -> dict[str, Any]:
        """Model metadata."""
        return {
            "name": NAME,
            "versions": [self.version, self.number],
            "platform": NAME,
            "inputs": [_tensor(INPUT, self.features)],
            "outputs": [_tensor(name, self.targets) for name in (*self.outputs, *self.forecasts)],
        }

    def index(self) -> list[dict[str, Any]]:
        """The models that there are."""
        return [{"name": NAME, "version": self.version, "state": "READY", "reason": ""}]

    def configuration(self, settings: Settings) -> dict[str, Any]:
        """Triton's ModelConfig, as far as it says something here: sessions are sequences, and batched with others."""
        candidates = min(settings.max_sessions, _INT32)
        return {
            "name": NAME,
            "platform": NAME,
            "backend": NAME,
            "version_policy": {"latest": {"num_versions": 1}},
            "max_batch_size": 0,  # the first axis is time
            "input": [_configured(INPUT, self.features)],
            "output": [_configured(name, self.targets) for name in (*self.outputs, *self.forecasts)],
            "sequence_batching": {
                "max_sequence_idle_microseconds": round(settings.session_idle_seconds * 1e6),
                "oldest": {"max_candidate_sequences": candidates, "max_queue_delay_microseconds": 0},
                "control_input": [],
                "state": [],
            },
            "instance_group": [
                {"name": NAME, "kind": "KIND_GPU" if self.model.device == "cuda" else "KIND_CPU", "count": 1}
            ],
            "parameters": {"fingerprint": {"string_value": self.model.fingerprint}},
        }


def _tensor(name: str, width: int) -> dict[str, Any]:
    return {"name": name, "datatype": ANSWERED, "shape": [-1, width]}


def _configured(name: str, width: int) -> dict[str, Any]:
    return {"name": name, "data_type": f"TYPE_{ANSWERED}", "dims": [-1, width]}
