"""Peers, each in a virtual environment of its own, made when it is first needed."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.contestants import Contestant
from tests.benchmarks.doors import MLSERVER, TRITON

HERE = Path(__file__).parent
STAMP = "installed.txt"  # what was installed, to notice when the lists change
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


class NotInstalled(Exception):
    """pip's last line says why."""


def _module(name: str) -> str:
    return f"{__package__}.{name}_peer"


PEERS = {
    "litserve": Contestant("LitServe 0.2.19", _module("litserve"), ready="/health"),
    "mlserver": Contestant("MLServer 1.7.1", _module("mlserver"), MLSERVER, ready="/v2/health/ready"),
    "ray": Contestant("Ray Serve 2.60", _module("ray"), environment={"RAY_USAGE_STATS_ENABLED": "0"}),
    "triton": Contestant(
        "Triton, python backend", _module("triton"), TRITON, {"REPOSITORY": "{folder}"}, ready="/v2/health/ready"
    ),
}
"""By the name of the list of what each needs."""


def installed(name: str, folder: Path) -> Contestant:
    """The peer of this name, ready to be started; its environment is made or renewed if need be.

    Raises:
        NotInstalled: pip failed.
    """
    environment = folder.absolute() / name
    python, stamp = environment / "bin" / "python", environment / STAMP
    lists = [path for path in (HERE / f"{name}.txt", HERE / f"{name}.alone.txt") if path.exists()]
    wanted = "".join(path.read_text() for path in (HERE / "step.txt", *lists))
    if not stamp.exists() or stamp.read_text() != wanted:
        _run([sys.executable, "-m", "venv", "--clear", str(environment)])
        for path in lists:
            _run([str(python), *PIP, *(("--no-deps",) if ".alone" in path.name else ()), "-r", str(path)])
        stamp.write_text(wanted)
    return replace(PEERS[name], python=python)


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        lines = (result.stderr or result.stdout).strip().splitlines()
        raise NotInstalled(lines[-1] if lines else f"{command} exited with {result.returncode}")
