"""Work of several kinds as one list, for processes side by side: these import modules, but not a `__main__.py`."""

from collections.abc import Callable
from typing import Any

Task = tuple[Callable[[Any], Any], Any]
"""What to do, and with what."""


def done(task: Task) -> Any:
    """What comes of it."""
    work, argument = task
    return work(argument)
