"""The same work for many inputs, in several processes side by side."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

import torch

Task = TypeVar("Task")
Result = TypeVar("Result")


def side_by_side(work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    """Results in the order of the tasks, as they come; with one job, in this process."""
    if jobs == 1 or len(tasks) < 2:
        yield from map(work, tasks)
        return
    processes = ProcessPoolExecutor(min(jobs, len(tasks)), get_context("spawn"), torch.set_num_threads, (1,))
    with processes:
        yield from processes.map(work, tasks)
