"""Peers are installed by lists of their own; one that is missing is named."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from models import save
from tests.benchmarks.peers import installation, report
from tests.benchmarks.peers.installation import PEERS, NotInstalled, installed
from tests.benchmarks.services import Effort, Entry
from tests.benchmarks.wrk import Load
from tests.conftest import random_checkpoint


def test_an_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And again when a list has changed."""
    commands: list[list[str]] = []

    def run(command: list[str]) -> None:
        commands.append(command)
        (tmp_path / "triton").mkdir(exist_ok=True)

    monkeypatch.setattr(installation, "_run", run)
    assert installed("triton", tmp_path).python == installed("triton", tmp_path).python
    assert [command[-1].rpartition("/")[2] for command in commands] == ["triton", "triton.txt", "triton.alone.txt"]
    (tmp_path / "triton" / installation.STAMP).write_text("other versions")
    installed("triton", tmp_path)
    assert len(commands) == 6


def test_a_peer_that_is_missing_is_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, folder: Path) -> None:
        raise NotInstalled("ERROR: No matching distribution")

    def race(entries: Sequence[Entry], checkpoint: Path, effort: Effort) -> dict[Entry, Load]:
        return {each: Load(1000, 1.0, 1.0, 2.0, 3.0, 4.0) for each in entries}

    monkeypatch.setattr(report, "installed", refuse)
    monkeypatch.setattr(report, "race", race)
    checkpoint, picture = save(random_checkpoint(), tmp_path / "model.safetensors"), tmp_path / "picture.png"
    (table,) = report.report(checkpoint, Effort(), tmp_path, picture)
    assert table.notes == [f"{peer.name} is missing: ERROR: No matching distribution" for peer in PEERS.values()]
    assert picture.read_bytes().startswith(b"\x89PNG")
