"""Where and when something was measured, and of what: figures mean nothing without it."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch

from tests.server import ROOT


def description() -> str:
    """One line: commit, processor, GPU, date."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"commit {_commit()}, {_cpu()}, {os.cpu_count()} cores{gpu}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip() or "unknown"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
