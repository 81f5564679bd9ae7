"""The service beside a stock BentoML service and a bare ASGI function: same checkpoint, same client, in turns.

The checkpoint has one feature; the peers know no more.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np

from models import load
from tests.benchmarks.client import SERIES, Load, measure
from tests.server import HOST, Server, running

CONNECTIONS = 16
ROUNDS = 3
SECONDS = 2.0  # of each contestant in each round
WARM_UP_SECONDS = 1.0
TOLERANCE = 1e-5  # scaled units


@dataclass(frozen=True)
class Contestant:
    """`python -m COMMAND` serves POST /predict with values and a session_id.

    store: where our own keeps its sessions; counted: whether requests say their step.
    """

    name: str
    command: str
    store: str = "memory://"
    counted: bool = False


OURS, FILE = "bentoml serve service.api:service", "sqlite:///{folder}/sessions.sqlite"
STOCK = Contestant("stock BentoML", "bentoml serve tests.benchmarks.stock:Stock")
CONTESTANTS = (
    Contestant("this service, memory", OURS),
    Contestant("this service, memory, step", OURS, counted=True),
    Contestant("this service, sqlite", OURS, FILE),
    Contestant("this service, sqlite, step", OURS, FILE, counted=True),
    STOCK,
    Contestant("bare uvicorn", "uvicorn tests.benchmarks.bare:app --lifespan off --no-access-log"),
)
HEADER = f"{f'HTTP, {CONNECTIONS} connections':28} {'requests/s':>12} {'p50 ms':>12} {'p99 ms':>14} {'stock = 1':>14}"


def rows(checkpoint: Path) -> Iterator[str]:
    """A line per contestant. All servers run from start to end, and take turns, so that a slow moment hits them all."""
    with ExitStack() as stack:
        servers = {}
        for contestant in CONTESTANTS:
            folder = stack.enter_context(TemporaryDirectory())
            store = contestant.store.format(folder=folder)
            environment = {"ELMAN_CHECKPOINT": str(checkpoint), "ELMAN_SESSION_STORE": store}
            servers[contestant] = stack.enter_context(running(contestant.command.split(), environment))
        for contestant, server in servers.items():
            _check(contestant, server, checkpoint)
            measure(HOST, server.port, CONNECTIONS, WARM_UP_SECONDS)
        loads = dict.fromkeys(CONTESTANTS, Load())
        for _ in range(ROUNDS):
            for contestant, server in servers.items():
                loads[contestant] += measure(HOST, server.port, CONNECTIONS, SECONDS, counted=contestant.counted)
    yield from _table(loads)


def _check(contestant: Contestant, server: Server, checkpoint: Path) -> None:
    """Two requests of a session are answered as the offline runtime answers them in one go."""
    predictor = load(checkpoint).predictor("cpu")
    expected = predictor.observe(np.array(SERIES)[None, :, None], predictor.zero_context()).predictions
    answers: list[float] = []
    for values in (SERIES[:3], SERIES[3:]):
        response = httpx.post(f"{server.url}/predict", json={"values": values, "session_id": "check"}, trust_env=False)
        answers += response.raise_for_status().json()["predictions"]
    deviation = np.abs(np.array(answers) - expected[0, :, 0]) / predictor.scaler.scale
    assert (deviation <= TOLERANCE).all(), f"{contestant.name} predicts wrongly"


def _table(loads: Mapping[Contestant, Load]) -> Iterator[str]:
    for contestant, result in loads.items():
        assert not result.errors, f"{contestant.name}: {result.errors} errors"
        p50, p99 = np.percentile(result.latencies, (50, 99)) * 1000
        ratio = result.rate / loads[STOCK].rate
        yield f"{contestant.name:28} {result.rate:12,.0f} {p50:12.2f} {p99:14.2f} {ratio:14.2f}"
