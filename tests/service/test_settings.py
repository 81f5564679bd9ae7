import os
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.settings import PREFIX, SECRET, Settings, unknown_variables

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_every_setting_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "workers": "1",
        "checkpoint": "some.safetensors",
        "device": "cpu",
        "session_store": "memory://",
        "snapshot": "x.snapshot",
        "store_timeout_seconds": "4.5",
        "session_idle_seconds": "1.5",
        "session_max_age_seconds": "9.5",
        "max_sessions": "7",
        "max_session_bytes": "4096",
        "gone_seconds": "3.5",
        "max_gone": "5",
        "session_id_pattern": "[a-z]+",
        "session_history": "6",
        "token_key": "k" * 16,
        "token_seconds": "8.5",
        "api_keys": "a" * 16,
        "max_queue": "4",
        "max_watchers": "5",
        "max_values": "8",
        "max_horizon": "9",
        "max_body_bytes": "2048",
        "body_timeout_seconds": "2.5",
        "access_log": "true",
        "alarm_rate": "0.001",
        "adapt": "rls",
    }
    assert values.keys() == Settings.model_fields.keys()
    for name, value in values.items():
        monkeypatch.setenv(PREFIX + name.upper(), value)
    read = dict(Settings.from_environment())
    for name in SECRET:
        assert values[name] not in str(read[name])
        read[name] = read[name].get_secret_value()
    assert {name: str(value).lower() for name, value in read.items()} == values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ELMAN_DEVICE", "tpu"),
        ("ELMAN_WORKERS", "0"),
        ("ELMAN_WORKERS", "65"),
        ("ELMAN_MAX_SESSIONS", "0"),
        ("ELMAN_MAX_VALUES", "many"),
        ("ELMAN_SESSION_IDLE_SECONDS", "inf"),
        ("ELMAN_MAX_BODY_BYTES", "-1"),
        ("ELMAN_SESSION_STORE", "redis://"),
        ("ELMAN_SESSION_STORE", "mysql://ann:hunter2@host"),
        ("ELMAN_SESSION_STORE", "redis://ann:hunter2@host:port"),
        ("ELMAN_SESSION_STORE", "redis://ann:hunter2@host/x"),
        ("ELMAN_SESSION_STORE", "redis://ann:hunter2@host?x=y"),
        ("ELMAN_SESSION_STORE", "redis://ann:hunter2@one,two"),
        ("ELMAN_SESSION_STORE", "redis://:hunter2#x@host:1"),
        ("ELMAN_SESSION_STORE", "redis://ann:4321#hunter2@host:1"),
        ("ELMAN_SESSION_STORE", "redis://:abc?hunter2@host:1"),
        ("ELMAN_SESSION_STORE", "redis://:abc/hunter2@host:1"),
        ("ELMAN_SESSION_STORE", "redis://:hunter2@host?ssl_ca_certs=x"),
        ("ELMAN_SESSION_STORE", "rediss://:hunter2@host?ssl_ca_certs=/none"),
        ("ELMAN_SESSION_STORE", "redis://:hunter2@host?prefix=a{b}"),
        ("ELMAN_SESSION_STORE", "memory"),
        ("ELMAN_SESSION_STORE", "redis+cluster://ann:hunter2@host/1"),
        ("ELMAN_SESSION_STORE", "redis+sentinel://ann:hunter2@host"),
        ("ELMAN_SESSION_STORE", "sqlite:///"),
        ("ELMAN_SESSION_ID_PATTERN", "["),
        ("ELMAN_TOKEN_KEY", " , "),
        ("ELMAN_API_KEYS", ","),
        ("ELMAN_API_KEYS", "sha256:hunter2hunter2"),
    ],
)
def test_a_bad_value_stops_the_start_with_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stop:
        Settings.from_environment()
    assert str(stop.value).startswith(f"elman: {name}")
    assert "\n" not in str(stop.value)
    assert "hunter2" not in str(stop.value)


def test_a_name_that_is_no_setting_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELMAN_CHECKPIONT", "x")
    monkeypatch.setenv("ELMAN_DEVICE", "cpu")
    assert unknown_variables() == ["ELMAN_CHECKPIONT"]


def test_settings_that_contradict_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELMAN_SNAPSHOT", "x")
    monkeypatch.setenv("ELMAN_SESSION_STORE", "sqlite:///y")
    with pytest.raises(SystemExit, match="ELMAN_SNAPSHOT is for ELMAN_SESSION_STORE=memory://"):
        Settings.from_environment()


@pytest.mark.parametrize("store", ["memory://", "sqlite:///y"])
def test_workers_without_a_store_that_they_share_are_refused(monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    monkeypatch.setenv("ELMAN_WORKERS", "2")
    monkeypatch.setenv("ELMAN_SESSION_STORE", store)
    with pytest.raises(SystemExit, match=r"^elman: ELMAN_WORKERS=2: workers need a store that they share"):
        Settings.from_environment()


@pytest.mark.parametrize("store", ["redis://host", "rediss+cluster://a,b", "valkey://host", "redis+sentinel://a/name"])
def test_workers_may_be_several_on_a_store_that_they_share(monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    monkeypatch.setenv("ELMAN_WORKERS", "64")
    monkeypatch.setenv("ELMAN_SESSION_STORE", store)
    assert Settings.from_environment().workers == 64


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELMAN_API_KEYS", "")
    assert Settings.from_environment().api_keys is None


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().max_sessions = 5  # type: ignore[misc]  # that is the point


def test_the_table_in_the_docs_is_complete_and_true() -> None:
    rows = re.findall(r"^\| `ELMAN_(\w+)` \| `?([^`|]*)`? \| (.*) \|$", DOCS.read_text(), re.MULTILINE)
    documented = {name.lower(): (default, meaning) for name, default, meaning in rows}
    expected = {}
    for name, field in Settings.model_fields.items():
        value = field.default
        default = "" if value is None else str(value.get_secret_value() if isinstance(value, SecretStr) else value)
        default = default.lower() if isinstance(field.default, bool) else default
        default = default.removeprefix(str(DOCS.parents[1]) + "/")
        expected[name] = (default, field.description)
    assert documented == expected
