"""Only one server at a time is awake: an idle Ray Serve alone takes a tenth of a core from whoever is measured."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from tests.server import Server


def family(server: Server) -> list[psutil.Process]:
    """Its processes."""
    process = psutil.Process(server.process.pid)
    return [process, *process.children(recursive=True)]


def sleep(server: Server) -> None:
    """Stop it where it is, connections and sessions kept."""
    for process in family(server):
        with suppress(psutil.NoSuchProcess):
            process.suspend()


def wake(server: Server) -> None:
    """Let it go on."""
    for process in family(server):
        with suppress(psutil.NoSuchProcess):
            process.resume()


@contextmanager
def awake(server: Server) -> Iterator[Server]:
    """It is awake within the context, and sleeps after it."""
    wake(server)
    try:
        yield server
    finally:
        sleep(server)
