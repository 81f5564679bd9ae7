"""Requests that only a machine thinks of: every answer is one that the API page promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import MakeCheckpoint
from tests.server import ROOT, serving

SECONDS = os.environ.get("HUNT_SECONDS", "20")  # HUNT_SECONDS=400 pytest -s tests/e2e/test_schema.py hunts for longer


@pytest.mark.timeout(60 + 2 * int(SECONDS))
def test_every_answer_is_documented(tmp_path: Path, make_checkpoint: MakeCheckpoint) -> None:
    """No 500, no status and no shape that is not on the page; also along the links from one route to another."""
    store = f"sqlite:///{tmp_path}/sessions.db"
    with serving(
        make_checkpoint(), elman_session_store=store, elman_max_watchers="0"
    ) as server:  # whose answers never end
        hunt = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/docs.json"),
                *("--max-time", SECONDS, "--max-examples", SECONDS, "--seed", "1", "--continue-on-failure"),
                *("--exclude-checks", "positive_data_acceptance"),  # the page cannot say which tokens are genuine
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.e2e.schema_hooks"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        print(hunt.stdout)
        assert hunt.returncode == 0
        assert "Traceback" not in server.log()
