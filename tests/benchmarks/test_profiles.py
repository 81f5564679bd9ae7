"""Samples are read and counted; a process that is not there is not profiled."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.benchmarks.profiles import NotProfiled, profile, read, share
from tests.benchmarks.watching import TELLING
from tests.server import Server

TEXT = """run (runners.py:1);serve (service/lane.py:2) 6
run (runners.py:1);_send_all (service/door.py:7);__aiter__ (service/watching.py:4) 3
run (runners.py:1);observed (service/watching.py:9) 1
"""


def test_a_share_is_of_all_samples_and_counts_each_once() -> None:
    stacks = read(TEXT)
    assert share(stacks, TELLING) == pytest.approx(0.4)
    assert share(stacks, ("runners.py",)) == 1


def test_a_process_is_seen_where_it_is() -> None:
    program = "def turn():\n    while True: pass\nturn()"
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        try:
            with profile(Server("", 0, process, Path()), seconds=1) as stacks:
                pass
        except NotProfiled as error:
            pytest.skip(str(error))
        finally:
            process.kill()
    assert stacks.total() > 20
    assert share(stacks, ("turn (",)) > 0.9


def test_a_process_that_has_ended_cannot_be_looked_at() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        while psutil.Process(ended.pid).status() != psutil.STATUS_ZOMBIE:  # nobody has asked yet how it ended
            time.sleep(0.01)
        with pytest.raises(NotProfiled, match="needs root or ptrace"), profile(Server("", 0, ended, Path()), seconds=5):
            pass
