"""The load test itself is tested: it passes a right service, and catches one that is wrong, slow or not there."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from models import save
from tests.conftest import random_checkpoint
from tests.load.__main__ import main
from tests.load.doors import DOORS
from tests.load.faults import FAULTS
from tests.load.trial import LOCUSTFILE
from tests.server import HOST, ROOT, Server, free_port, serving

KEY = "a key of the load test"
WAYS = ["twice", "mixed", "reset", "narrow", "lost", "repeated", "leaking", "opening"]
OBJECTIVES = {"leaking": "memory_growth <= 5", "opening": "descriptors_left <= 5"}
"""As tests/load/broken.py has them, which this process must not import: it would be broken itself."""

QUICK = ("--ceiling", "0", "--users", "20", "--pace", "0", "--faults", "0.05", "--output", "-")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(random_checkpoint(calibrated=True), tmp_path_factory.mktemp("load") / "model.safetensors")


@pytest.fixture(scope="module")
def server(checkpoint: Path) -> Iterator[Server]:
    with serving(checkpoint, elman_api_keys=KEY) as server:
        yield server


@dataclass(frozen=True)
class Done:
    """What a load test said."""

    code: int
    said: str


Run = Callable[..., Done]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """`python -m tests.load`, in this process."""

    def run(*arguments: str | Path) -> Done:
        code = main([str(argument) for argument in arguments])
        return Done(code, "".join(capfd.readouterr()))

    return run


def test_a_right_service_passes_by_every_door_and_with_every_fault(
    run: Run, server: Server, checkpoint: Path, tmp_path: Path
) -> None:
    """It watches the process, knows its own limit, and leaves a page that needs nothing else."""
    arguments = ("--host", server.url, "--pid", str(server.process.pid), "--api-key", KEY, "--checkpoint", checkpoint)
    options = ("--users", "20", "--pace", "0", "--seconds", "4", "--faults", "0.05")
    result = run("run", *arguments, *options, "--objective", "p99 <= 20000", "--output", tmp_path / "report")
    assert result.code == 0, result.said
    assert re.search(r"numbers checked \([\d,]+/s\), 0 wrong; 0 errors", result.said)
    assert re.search(r"the generator alone, .*: [\d,]+ requests/s", result.said)
    report = json.loads((tmp_path / "report.json").read_text())
    figures = report["figures"]
    assert {f"requests[{door.door}]" for door in DOORS.values()} <= figures.keys()
    assert {f"faults[{name}]" for name in FAULTS} <= figures.keys()
    assert figures["memory_most"] > 50
    assert figures["descriptors_most"] > 20
    assert abs(figures["descriptors_left"]) <= 5
    assert figures["sessions_most"] > 10
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 6
    assert not re.search(r'(src|href)="(?!#)|url\((?!#)|@import|<script', page)


def test_two_processes_in_an_open_loop_are_one_test(run: Run, server: Server, checkpoint: Path, tmp_path: Path) -> None:
    """Arrivals come at the sum of their rates, in sessions that nobody else has."""
    arguments = ("--host", server.url, "--api-key", KEY, "--checkpoint", checkpoint, "--ceiling", "0")
    options = ("--rate", "100", "--seconds", "4", "--processes", "2", "--output", tmp_path / "report")
    result = run("run", *arguments, *options)
    assert result.code == 0, result.said
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["load"]["processes"] == 2
    assert 280 < report["figures"]["requests"] < 700  # 400 turns, some of them of several requests
    assert report["figures"]["lag_p99"] > 0


def test_master_and_workers_are_started_by_hand(run: Run, server: Server, checkpoint: Path, tmp_path: Path) -> None:
    """As docs/load.md says for several machines; what the master has recorded is judged afterwards."""
    record, port = tmp_path / "record.json", str(free_port())
    said = ["--host", server.url, "--api-key", KEY, "--checkpoint", str(checkpoint), "--seconds", "3", "--pace", "20"]
    locust = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--loglevel", "WARNING", *said]
    master = [*locust, "--master", "--master-bind-port", port, "--expect-workers", "2", "--record", str(record)]
    master += ["--users", "10", "--spawn-rate", "100"]
    worker = [*locust, "--worker", "--master-host", HOST, "--master-port", port]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) for command in (master, worker, worker)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    result = run("report", record, "--objective", "requests >= 50", "--output", tmp_path / "report")
    assert result.code == 0, result.said
    assert "2 process(es)" in result.said


@pytest.fixture(scope="module")
def broken(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    file = tmp_path_factory.mktemp("broken") / "way"
    file.write_text("")
    with serving(checkpoint, target="tests.load.broken:service", test_broken=str(file)) as server:
        yield server, file


@pytest.mark.parametrize("way", WAYS)
def test_a_broken_service_is_caught(
    run: Run, broken: tuple[Server, Path], way: str, checkpoint: Path, tmp_path: Path
) -> None:
    """It answers every request quickly, and one in many is wrong; the report says where, and how."""
    server, file = broken
    file.write_text(way)
    arguments = ("--host", server.url, "--pid", str(server.process.pid), "--checkpoint", checkpoint)
    objective = OBJECTIVES.get(way)
    told = ("--seconds", "4", "--objective", objective) if objective else ("--seconds", "1")
    result = run("run", *arguments, *QUICK, *told)
    assert result.code == 1, result.said
    if objective:
        assert f"FAILED  {objective}" in result.said
        assert "met     wrong = 0" in result.said
    else:
        assert "FAILED  wrong = 0" in result.said
        assert re.search(r"wrong .*: .*(session|sequence|sessions) .*: got .*, expected ", result.said)


def test_a_broken_service_that_is_right_passes(
    run: Run, broken: tuple[Server, Path], checkpoint: Path, tmp_path: Path
) -> None:
    """What is caught above is the mistake, not how it is made."""
    server, file = broken
    file.write_text("")
    arguments = ("--host", server.url, "--checkpoint", checkpoint, "--seconds", "1")
    result = run("run", *arguments, *QUICK)
    assert result.code == 0, result.said


def test_a_slow_service_is_caught(run: Run, server: Server, checkpoint: Path, tmp_path: Path) -> None:
    arguments = ("--host", server.url, "--api-key", KEY, "--checkpoint", checkpoint, "--seconds", "1")
    objectives = ("--objective", "p99 <= 0.001")
    result = run("run", *arguments, *QUICK, *objectives)
    assert result.code == 1
    assert re.search(r"FAILED  p99 <= 0.001   \([\d.]+\)", result.said), result.said


def test_the_limit_is_told_with_what_was_tried(run: Run, server: Server, checkpoint: Path) -> None:
    """A rate at which all is well, and one that is too high for any p99."""
    arguments = (
        "--host",
        server.url,
        "--api-key",
        KEY,
        "--checkpoint",
        checkpoint,
        "--ceiling",
        "0",
        "--seconds",
        "2.5",
    )
    result = run("limit", *arguments, "--start", "50", "--most", "50", "--p99", "20000")
    assert result.code == 0, result.said
    assert re.search(r"up to 50 turns/s \([\d,.]+ requests/s, [\d,]+ predictions/s\)", result.said)
    assert re.search(r"\| +yes \|", result.said)
    result = run("limit", *arguments, "--start", "2", "--most", "2", "--p99", "0.001")
    assert result.code == 1
    assert "p99 is over 0.001 ms at any rate" in result.said


def test_a_service_that_is_not_there_is_caught(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    arguments = ("--host", "http://127.0.0.1:9", "--checkpoint", checkpoint, "--seconds", "1")
    result = run("run", *arguments, "--ceiling", "0", "--users", "3")
    assert result.code == 1
    assert "no answer: " in result.said, result.said


def test_what_cannot_be_tried_is_said_in_one_line(run: Run, tmp_path: Path) -> None:
    result = run("run", "--objective", "p99 < 5")
    assert (result.code, result.said.count("\n")) == (2, 1)
    assert "is no objective" in result.said
