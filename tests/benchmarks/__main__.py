"""`make bench`: the step and the service beside their peers. Compare the ratios; the rest is this machine's."""

import gc
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch

from models import load
from service.settings import DEFAULT_CHECKPOINT
from tests.benchmarks import services, sessions, step
from tests.server import ROOT


def main() -> None:
    """Print where and when, then the tables."""
    torch.set_num_threads(1)  # as the service does
    gc.freeze()  # no collection of ours shall look like a slow answer of theirs
    print(f"commit {_commit()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(f"{_cpu()}, {os.cpu_count()} cores, {torch.get_num_threads()} torch thread")
    config = load(DEFAULT_CHECKPOINT).network.config
    print(f"{config}\n\n{step.HEADER}")
    for line in step.rows(config):
        print(line, flush=True)
    print(f"\n{sessions.HEADER}", flush=True)
    for line in sessions.rows(DEFAULT_CHECKPOINT):
        print(line, flush=True)
    print(f"\n{services.HEADER}", flush=True)
    for line in services.rows(DEFAULT_CHECKPOINT):
        print(line)


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip() or "unknown"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
