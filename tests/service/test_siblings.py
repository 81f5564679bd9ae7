import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from service import siblings
from service.siblings import DIRECTORY, Siblings, make_directory

WORKER = """
import asyncio, sys
from pathlib import Path
from service.siblings import Siblings

async def serve(index, workers, directory, counted):
    worker = Siblings(int(index), int(workers), Path(directory))
    worker.tell(lambda: {"counted": int(counted)})
    await worker.start()
    print("there", flush=True)
    await asyncio.Event().wait()

asyncio.run(serve(*sys.argv[1:]))
"""


@contextmanager
def worker(index: int, workers: int, directory: Path, counted: int) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own, which is killed at the end."""
    arguments = map(str, (index, workers, directory, counted))
    with subprocess.Popen([sys.executable, "-c", WORKER, *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        yield process
        process.kill()


@asynccontextmanager
async def started(index: int, workers: int, directory: Path, counted: int) -> AsyncIterator[Siblings]:
    """A worker in this process."""
    here = Siblings(index, workers, directory)
    here.tell(lambda: {"counted": counted})
    await here.start()
    yield here
    here.close()
    await asyncio.sleep(0.01)


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    def run(tmp_path: Path) -> None:
        asyncio.run(test(tmp_path))

    return run


async def counted(by: Siblings) -> list[int]:
    return [numbers["counted"] for numbers in await by.numbers()]


@in_a_loop
async def test_each_knows_what_all_have_counted(directory: Path) -> None:
    async with started(1, 3, directory, 1) as one, started(2, 3, directory, 10) as two, started(3, 3, directory, 100):
        assert await counted(one) == [1, 10, 100]
        assert await counted(two) == [10, 1, 100]
        assert await one.missing() == []


@in_a_loop
async def test_the_dead_are_missing_and_their_numbers_are_not(directory: Path) -> None:
    """Also those of several that were started one after another in the same place."""
    async with started(1, 2, directory, 1) as here:
        for total, number in ((11, 10), (111, 100)):
            with worker(2, 2, directory, number) as other:
                assert await here.missing() == []
                assert sum(await counted(here)) == total
                other.kill()
                other.wait()
                assert await here.missing() == [2]
                assert sum(await counted(here)) == total


@in_a_loop
async def test_one_that_hangs_is_missing(directory: Path) -> None:
    async with started(1, 2, directory, 1) as here:
        with worker(2, 2, directory, 10) as other:
            assert await counted(here) == [1, 10]
            other.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            assert await here.missing() == [2]
            assert time.monotonic() - began < 10 * siblings.ANSWER_SECONDS
            assert await counted(here) == [1, 10]
            other.send_signal(signal.SIGCONT)
            assert await here.missing() == []


@in_a_loop
async def test_one_that_starts_is_missing_until_it_answers(directory: Path) -> None:
    async with started(1, 2, directory, 1) as here:
        assert await here.missing() == [2]
        other = Siblings(2, 2, directory)
        assert await here.missing() == [2]
        await other.start()
        assert await here.missing() == []
        other.close()


@in_a_loop
async def test_a_directory_that_cannot_be_written_costs_nobody_an_answer(directory: Path) -> None:
    async with started(1, 2, directory, 1) as one, started(2, 2, directory, 10):
        (directory / f"1-{os.getpid()}.new").mkdir()
        (directory / f"2-{os.getpid()}.new").mkdir()
        assert await counted(one) == [1, 10]


@in_a_loop
async def test_who_is_alone_asks_nobody(directory: Path) -> None:
    async with started(1, 1, directory / "nowhere", 7) as alone:
        assert await counted(alone) == [7]
        assert await alone.missing() == []


def ended(directory: Path, watch: Callable[[Siblings], Coroutine[Any, Any, None]]) -> bool:
    """Whether a worker ends itself while this happens."""
    told: list[bool] = []

    async def serve() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.append, True)
        async with started(1, 2, directory, 1) as here:
            await watch(here)

    asyncio.run(serve())
    return told == [True]


@pytest.fixture
def contained(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, and impatient."""
    monkeypatch.setattr(siblings, "running_inside_container", lambda: True)
    monkeypatch.setattr(siblings, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(siblings, "ANSWER_SECONDS", 0.2)


def test_in_a_container_the_last_one_ends_itself(tmp_path: Path, contained: None) -> None:
    async def alone(_: Siblings) -> None:
        await asyncio.sleep(1)

    async def left_alone(here: Siblings) -> None:
        other = Siblings(2, 2, tmp_path)
        await other.start()
        await asyncio.sleep(1)
        assert await here.missing() == []
        other.close()
        await asyncio.sleep(1)

    assert ended(tmp_path, alone)
    assert ended(tmp_path, left_alone)


def test_in_a_container_nobody_ends_because_another_is_slow(tmp_path: Path, contained: None) -> None:
    async def beside(_: Siblings) -> None:
        other = Siblings(2, 2, tmp_path)  # can be connected to, and does not answer
        await asyncio.sleep(1.5)
        other.close()

    assert not ended(tmp_path, beside)


def test_elsewhere_the_supervisor_starts_the_dead_again_and_nobody_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def alone(_: Siblings) -> None:
        await asyncio.sleep(1)

    monkeypatch.setattr(siblings, "PATIENCE_SECONDS", 0.3)
    assert not ended(tmp_path, alone)


def test_only_this_user_may_enter_the_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY, "another")  # and is put back at the end
    make_directory()
    assert Path(os.environ[DIRECTORY]).stat().st_mode & 0o777 == 0o700


def test_a_directory_whose_path_is_too_long_for_sockets_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = tmp_path / ("d" * 100)
    far.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(far))
    with pytest.raises(SystemExit, match=r"^elman: TMPDIR=.* too long"):
        make_directory()
