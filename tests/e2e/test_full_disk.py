"""A full disk: nothing is half applied, and when there is space again everything goes on."""

import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from models import load
from tests.conftest import MakeCheckpoint
from tests.e2e.streams import Crowd
from tests.server import HOST, Server, free_port, serving

PAGE = 4096
FIRST, SECOND = {"session_id": "s", "values": [9]}, {"session_id": "s", "values": [10, None], "step": 1}

Full = Callable[[Server], AbstractContextManager[None]]


@contextmanager
def no_file_may_grow(server: Server) -> Iterator[None]:
    """Writing beyond the first page of any file fails (EFBIG)."""
    (worker,) = server.workers()
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (PAGE, resource.RLIM_INFINITY))
    yield
    with suppress(ProcessLookupError):  # it has been killed
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.call(["mount", "-t", "tmpfs", "-o", "size=16m", "none", disk], stderr=subprocess.DEVNULL):
        pytest.skip("needs the right to mount")
    yield disk
    subprocess.check_call(["umount", disk])


def look(client: httpx2.Client) -> tuple[int, list[float]]:
    """Where the session is: its step, and what its context predicts."""
    forecast = client.post("/forecast", json={"session_id": "s", "horizon": 3}).json()["forecast"]
    return client.get("/sessions/s").json()["step"], forecast


def wait_until_full(client: httpx2.Client) -> None:
    """What is free inside the files is used up first."""
    deadline = time.monotonic() + 10
    while client.post("/sessions").status_code != 503:
        assert time.monotonic() < deadline


def check_refused(client: httpx2.Client, method: str, path: str, body: Any = None) -> None:
    answer = client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["error"]) == (503, "store_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


def check_nothing_half_applied(server: Server, full: Full) -> None:
    """Whatever would change a session is refused and changes nothing; the same request is applied when it can be."""
    with httpx2.Client(base_url=server.url) as client:
        client.post("/predict", json=FIRST).raise_for_status()
        before, token = look(client), client.get("/sessions/s").json()["context"]
        with full(server):
            wait_until_full(client)
            check_refused(client, "POST", "/predict", SECOND)
            check_refused(client, "POST", "/predict", {**FIRST, "session_id": "new"})
            check_refused(client, "PUT", "/sessions/new", {"context": token})
            check_refused(client, "DELETE", "/sessions/s")
            assert client.get("/sessions/new").json()["error"] == "session_unknown"
            assert look(client) == before
        answer = client.post("/predict", json=SECOND)
        assert (answer.status_code, answer.json()["step"]) == (200, 3)
        assert "x-replayed" not in answer.headers


def check_survived(checkpoint: Path, disk: Path, full: Full) -> None:
    """Under load, the disk is full, has space, is full again when the server is killed, and has space again."""
    port, store = free_port(), f"sqlite:///{disk}/sessions.db"
    with Crowd(f"http://{HOST}:{port}") as crowd:
        with serving(checkpoint, port=port, elman_session_store=store) as server:
            check_nothing_half_applied(server, full)
            time.sleep(0.5)
            with full(server):
                time.sleep(0.5)
                server.kill()
        with serving(checkpoint, port=port, elman_session_store=store):
            time.sleep(0.5)
            crowd.finish()
            crowd.check(load(checkpoint))


def test_no_file_may_grow(tmp_path: Path, make_checkpoint: MakeCheckpoint) -> None:
    check_survived(make_checkpoint(), tmp_path, no_file_may_grow)


def test_the_disk_is_full(small_disk: Path, make_checkpoint: MakeCheckpoint) -> None:
    @contextmanager
    def ballast(_: Server) -> Iterator[None]:
        with (small_disk / "ballast").open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(PAGE)):
                pass
        yield
        (small_disk / "ballast").unlink()

    check_survived(make_checkpoint(), small_disk, ballast)
