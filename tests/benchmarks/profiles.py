"""What a server does with its time: samples of its Python stack, from py-spy."""

import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.turns import family
from tests.server import Server

PROGRAM = Path(sys.executable).with_name("py-spy")
RATE = 400
"""Samples per second. Each stops the server for a moment."""

Stacks = Counter[str]
"""How often it was seen where: the functions from the outermost to the innermost, with `;` between."""


class NotProfiled(Exception):
    """py-spy could not look."""


@contextmanager
def profile(server: Server, seconds: int) -> Iterator[Stacks]:
    """Look at the process that serves for so long, not longer than the context lasts; then it is filled in.

    Raises:
        NotProfiled: py-spy may not look at another process, for one.
    """
    stacks: Stacks = Counter()
    serving = family(server)[-1].pid
    with TemporaryDirectory() as folder:
        output = Path(folder, "stacks")
        options = ["--rate", str(RATE), "--duration", str(seconds), "--format", "raw", "--output", str(output)]
        command = [str(PROGRAM), "record", "--pid", str(serving), *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as looking:
            yield stacks
            said, _ = looking.communicate()
        if looking.returncode:
            raise NotProfiled(f"py-spy, which needs root or ptrace: {said}")
        stacks.update(read(output.read_text()))


def read(text: str) -> Stacks:
    """A stack and a number in every line."""
    lines = (line.rpartition(" ") for line in text.splitlines())
    return Counter({stack: int(number) for stack, _, number in lines})


def share(stacks: Stacks, marks: Collection[str]) -> float:
    """The part of the samples that have one of the marks in their stack."""
    marked = sum(number for stack, number in stacks.items() if any(mark in stack for mark in marks))
    return marked / stacks.total()
