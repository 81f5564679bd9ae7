"""To know that the process is asked to stop, before the server waits for its connections to end."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def on_leaving(call: Callable[[], None]) -> None:
    """Have something called in this event loop when the process is asked to stop; the server's own handler follows."""
    if threading.current_thread() is not threading.main_thread():
        return  # no signal arrives here
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        before = signal.getsignal(number)
        if not callable(before):
            continue

        def handle(
            number: int, frame: FrameType | None, then: Callable[[int, FrameType | None], object] = before
        ) -> None:
            loop.call_soon_threadsafe(call)
            then(number, frame)

        signal.signal(number, handle)
