"""Who takes part: a server each, that holds sessions and takes the same step with the same checkpoint."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from tests.benchmarks.doors import PREDICT, Door
from tests.server import Server, running

BENTOML = "bentoml serve {} --timeout-graceful-shutdown 5"
UVICORN = "uvicorn {} --loop uvloop --http httptools --no-access-log"


@dataclass(frozen=True)
class Contestant:
    """`python -m COMMAND` serves a step behind a door. GET `ready` says when.

    environment: `{folder}` in it is an empty folder of its own.
    """

    name: str
    command: str
    door: Door = PREDICT
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)
    ready: str = "/readyz"
    python: Path = Path(sys.executable)

    @contextmanager
    def serving(self, checkpoint: Path) -> Iterator[Server]:
        """Run it until the context ends."""
        with TemporaryDirectory(prefix="bench-") as folder:
            environment = {name: value.format(folder=folder) for name, value in self.environment.items()}
            environment["ELMAN_CHECKPOINT"] = str(checkpoint.absolute())
            command = self.command.split()
            with running(command, environment, python=self.python, ready=self.ready) as server:
                try:
                    yield server
                finally:
                    family = psutil.Process(server.process.pid).children(recursive=True)
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()  # LitServe's workers outlive it


OURS = Contestant("this service", BENTOML.format("service.api:service"))
OURS_ON_DISK = Contestant(
    "this service, sqlite", OURS.command, environment={"ELMAN_SESSION_STORE": "sqlite:///{folder}/sessions.sqlite"}
)
STOCK = Contestant("stock BentoML", BENTOML.format("tests.benchmarks.stock:Stock"))
FASTAPI = Contestant("FastAPI on uvicorn", UVICORN.format("tests.benchmarks.fastapi_service:app"))
BARE = Contestant("bare function on uvicorn", UVICORN.format("tests.benchmarks.bare:app --lifespan off"))
