"""What the processes that serve use while they are under load: asked once a second, from outside."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Self

import httpx
import psutil

MEGABYTE = 1e6
METRICS = re.compile(r"^elman_sessions_(active|created_total|expired_total|deleted_total) ([\d.e+]+)$", re.MULTILINE)
NAMES = {"active": "sessions", "created_total": "created", "expired_total": "expired", "deleted_total": "deleted"}


class Watch:
    """Samples of a process and all below it, if it is on this machine, and of `/metrics`.

    The first is taken at once, the last when the context has ended.
    """

    def __init__(self, url: str, pid: int | None = None, period: float = 1.0) -> None:
        self.samples: list[dict[str, float]] = []
        self._url, self._period = url, period
        self._root = psutil.Process(pid) if pid else None
        self._processes: dict[int, psutil.Process] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        began = time.monotonic()
        ended = False
        with httpx.Client(trust_env=False, timeout=5) as client:
            while not ended:  # once more behind the end
                ended = self._end.wait(self._period if self.samples else 0)
                if ended:
                    time.sleep(self._period)  # connections are being closed
                sample = {"second": time.monotonic() - began} | dict(self._usage()) | dict(self._sessions(client))
                self.samples.append(sample)

    def _usage(self) -> Iterator[tuple[str, float]]:
        """memory: MB resident; cpu: cores; descriptors, threads."""
        if self._root is None:
            return
        family: list[psutil.Process] = []
        with suppress(psutil.Error):
            family = [self._root, *self._root.children(recursive=True)]
        known = {process.pid: self._processes.get(process.pid, process) for process in family}
        self._processes = known  # the same objects: their processor time counts from the last look
        sums = {"memory": 0.0, "cpu": 0.0, "descriptors": 0.0, "threads": 0.0}
        for process in known.values():
            with suppress(psutil.Error), process.oneshot():
                sums["memory"] += process.memory_info().rss / MEGABYTE
                sums["cpu"] += process.cpu_percent() / 100
                sums["descriptors"] += process.num_fds()
                sums["threads"] += process.num_threads()
        yield from sums.items()

    def _sessions(self, client: httpx.Client) -> Iterator[tuple[str, float]]:
        """Live, and made, expired and deleted so far, as the service counts them."""
        with suppress(httpx.HTTPError):
            for name, value in METRICS.findall(client.get(f"{self._url}/metrics").text):
                yield NAMES[name], float(value)
