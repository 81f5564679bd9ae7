"""The programs whose files docs/deploy/ holds, asked whether they can read them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"


def find(name: str) -> str:
    """Where a program is: beside Python, if pip brought it, or on the PATH. Without it the test is skipped."""
    places = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    program = shutil.which(name, path=places)
    if program is None:
        pytest.skip(f"{name} is not installed")
    return program


def ask(name: str, *arguments: str | Path, **environment: str) -> str:
    """What it prints, given this environment beside the PATH.

    Raises:
        AssertionError: it refuses; its own words are in the message.
    """
    answer = attempt(name, *arguments, environment=environment)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def attempt(
    name: str, *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it, whatever it says."""
    variables = {"PATH": os.environ["PATH"], "HOME": os.devnull, **(environment or {})}
    return subprocess.run([find(name), *arguments], capture_output=True, text=True, env=variables, timeout=60)
