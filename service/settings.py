"""The settings, read once from `ELMAN_*` environment variables. docs/settings.md is the same list for people."""

import os
import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.sessions.addresses import Address

PREFIX = "ELMAN_"
LONGEST = 1e9  # seconds: 31 years
HASHED = "sha256:"
SECRET = ("token_key", "api_keys", "session_store")
DEFAULT_CHECKPOINT = Path(__file__).parents[1] / "models" / "checkpoints" / "sunspots.safetensors"


class Settings(BaseSettings):
    """Frozen after the start; every field is the environment variable ELMAN_<NAME IN CAPITALS>."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, allow_inf_nan=False)

    workers: int = Field(
        1, ge=1, le=64, description="Processes that answer; more than one only with a store that they share (Redis)."
    )
    checkpoint: str = Field(
        str(DEFAULT_CHECKPOINT),
        description="The checkpoint to serve: a file, or `NAME:VERSION` in the BentoML model store.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where to compute. `auto`: cuda if there is one. `cuda` where there is none: no start."
    )
    alarm_rate: float = Field(
        1e-4, ge=1e-9, le=0.01, description="False alarms per step of a stream that goes on as before, about."
    )
    adapt: Literal["off", "rls"] = Field(
        "off", description="`rls`: the readout goes on learning in every stream, for so much more context."
    )
    session_store: SecretStr = Field(
        SecretStr("memory://"),
        description="Where sessions are kept: `memory://`; `sqlite:///path`, which survives a crash; or "
        "`redis://host:port`, for many processes (running.md has all forms).",
    )
    snapshot: str | None = Field(
        None, description="With `memory://`: a file that keeps the sessions over a graceful stop and start."
    )
    store_timeout_seconds: float = Field(
        5, gt=0, le=LONGEST, description="A commit that takes longer is answered with 503."
    )
    session_idle_seconds: float = Field(
        3600, gt=0, le=LONGEST, description="A session that is not used for this long expires; its id then answers 410."
    )
    session_max_age_seconds: float | None = Field(
        None,
        gt=0,
        le=LONGEST,
        description="A session expires this long after its creation, used or not. Not set: never.",
    )
    max_sessions: int = Field(
        1_000_000,
        ge=1,
        description="Sessions held at most. A full store refuses new ones and evicts no live one. With Redis its "
        "memory is the limit.",
    )
    max_session_bytes: int = Field(
        1_073_741_824, ge=1024, description="Memory for sessions at most, in bytes; as for their number."
    )
    gone_seconds: float = Field(
        86_400, ge=0, le=LONGEST, description="For so long it is remembered that a session expired or was deleted."
    )
    max_gone: int = Field(100_000, ge=0, description="Expired and deleted sessions remembered at most.")
    session_id_pattern: str = Field(
        r"[A-Za-z0-9_][A-Za-z0-9._~:@-]{0,127}", description="What a session id must look like, a regular expression."
    )
    session_history: int = Field(
        0,
        ge=0,
        description="Observations kept with each session, to rebuild its context when another checkpoint is served; "
        "at least as many as the network needs to forget its start. 0: none, the answer is then 409.",
    )
    token_key: SecretStr | None = Field(
        None,
        description="Secret that signs tokens, long and random; several with commas between: the first signs, all "
        "are accepted. Not set: a random one, until the process ends.",
    )
    token_seconds: float = Field(604_800, gt=0, le=LONGEST, description="A token is valid for this long.")
    api_keys: SecretStr | None = Field(
        None,
        description="Keys of clients (`authorization: Bearer KEY`), with commas between; each as it is or as "
        "`sha256:` and its hash. Each sees its own sessions only. Not set: everybody may, and listens on loopback.",
    )
    max_queue: int = Field(
        4096, ge=1, description="Requests that wait or are computed at most; more are answered with 429."
    )
    max_watchers: int = Field(
        100, ge=0, description="Clients of `/watch`, live pages and others, that a worker serves at most."
    )
    max_values: int = Field(100_000, ge=1, description="Observations in one request at most.")
    max_horizon: int = Field(1000, ge=1, description="Steps of one forecast at most.")
    max_body_bytes: int = Field(4_194_304, ge=1024, description="Size of a request body at most.")
    body_timeout_seconds: float = Field(
        5, gt=0, le=LONGEST, description="A request body must have arrived within this time."
    )
    access_log: bool = Field(False, description="A log line for every request.")

    @field_validator("token_key", "api_keys")
    @classmethod
    def _has_secrets(cls, secrets: SecretStr | None) -> SecretStr | None:
        if secrets is not None and not listed(secrets):
            raise ValueError("there is no secret in it")
        return secrets

    @field_validator("api_keys")
    @classmethod
    def _hashes_are_hashes(cls, keys: SecretStr | None) -> SecretStr | None:
        if any(key.startswith(HASHED) and not re.fullmatch(f"{HASHED}[0-9a-f]{{64}}", key) for key in listed(keys)):
            raise ValueError(f"after {HASHED} come 64 hexadecimal digits in lower case")
        return keys

    @field_validator("session_store")
    @classmethod
    def _names_a_store(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if text != "memory://" and not re.match("sqlite:///.", text):
            Address.parse(text)
        return url

    @field_validator("session_id_pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression ({error})") from None
        return pattern

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.snapshot is not None and self.session_store.get_secret_value() != "memory://":
            raise ValueError("ELMAN_SNAPSHOT is for ELMAN_SESSION_STORE=memory:// only; the other keeps everything")
        if self.workers > 1 and not self.shared:
            raise ValueError(
                f"ELMAN_WORKERS={self.workers}: workers need a store that they share, ELMAN_SESSION_STORE=redis://…; "
                "memory:// and sqlite:/// are for one"
            )
        return self

    @property
    def shared(self) -> bool:
        """Whether other processes have the same sessions."""
        return not self.session_store.get_secret_value().startswith(("memory://", "sqlite://"))

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment.

        Raises:
            SystemExit: a value is invalid; one line says which.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            reason = first["msg"].removeprefix("Value error, ")
            if not first["loc"]:
                raise SystemExit(f"elman: {reason}") from None
            field = str(first["loc"][0])
            value = "" if field in SECRET else f"={first['input']!r}"
            raise SystemExit(f"elman: {PREFIX}{field.upper()}{value}: {reason[0].lower()}{reason[1:]}") from None


def unknown_variables() -> list[str]:
    """Variables with our prefix that are none of the settings: slips of the pen, or Kubernetes naming its services."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)


def listed(secrets: SecretStr | None) -> list[str]:
    """The secrets of a comma-separated setting."""
    text = secrets.get_secret_value() if secrets is not None else ""
    return [secret.strip() for secret in text.split(",") if secret.strip()]
