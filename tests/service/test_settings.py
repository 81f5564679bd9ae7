import os
import re
from pathlib import Path

import pytest

from service.settings import PREFIX, Settings

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_every_setting_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "checkpoint": "some.safetensors",
        "device": "cpu",
        "session_idle_seconds": "1.5",
        "max_sessions": "7",
        "max_values": "8",
        "max_horizon": "9",
        "max_body_bytes": "2048",
        "body_timeout_seconds": "2.5",
        "access_log": "true",
    }
    assert values.keys() == Settings.model_fields.keys()
    for name, value in values.items():
        monkeypatch.setenv(PREFIX + name.upper(), value)
    assert {name: str(value).lower() for name, value in Settings.from_environment()} == values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ELMAN_DEVICE", "tpu"),
        ("ELMAN_MAX_SESSIONS", "0"),
        ("ELMAN_MAX_VALUES", "many"),
        ("ELMAN_SESSION_IDLE_SECONDS", "inf"),
        ("ELMAN_MAX_BODY_BYTES", "-1"),
        ("ELMAN_CHECKPIONT", "x"),
    ],
)
def test_a_bad_value_or_an_unknown_name_stops_the_start_with_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stop:
        Settings.from_environment()
    assert str(stop.value).startswith(f"elman: {name}")
    assert "\n" not in str(stop.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().max_sessions = 5  # type: ignore[misc]  # that is the point


def test_the_table_in_the_docs_is_complete_and_true() -> None:
    rows = re.findall(r"^\| `ELMAN_(\w+)` \| `([^`]*)` \| (.*) \|$", DOCS.read_text(), re.MULTILINE)
    documented = {name.lower(): (default, meaning) for name, default, meaning in rows}
    expected = {}
    for name, field in Settings.model_fields.items():
        default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        default = default.removeprefix(str(DOCS.parents[1]) + "/")
        expected[name] = (default, field.description)
    assert documented == expected
