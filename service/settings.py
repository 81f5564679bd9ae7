"""The settings, read once from `ELMAN_*` environment variables. docs/settings.md is the same list for people."""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "ELMAN_"
DEFAULT_CHECKPOINT = Path(__file__).parents[1] / "models" / "checkpoints" / "sunspots.safetensors"


class Settings(BaseSettings):
    """Frozen after the start; every field is the environment variable ELMAN_<NAME IN CAPITALS>."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, allow_inf_nan=False)

    checkpoint: str = Field(
        str(DEFAULT_CHECKPOINT),
        description="The checkpoint to serve: a file, or `NAME:VERSION` in the BentoML model store.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where to compute. `auto`: cuda if there is one. `cuda` where there is none: no start."
    )
    session_idle_seconds: float = Field(
        3600, gt=0, description="A session that is not used for this long expires; its id then answers 410."
    )
    max_sessions: int = Field(
        100_000, ge=1, description="Sessions held at most. A full store refuses new ones and evicts no live one."
    )
    max_values: int = Field(1000, ge=1, description="Observations in one request at most.")
    max_horizon: int = Field(1000, ge=1, description="Steps of one forecast at most.")
    max_body_bytes: int = Field(1_048_576, ge=1024, description="Size of a request body at most.")
    body_timeout_seconds: float = Field(5, gt=0, description="A request body must have arrived within this time.")
    access_log: bool = Field(False, description="A log line for every request. Costs about half of the throughput.")

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment.

        Raises:
            SystemExit: a value is invalid, or a variable with our prefix is none of the settings; one line says which.
        """
        known = {PREFIX + name.upper() for name in cls.model_fields}
        if unknown := sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known):
            raise SystemExit(f"elman: {unknown[0]} is not a setting; docs/settings.md lists them all")
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = PREFIX + str(first["loc"][0]).upper()
            raise SystemExit(f"elman: {name}={first['input']!r}: {first['msg'].lower()}") from None
