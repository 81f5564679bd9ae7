"""What the service refuses to start with, and how it says so."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
import torch

from tests.conftest import MakeCheckpoint
from tests.server import ROOT, free_port, serving


def start(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`bentoml serve` with these variables; it is expected to end by itself."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ELMAN_")}
    return subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", "service.api:service", "--port", str(free_port())],
        cwd=ROOT,
        env={**clean, "BENTOML_HOME": str(tmp_path / "home"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    """The one line of a start that was refused."""
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_cuda_where_there_is_none(tmp_path: Path, make_checkpoint: MakeCheckpoint) -> None:
    line = refusal(start(tmp_path, ELMAN_DEVICE="cuda", ELMAN_CHECKPOINT=str(make_checkpoint())))
    assert line.startswith("elman: device cuda was asked for")


def test_a_checkpoint_that_cannot_be_trusted(tmp_path: Path, make_checkpoint: MakeCheckpoint) -> None:
    path = make_checkpoint()
    path.write_bytes(path.read_bytes()[:-3])
    assert "truncated" in refusal(start(tmp_path, ELMAN_CHECKPOINT=str(path)))


def test_a_bad_setting(tmp_path: Path) -> None:
    assert refusal(start(tmp_path, ELMAN_MAX_SESSIONS="none")).startswith("elman: ELMAN_MAX_SESSIONS='none': ")


def test_several_workers_with_a_store_each(tmp_path: Path) -> None:
    line = refusal(start(tmp_path, ELMAN_WORKERS="2"))
    assert line.startswith("elman: ELMAN_WORKERS=2: workers need a store that they share")


def test_the_start_logs_no_request_unless_asked(make_checkpoint: MakeCheckpoint) -> None:
    for asked in ("false", "true"):
        with serving(make_checkpoint(), elman_access_log=asked) as server:
            for _ in range(20):
                httpx2.post(f"{server.url}/predict", json={"values": [1]}).raise_for_status()
                time.sleep(0.05)
            assert ("/predict" in server.log()) is (asked == "true")
