"""Load from wrk, which costs a tenth of what it measures: keep-alive connections, each with one request at a time.

wrk fills in for requests that a stalled server kept it from sending, so its percentiles do not forget the stall.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.benchmarks.doors import SERIES, Door, new_run
from tests.benchmarks.turns import family
from tests.server import Server

PROGRAM = "wrk"
INSTALL = "wrk makes the load and is not installed here: apt-get install wrk"
SCRIPT = Path(__file__).with_name("load.lua")
TIMEOUT_SECONDS = 10

TURNS = 16
"""Sessions per connection: a session is asked again when its last answer has long come, so it is asked in order."""


class LoadFailed(Exception):
    """Requests were not answered with 200, or there is no wrk."""


@dataclass(frozen=True)
class Load:
    """What some seconds of load gave. p50, p99, p999: milliseconds; cpu: microseconds of the server a request."""

    requests: int
    seconds: float
    p50: float
    p99: float
    p999: float
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def measure(
    server: Server, door: Door, connections: int, seconds: float, *, turns: int = TURNS, run: str | None = None
) -> Load:
    """Ask a server for single steps, in sessions that no other run has: RUN-0 to those of all turns of all connections.

    Raises:
        LoadFailed: not all was well answered; figures would mean nothing.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise LoadFailed(INSTALL)
    settings = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", f"--timeout={TIMEOUT_SECONDS}s"]
    series = ",".join(map(str, SERIES))
    arguments = [door.path, door.body, run or new_run(), str(door.sessions), str(connections * turns), series]
    command = [program, *settings, "-s", str(SCRIPT), server.url, "--", *arguments]
    before = cpu_seconds(server)
    output = subprocess.run(command, capture_output=True, text=True)
    spent = cpu_seconds(server) - before
    if output.returncode:
        raise LoadFailed(f"wrk failed: {output.stderr or output.stdout}")
    return parsed(output.stdout, spent)


def parsed(output: str, cpu_seconds: float) -> Load:
    """The last line of what wrk printed, written by load.lua.

    Raises:
        LoadFailed: not all was well answered.
    """
    facts = json.loads(output.splitlines()[-1])
    errors = facts.pop("errors")
    if errors or not facts["requests"]:
        raise LoadFailed(f"{errors} errors in {facts['requests']} requests")
    return Load(**facts, cpu=cpu_seconds / facts["requests"] * 1e6)


def typical(loads: list[Load]) -> Load:
    """The median of every figure."""
    return Load(**{name: median(getattr(load, name) for load in loads) for name in Load.__dataclass_fields__})


def cpu_seconds(server: Server) -> float:
    """Processor time that a server and its workers have had so far."""
    times = [process.cpu_times() for process in family(server)]
    return float(sum(time.user + time.system for time in times))
