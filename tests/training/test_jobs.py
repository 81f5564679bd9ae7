import os
import time

import pytest

from training.jobs import side_by_side


def work(task: float) -> tuple[float, int]:
    """Sleeps for so long."""
    if task < 0:
        raise ValueError("no such task")
    time.sleep(task)
    return task, os.getpid()


def test_with_one_job_all_is_done_here() -> None:
    assert list(side_by_side(work, [0.01, 0.0], 1)) == [(0.01, os.getpid()), (0.0, os.getpid())]
    assert list(side_by_side(work, [0.0], 4)) == [(0.0, os.getpid())]
    assert list(side_by_side(work, [], 4)) == []


def test_an_error_comes_through_in_this_process() -> None:
    with pytest.raises(ValueError, match="no such task"):
        list(side_by_side(work, [0.0, -1.0], 1))


def test_results_come_in_the_order_of_the_tasks_and_errors_come_through() -> None:
    results = side_by_side(work, [0.5, 0.0, 0.1, -1.0], 2)
    found = [next(results) for _ in range(3)]
    assert [task for task, _ in found] == [0.5, 0.0, 0.1]
    assert os.getpid() not in {process for _, process in found}
    with pytest.raises(ValueError, match="no such task"):
        next(results)
