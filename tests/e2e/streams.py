"""Clients that never give up: each observation is sent, and sent again, until it is answered."""

import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2
import numpy as np

from models import Checkpoint

PATIENCE_SECONDS = 60
PAUSE_SECONDS = 0.05
TOLERANCE = 1e-6  # scaled units
CHUNKS = (1, 1, 1, 2, 5, 20)
UNAVAILABLE = (502, 503, 504)  # of the service or of what is in front of it
MISSING = 0.1  # share of the observations


@dataclass
class Stream:
    """A random series in a session of its own, with what has been acknowledged of it so far, in raw units."""

    session_id: str
    values: list[float | None] = field(default_factory=list)
    predictions: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    requests: int = 0
    retries: int = 0
    replays: int = 0

    @property
    def step(self) -> int:
        """Where its session must be."""
        return len(self.values)

    def draw(self) -> list[float | None]:
        """The next observations: one, or some at once."""
        count = random.choice(CHUNKS)
        return [None if random.random() < MISSING else random.gauss(10, 4) for _ in range(count)]

    def request(self, values: list[float | None]) -> dict[str, Any]:
        """What is sent for them, however often."""
        return {"session_id": self.session_id, "values": values, "step": self.step}

    def feed(self, client: httpx2.Client) -> None:
        """Send the next observations until they are answered; no matter what is lost on the way, they count once."""
        values = self.draw()
        answer = self._insist(client, self.request(values))
        self.accept(values, answer)

    def accept(self, values: list[float | None], answer: Mapping[str, Any]) -> None:
        """Note what has been answered."""
        assert answer["step"] == self.step + len(values)
        self.values += values
        self.predictions += answer["predictions"]
        self.upper += answer.get("upper", [])

    def check(self, checkpoint: Checkpoint) -> None:
        """Every prediction and its bound were those for the whole series, fed offline in one piece."""
        predictor = checkpoint.predictor("cpu")
        series = np.array(self.values, dtype=float)[None, :, None]  # None becomes NaN
        expected = predictor.observe(series, predictor.zero_context())
        tolerance = TOLERANCE * checkpoint.scaler.scale[0]
        np.testing.assert_allclose(self.predictions, expected.predictions[0, :, 0], rtol=0, atol=tolerance)
        if expected.watch is not None:
            np.testing.assert_allclose(self.upper, expected.watch.upper[0, :, 0], rtol=0, atol=2 * tolerance)

    def _insist(self, client: httpx2.Client, request: Mapping[str, Any]) -> dict[str, Any]:
        self.requests += 1
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                response = client.post("/predict", json=request)
            except httpx2.TransportError:
                pass
            else:
                if response.status_code == 200:
                    self.replays += "x-replayed" in response.headers
                    answer: dict[str, Any] = response.json()
                    return answer
                assert response.status_code in UNAVAILABLE, response.text
            self.retries += 1
            time.sleep(PAUSE_SECONDS)
        raise TimeoutError(f"{self.session_id}: no answer within {PATIENCE_SECONDS} s")


class Crowd:
    """Streams that are fed all at once, each by a thread of its own, until `finish` or the end of the context."""

    def __init__(self, url: str, size: int = 8) -> None:
        self.streams = [Stream(f"stream-{number}") for number in range(size)]
        self._url = url
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(size)
        self._feeders: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._feeders = [self._pool.submit(self._feed, stream) for stream in self.streams]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()

    def go_on(self, requests: int) -> None:
        """Return when so many more were sent, and some of them answered."""
        before = self.figures()
        while True:
            now = self.figures()
            if now["requests"] >= before["requests"] + requests and now["step"] > before["step"]:
                return
            assert not any(feeder.done() for feeder in self._feeders), "one of them gave up"
            time.sleep(0.1)

    def finish(self) -> None:
        """Let every stream get its last answer; raise what went wrong in any of them."""
        self._stop.set()
        for feeder in self._feeders:
            feeder.result()

    def check(self, checkpoint: Checkpoint) -> None:
        """Nothing was lost and nothing applied twice: every stream got the predictions of its whole series."""
        with httpx2.Client(base_url=self._url) as client:
            for stream in self.streams:
                assert client.get(f"/sessions/{stream.session_id}").json()["step"] == stream.step
                stream.check(checkpoint)

    def figures(self) -> dict[str, int]:
        """How much was sent, how often again, and how often that had been applied already."""
        names = ("step", "requests", "retries", "replays")
        return {name: sum(getattr(stream, name) for stream in self.streams) for name in names}

    def _feed(self, stream: Stream) -> None:
        with httpx2.Client(base_url=self._url, timeout=10, trust_env=False) as client:
            while not self._stop.is_set():
                stream.feed(client)
