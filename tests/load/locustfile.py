"""What Locust runs: `locust -f tests/load/locustfile.py --headless --host URL …`; docs/load.md has whole commands.

`python -m tests.load` starts it for you, and judges what it has counted.
"""

import gc
import json
import random
import time
from argparse import Namespace
from math import ceil
from pathlib import Path
from typing import Any

import gevent
from locust import LoadTestShape, events
from locust.argument_parser import LocustArgumentParser, parse_options
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from models import CheckpointError
from models import load as load_checkpoint
from tests.load import options, users
from tests.load.doors import CEILING, DOORS, Conversation
from tests.load.doors.forecasts import LEVELS
from tests.load.faults import Faults
from tests.load.oracle import Oracle
from tests.load.shapes import SHAPES
from tests.load.tally import Tally
from tests.load.users import (
    BatchUser,
    CeilingUser,
    ChunkUser,
    ForecastUser,
    OpenLoop,
    ProtocolUser,
    SessionUser,
    SingleValueUser,
    TokenUser,
)

__all__ = [
    "BatchUser",
    "CeilingUser",
    "ChunkUser",
    "ForecastUser",
    "OpenLoop",
    "ProtocolUser",
    "SessionUser",
    "SingleValueUser",
    "TokenUser",
]

CONCLUDE, TOLD = "conclude", "told"
"""What a master says to its workers at the end, and they to it."""

STOP_SECONDS = 60
DRAIN_SECONDS = 1
"""After an open loop, for what was due at its end."""

tally = Tally()


class Shaped(LoadTestShape):
    """So many users of the closed loop at each moment."""

    abstract = True  # else Locust would take it for every test

    def __init__(self, most: int, seconds: float, shape: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Locust's classes are unannotated
        self._most, self._seconds, self._share = most, seconds, SHAPES[shape]

    def tick(self) -> tuple[int, float]:
        """Users, and how many of them come a second. The end is not its business."""
        elapsed = self.get_run_time() / self._seconds  # type: ignore[no-untyped-call]  # as above
        return max(1, ceil(self._most * self._share(min(elapsed, 1.0)))), 1000.0


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # Locust leaves its events unannotated
def _add_arguments(parser: LocustArgumentParser) -> None:
    options.add_to(parser)
    parser.add_argument("--record", metavar="FILE", help="write what was counted, for `python -m tests.load report`")


def _consulted(chosen: Namespace) -> Oracle:
    """Before there is a process that somebody waits for, and once for all that are forked."""
    try:
        oracle = Oracle(load_checkpoint(chosen.checkpoint), chosen.tolerance)
    except CheckpointError as error:
        raise SystemExit(f"load test: {error}") from None
    for level in LEVELS:  # the first of each takes longer
        oracle.forecast(oracle.series[0], 1, 1, level)
    gc.collect()
    gc.freeze()  # a collection over all that the oracle knows takes long enough to be seen in the latencies
    gevent.get_hub().loop.update_now()  # its clock stood still meanwhile
    return oracle


oracle = _consulted(parse_options())


@events.init.add_listener  # type: ignore[untyped-decorator]  # as above
def _prepare(environment: Environment, **_: Any) -> None:
    chosen = environment.parsed_options
    assert chosen
    random.seed()  # processes are forks of one
    client = users.Client
    client.oracle, client.tally, client.faults = oracle, tally, Faults(chosen.faults)
    client.api_key = chosen.api_key
    Conversation.longest_stream = chosen.longest
    if chosen.rate:
        environment.user_classes = [OpenLoop]
        OpenLoop.rate, OpenLoop.sessions = chosen.rate / chosen.num_users, ceil(chosen.sessions / chosen.num_users)
        OpenLoop.seconds, OpenLoop.shape, OpenLoop.even = chosen.seconds, chosen.shape, chosen.even
        OpenLoop.doors = chosen.doors
    else:
        users.ClosedLoop.pace = chosen.pace
        wanted = {{**DOORS, **CEILING}[name] for name in chosen.doors}
        environment.user_classes = [user for user in environment.user_classes if getattr(user, "door", None) in wanted]
        if chosen.shape != "steady" and not isinstance(environment.runner, WorkerRunner):
            environment.shape_class = Shaped(chosen.num_users, chosen.seconds, chosen.shape)
    if isinstance(environment.runner, WorkerRunner):
        environment.runner.register_message(CONCLUDE, _conclude_here)
    elif isinstance(environment.runner, MasterRunner):
        environment.runner.register_message(TOLD, lambda environment, msg: tally.add(msg.data))


@events.report_to_master.add_listener  # type: ignore[untyped-decorator]  # as above
def _tell(data: dict[str, Any], **_: Any) -> None:
    data["tally"] = tally.plain()
    tally.clear()


@events.worker_report.add_listener  # type: ignore[untyped-decorator]  # as above
def _hear(data: dict[str, Any], **_: Any) -> None:
    tally.add(data["tally"])


@events.test_start.add_listener  # type: ignore[untyped-decorator]  # as above
def _note_start(environment: Environment, **_: Any) -> None:
    tally.began = time.time()
    chosen, runner = environment.parsed_options, environment.runner
    assert chosen
    if not isinstance(runner, WorkerRunner):
        gevent.spawn_later(chosen.seconds + (DRAIN_SECONDS if chosen.rate else 0), _end, runner)


def _end(runner: Any) -> None:
    """Not by Locust's --run-time, which does not wait for what workers have still to tell."""
    if isinstance(runner, MasterRunner):
        workers, patience = runner.worker_count, time.monotonic() + STOP_SECONDS
        runner.send_message(CONCLUDE)
        while tally.facts[(TOLD,)] < workers and time.monotonic() < patience:
            gevent.sleep(0.05)
        if missing := workers - tally.facts[(TOLD,)]:
            tally.wrong("a worker did not tell what it counted", f"{missing} of {workers}", missing)
    else:
        runner.stop()
    runner.quit()


def _conclude_here(environment: Environment, **_: Any) -> None:
    """A worker stops, and tells the last that it has counted."""
    assert isinstance(environment.runner, WorkerRunner)
    environment.runner.stop()
    tally.facts[(TOLD,)] += 1
    environment.runner.send_message(TOLD, tally.plain())
    tally.clear()


@events.quitting.add_listener  # type: ignore[untyped-decorator]  # as above
def _conclude(environment: Environment, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        return  # the master has the sum of all workers
    chosen = environment.parsed_options
    assert chosen
    for crash in environment.runner.exceptions.values() if environment.runner else ():
        tally.wrong(f"crashed: {crash['msg']}", crash["traceback"], crash["count"])
    environment.process_exit_code = 0  # whether it is good is judged by whoever reads the record
    if chosen.record:
        processes = max(tally.facts[(TOLD,)], 1)
        load = {name: getattr(chosen, name) for name in ("rate", "seconds", "shape", "doors", "faults", "num_users")}
        record = {"load": {**load, "processes": processes}, "began": tally.began, "tally": tally.plain()}
        Path(chosen.record).write_text(json.dumps(record))
