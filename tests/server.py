"""A real server in a process of its own: for the tests end to end, the load test and the benchmarks."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import httpx2

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"
READY_SECONDS = 60
STOP_SECONDS = 15
POLL_SECONDS = 0.02  # short: the benchmarks measure how long a start takes
NOT_INHERITED = ("ELMAN_", "BENTOML_", "PROMETHEUS_")
TAIL_CHARACTERS = 4000


class NotReady(Exception):
    """The server exited, or did not answer in time; the message ends with its log."""


@dataclass(frozen=True)
class Server:
    """A server that answers at `url`. Its log can be read until the context ends, also when it has stopped by then."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    log_file: Path

    def log(self) -> str:
        """Everything it has printed so far, stdout and stderr together."""
        return self.log_file.read_text(errors="replace")

    def workers(self) -> list[int]:
        """The processes that answer; BentoML's supervisor, which is `process`, starts another if one dies."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kill(self) -> None:
        """End it as a power cut does: by SIGKILL, for its workers too, which are in groups of their own."""
        for pid in (self.process.pid, *self.workers()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def serving(
    checkpoint: Path | str | None,
    *,
    host: str | None = HOST,
    port: int | None = None,
    target: str = "service.api:service",
    working_directory: Path = ROOT,
    **environment: str,
) -> Iterator[Server]:
    """Serve a checkpoint (a file, or a tag in the model store; None: what the service chooses by itself).

    Keywords become environment variables: `elman_max_sessions="3"` is ELMAN_MAX_SESSIONS=3. To serve a built Bento,
    give its folder as `target`.

    Raises:
        NotReady: it does not start.
    """
    variables = {name.upper(): value for name, value in environment.items()}
    if checkpoint is not None:
        variables["ELMAN_CHECKPOINT"] = str(checkpoint.absolute() if isinstance(checkpoint, Path) else checkpoint)
    command = ("bentoml", "serve", target, "--timeout-graceful-shutdown", "10", "--timeout-keep-alive", "75")
    with running(command, variables, host=host, port=port, working_directory=working_directory) as server:
        yield server


@contextmanager
def running(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    host: str | None = HOST,
    port: int | None = None,
    working_directory: Path = ROOT,
    python: Path | str = sys.executable,
    ready: str = "/readyz",
) -> Iterator[Server]:
    """Run `python -m COMMAND --host HOST --port PORT` until the context ends, from when GET `ready` is answered.

    Without a host, it listens where it does by itself.

    It starts from the caller's environment without any setting of ours or of BentoML's, and with a fresh BENTOML_HOME,
    because a start wipes the metrics in it. It ends by SIGTERM.

    Raises:
        NotReady: it exits, or does not answer within READY_SECONDS.
    """
    port = port or free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    with tempfile.TemporaryDirectory(prefix="elman-") as home:
        log_file = Path(home, "server.log")
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [python, "-m", *command, *(("--host", host) if host else ()), "--port", str(port)],
                cwd=working_directory,
                env={**inherited, "BENTOML_HOME": home, "BENTOML_DO_NOT_TRACK": "True", **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us, and its workers are a group of their own
            )
        server = Server(f"http://{HOST}:{port}", port, process, log_file)
        try:
            _wait_until_ready(server, ready)
            yield server
        finally:
            _stop(server)


def wait_until(done: Callable[[], bool], *, seconds: float = 20) -> None:
    """Returns when it is so; while nobody answers, it is not.

    Raises:
        AssertionError: it is not so in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError, httpx2.TransportError):
            if done():
                return
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(server: Server, ready: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    with httpx.Client(timeout=2, trust_env=False) as client:
        while server.process.poll() is None and time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if client.get(f"{server.url}{ready}").is_success:
                    return
            time.sleep(POLL_SECONDS)
    code = server.process.poll()
    what = f"was not ready after {READY_SECONDS} s" if code is None else f"exited with {code}"
    raise NotReady(f"the server {what}; its log:\n{server.log()[-TAIL_CHARACTERS:]}")


def _stop(server: Server) -> None:
    server.process.terminate()
    try:
        server.process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
