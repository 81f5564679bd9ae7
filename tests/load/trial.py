"""One load on one service: Locust in a process of its own, because it patches Python's sockets; a watch beside it."""

import json
import subprocess
import sys
import tempfile
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.load import options as load_options
from tests.load.figures import Figures, figures
from tests.load.tally import Tally
from tests.load.watch import Watch
from tests.server import ROOT

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
STOP_SECONDS = 15
"""For answers that are on their way at the end."""


class TrialFailed(Exception):
    """Locust did not come to an end; what it printed is the message."""


@dataclass(frozen=True)
class Target:
    """A service that runs. pid: of its first process, if that is on this machine."""

    url: str
    pid: int | None = None


@dataclass(frozen=True)
class Trial:
    """What was loaded, counted and seen."""

    load: dict[str, Any]
    began: float
    tally: Tally
    service: list[dict[str, float]]

    @property
    def figures(self) -> Figures:
        """What it came to."""
        return figures(self.tally, self.load["seconds"], self.service)

    @classmethod
    def read(cls, record: dict[str, Any], service: list[dict[str, float]] | None = None) -> "Trial":
        """As the locustfile writes it."""
        tally = Tally()
        tally.add(record["tally"])
        return cls(record["load"], record["began"], tally, service or [])


def run(target: Target, options: Namespace, extra: list[str] | None = None) -> Trial:
    """Load the service as the options say; extra: more for Locust.

    Raises:
        TrialFailed: Locust ended before it had counted anything.
    """
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        record = Path(folder, "record.json")
        command = [*command_of(options), "--host", target.url, "--record", str(record), *(extra or [])]
        with Watch(target.url, target.pid) as watch:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode or not record.exists():
            raise TrialFailed(f"Locust ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return Trial.read(json.loads(record.read_text()), watch.samples)


def command_of(options: Namespace) -> list[str]:
    """Locust, but for where."""
    processes = options.processes
    users = max(processes, 1) if options.rate else options.users
    locust = ["--headless", "--only-summary", "--loglevel", "WARNING", "--stop-timeout", str(STOP_SECONDS)]
    locust += ["--users", str(users), "--spawn-rate", "1000"]
    if processes > 1:
        locust += ["--processes", str(processes)]
    return [
        sys.executable,
        "-X",
        "faulthandler",
        "-m",
        "locust",
        "--locustfile",
        str(LOCUSTFILE),
        *locust,
        *load_options.words(options),
    ]
