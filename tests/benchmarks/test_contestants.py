"""Contestants answer alike, and are asked in order; a tiny load, no figures."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from models import save
from tests.benchmarks.contestants import BARE, FASTAPI, OURS, Contestant
from tests.benchmarks.doors import COUNTED, PREDICT, TRITON
from tests.benchmarks.examination import Examination, Wrong
from tests.benchmarks.services import Effort, beside, entry, race
from tests.benchmarks.wrk import PROGRAM, measure
from tests.conftest import random_checkpoint
from tests.server import Server

needs_wrk = pytest.mark.skipif(shutil.which(PROGRAM) is None, reason="makes the load: apt-get install wrk")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(random_checkpoint(calibrated=True), tmp_path_factory.mktemp("bench") / "model.safetensors")


@pytest.fixture(scope="module")
def bare(checkpoint: Path) -> Iterator[Server]:
    with BARE.serving(checkpoint) as server:
        yield server


def test_a_right_contestant_passes(bare: Server, checkpoint: Path) -> None:
    Examination(checkpoint)(bare, PREDICT)


def test_a_wrong_contestant_is_caught(bare: Server, tmp_path: Path) -> None:
    """It predicts with weights other than those that were to be used."""
    other = save(random_checkpoint(seed=1), tmp_path / "other.safetensors")
    with pytest.raises(Wrong, match="off by"):
        Examination(other)(bare, PREDICT)


@needs_wrk
@pytest.mark.parametrize("contestant", [FASTAPI], ids=lambda contestant: contestant.name)
def test_a_race_gives_figures_and_a_table(contestant: Contestant, checkpoint: Path) -> None:
    entries = [entry(BARE), entry(contestant)]
    loads = race(entries, checkpoint, Effort(rounds=1, seconds=1))
    assert all(load.rate > 0 and load.cpu > 0 and load.p50 <= load.p99 <= load.p999 for load in loads.values())
    assert contestant.name in str(beside(entries[0], entries, loads))


@needs_wrk
def test_sessions_are_asked_in_order(checkpoint: Path) -> None:
    """Our own service refuses a `step` that is not the next; at neither door may one request of the load be refused."""
    with OURS.serving(checkpoint) as server:
        measure(server, COUNTED, connections=4, seconds=1)
        Examination(checkpoint)(server, TRITON)
        measure(server, TRITON, connections=4, seconds=1)  # a sequence that was not begun would be unknown
        sessions = httpx.get(f"{server.url}/sessions", trust_env=False).json()["sessions"]
    assert sessions


@needs_wrk
def test_a_contestant_that_refuses_ends_the_race(checkpoint: Path) -> None:
    strict = replace(FASTAPI, door=replace(PREDICT, body='{"values": [], "session_id": "SESSION"}'))
    with pytest.raises(SystemExit, match=r"FastAPI on uvicorn: .*422"):
        race([entry(strict)], checkpoint, Effort(1, 1))
