"""The workers of one supervisor: what all of them have counted, and whether all of them are there.

Each listens on a Unix socket in a directory that the supervisor makes before it starts them. The kernel refuses
connections to one that is dead; one that hangs does not answer. What a worker tells of its numbers it writes into a
file first: the numbers of the dead stay in the sums, which therefore never go down.
"""

import asyncio
import atexit
import logging
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import bentoml
import orjson
from bentoml.serving import running_inside_container

DIRECTORY = "_ELMAN_SIBLINGS"  # the variable by which the supervisor tells its workers where they meet
LONGEST_PATH = 90  # bytes; a socket's may have 103
ANSWER_SECONDS = 1.0
PATIENCE_SECONDS = 30.0
LOOKS = 6  # within the patience

ALIVE, NUMBERS = b"a", b"n"

Numbers = dict[str, Any]

logger = logging.getLogger("elman")


def make_directory() -> None:
    """Where the workers of this process, which is about to start them, will meet. Only this user may enter it.

    Raises:
        SystemExit: its path is too long for sockets.
    """
    directory = tempfile.mkdtemp(prefix="elman-workers-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    if len(os.fsencode(directory)) > LONGEST_PATH:
        raise SystemExit(f"elman: TMPDIR={tempfile.gettempdir()}: too long a path for the sockets of several workers")
    os.environ[DIRECTORY] = directory


class Siblings:
    """The others, and this one among them: it can be connected to at once, and answers from when it has started."""

    def __init__(self, index: int, workers: int, directory: Path) -> None:
        self.workers = workers
        self._others = [other for other in range(1, workers + 1) if other != index]
        self._directory = directory
        self._counted: Callable[[], Numbers] = dict
        self._file = directory / f"{index}-{os.getpid()}.json"
        self._listener: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._watch: asyncio.Task[None] | None = None
        if self._others:
            self._listener = socket.socket(socket.AF_UNIX)
            self._socket(index).unlink(missing_ok=True)  # of the one before, which has died
            self._listener.bind(str(self._socket(index)))
            self._listener.listen(128)

    @classmethod
    def of_this_process(cls, workers: int) -> "Siblings":
        """As the supervisor started it; what no supervisor started is alone."""
        index = bentoml.server_context.worker_index
        if index is None or workers == 1:
            return cls(1, 1, Path())
        return cls(index, workers, Path(os.environ[DIRECTORY]))

    def tell(self, counted: Callable[[], Numbers]) -> None:
        """What is asked for this worker's numbers, which only rise; as JSON has them."""
        self._counted = counted

    async def start(self) -> None:
        """Answer the others; and see whether they live, where nobody starts them again."""
        if self._listener is None:
            return
        self._server = await asyncio.start_unix_server(self._answer, sock=self._listener)
        if running_inside_container():  # BentoML leaves it to the container's keeper then, who sees the supervisor only
            self._watch = asyncio.create_task(self._watch_over())

    def close(self) -> None:
        """The others may go on alone."""
        if self._watch is not None:
            self._watch.cancel()
        if self._server is not None:
            self._server.close()
        elif self._listener is not None:
            self._listener.close()

    async def numbers(self) -> Sequence[Numbers]:
        """What each worker has counted, this one first; those included that died, or do not answer."""
        own = self._counted()
        if not self._others:
            return [own]
        self._write(own)
        answered = [answer for answer in (await self._ask_all(NUMBERS)).values() if isinstance(answer, dict)]
        told = {self._file.name, *(answer["file"] for answer in answered)}
        left = [orjson.loads(file.read_bytes()) for file in self._directory.glob("*.json") if file.name not in told]
        return [own, *answered, *left]

    async def missing(self) -> Sequence[int]:
        """Those that do not answer."""
        return [other for other, answer in (await self._ask_all(ALIVE)).items() if not isinstance(answer, dict)]

    def _socket(self, index: int) -> Path:
        return self._directory / f"{index}.sock"

    def _write(self, numbers: Numbers) -> bytes:
        """Into the file, completely or not at all. A full disk costs the numbers of who dies, and nothing else."""
        written = orjson.dumps({"file": self._file.name, **numbers})
        with suppress(OSError):
            temporary = self._file.with_suffix(".new")
            temporary.write_bytes(written)
            os.replace(temporary, self._file)
        return written

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(self._write(self._counted()) if await reader.read(1) == NUMBERS else b"{}")
        except ConnectionError:
            pass  # who asked has left
        finally:
            writer.close()

    async def _ask_all(self, what: bytes) -> Mapping[int, Numbers | BaseException]:
        answers = await asyncio.gather(*(self._ask(other, what) for other in self._others), return_exceptions=True)
        return dict(zip(self._others, answers, strict=True))

    async def _ask(self, other: int, what: bytes) -> Numbers:
        """What another worker answers.

        Raises:
            ConnectionError, FileNotFoundError: it is dead, or not there yet.
            TimeoutError: it is there, and does not answer.
        """
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(self._socket(other))
            try:
                writer.write(what)
                answer = await reader.read()
            finally:
                writer.close()
        try:
            numbers: Numbers = orjson.loads(answer)
        except orjson.JSONDecodeError:
            raise ConnectionResetError("it died while it answered") from None
        return numbers

    async def _watch_over(self) -> None:
        """If another is dead for so long, end this one too: when none is left, the supervisor exits with 1."""
        seen = dict.fromkeys(self._others, time.monotonic())
        while True:
            await asyncio.sleep(PATIENCE_SECONDS / LOOKS)
            answers, now = await self._ask_all(ALIVE), time.monotonic()
            for other, answer in answers.items():
                if not isinstance(answer, ConnectionError | FileNotFoundError):
                    seen[other] = now
            dead = [other for other, last in seen.items() if now - last >= PATIENCE_SECONDS]
            if dead:
                logger.error("worker %d of %d is dead, and so all end, to be started again", dead[0], self.workers)
                signal.raise_signal(signal.SIGTERM)  # what is in flight is answered
                return
