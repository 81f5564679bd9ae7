"""The README's commands, run as they are written."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest

from tests.server import ROOT, free_port

README = (ROOT / "README.md").read_text()
CONVERSATION = re.findall(r"^\$ (curl .*)\n(.*)$", README, re.MULTILINE)


@pytest.fixture
def make_serve(tmp_path: Path) -> Iterator[int]:
    """`make serve` on a free port, as a new user starts it. Gives the port; ends it as a user does and checks how."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ELMAN_", "MAKE"))}
    environment["BENTOML_HOME"] = str(tmp_path)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            ["make", "serve", f"PORT={port}"], cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=2).raise_for_status()
                break
            except httpx2.HTTPError:
                assert process.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.2)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C
        process.wait(30)


def test_the_conversation_is_real(make_serve: int) -> None:
    assert len(CONVERSATION) == 4
    model = httpx2.get(f"http://127.0.0.1:{make_serve}/model").json()["model"]
    for command, expected in CONVERSATION:
        shell = command.replace("localhost:3000", f"127.0.0.1:{make_serve}")
        answer = json.loads(subprocess.check_output(shell, shell=True, text=True))
        promised = json.loads(expected)
        assert answer.pop("model") == model
        assert re.fullmatch("[0-9a-f]{12}", promised.pop("model"))
        assert answer.keys() == promised.keys()
        for name, value in promised.items():
            if isinstance(value, list):
                np.testing.assert_allclose(np.array(answer[name], float), np.array(value, float), rtol=1e-3, atol=1e-2)
            else:
                assert answer[name] == value


def test_every_link_leads_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_every_make_target_that_it_names_exists() -> None:
    targets = subprocess.check_output(["make", "help"], cwd=ROOT, text=True)
    for target in re.findall(r"(?:^|`)make (\w+)", README, re.MULTILINE):
        assert f"make {target} " in targets


def test_help_lists_every_command() -> None:
    output = subprocess.check_output(["make"], cwd=ROOT, text=True)
    for target in ("serve", "train", "test", "check", "load", "bench", "build", "container"):
        assert f"make {target} " in output
