"""Values that somebody else sends, beside the page."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import pi, sin
from typing import Any

import httpx2


def predict(client: httpx2.Client, session_id: str, values: Sequence[float | None]) -> dict[str, Any]:
    """What the service answers to these values."""
    response = client.post("/predict", json={"session_id": session_id, "values": list(values)})
    answer: dict[str, Any] = response.raise_for_status().json()
    return answer


def cycle(step: int, phase: float = 0.0) -> float:
    """A series about like the yearly sunspot numbers: one cycle is eleven values."""
    return round(70 + 50 * sin(2 * pi * (step / 11 + phase)), 1)


@contextmanager
def fed(url: str, sessions: Sequence[str], rate: float) -> Iterator[None]:
    """Until the context ends every session gets `rate` values a second, one request each, in turns."""
    stop = threading.Event()

    def feed() -> None:
        with httpx2.Client(base_url=url, trust_env=False) as client:
            began, turn = time.monotonic(), 0
            while not stop.is_set():
                round_, number = divmod(turn, len(sessions))
                predict(client, sessions[number], [cycle(round_, number / len(sessions))])
                turn += 1
                stop.wait(max(0.0, began + turn / (rate * len(sessions)) - time.monotonic()))

    with ThreadPoolExecutor(1) as pool:
        feeder = pool.submit(feed)
        try:
            yield
        finally:
            stop.set()
        feeder.result()
