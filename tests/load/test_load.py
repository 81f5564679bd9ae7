"""The load test itself is tested: it must pass a right service and catch a wrong or a slow one."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import save
from tests.conftest import MakeCheckpoint, random_checkpoint
from tests.server import ROOT, Server, serving


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(random_checkpoint(calibrated=True), tmp_path_factory.mktemp("load") / "model.safetensors")


@pytest.fixture(scope="module")
def server(checkpoint: Path) -> Iterator[Server]:
    with serving(checkpoint) as server:
        yield server


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.load.run", "--users", "5", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_right_service_passes(checkpoint: Path, tmp_path: Path) -> None:
    """It starts the service by itself, prints percentiles, and leaves Locust's page behind."""
    report = tmp_path / "report.html"
    result = run("--duration", "4s", "--p99", "10000", "--checkpoint", checkpoint, "--report", report)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"p50 [\d.]+ ms   p95 [\d.]+ ms   p99 [\d.]+ ms   max [\d.]+ ms", result.stdout)
    assert "errors     0, of these wrong predictions 0\nverdict    passed" in result.stdout
    assert "/predict" in report.read_text()


def test_wrong_predictions_are_caught(
    checkpoint: Path, server: Server, make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    """A service with other weights than the oracle's answers every request, and fails."""
    oracle, report = make_checkpoint(seed=1), tmp_path / "report.html"
    result = run("--duration", "2s", "--p99", "10000", "--host", server.url, "--oracle", oracle, "--report", report)
    assert result.returncode == 1
    assert re.search(r"\d+ x /predict: wrong prediction\n", result.stdout), result.stdout + result.stderr


def test_a_slow_service_is_caught(checkpoint: Path, server: Server, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    arguments = ("--host", server.url, "--checkpoint", checkpoint, "--report", report)
    result = run("--duration", "2s", "--p99", "0.001", *arguments)
    assert result.returncode == 1
    assert re.search(r"FAILED: p99 of [\d.]+ ms is over the limit of 0.001 ms", result.stdout), result.stdout


def test_a_service_that_is_not_there_is_caught(checkpoint: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    result = run("--duration", "1s", "--host", "http://127.0.0.1:9", "--checkpoint", checkpoint, "--report", report)
    assert result.returncode == 1
    assert "no answer" in result.stdout
