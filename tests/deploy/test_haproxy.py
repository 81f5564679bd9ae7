"""docs/deploy/haproxy.cfg: HAProxy itself, in front of replicas that answer, die over a request, or are not ready."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.deploy.front import FILE, haproxy
from tests.deploy.programs import ask
from tests.server import HOST, free_port, wait_until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
NOT_READY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}"


class Replica(socketserver.ThreadingTCPServer):
    """It keeps the bodies that it was sent. One that is not `alive` ends the connection instead of answering."""

    daemon_threads = True

    def __init__(self, alive: bool = True, ready: bool = True) -> None:
        super().__init__((HOST, 0), Connection)
        self.alive = alive
        self.ready = ready
        self.bodies: list[bytes] = []


class Connection(socketserver.StreamRequestHandler):
    """Request after request."""

    server: Replica

    def handle(self) -> None:
        with suppress(ConnectionError):
            self._answer()

    def _answer(self) -> None:
        while line := self.rfile.readline():
            length = 0
            while (header := self.rfile.readline().lower()) not in (b"\r\n", b""):
                if header.startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            body = self.rfile.read(length)
            if b" /readyz " in line:
                self.wfile.write(OK if self.server.ready else NOT_READY)
            else:
                self.server.bodies.append(body)
                if not self.server.alive:
                    return
                self.wfile.write(OK)


@contextmanager
def serving(replica: Replica) -> Iterator[Replica]:
    with replica:
        thread = threading.Thread(target=replica.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield replica
        finally:
            replica.shutdown()
            thread.join()


Front = tuple[httpx2.Client, Replica, Replica]


@contextmanager
def front(folder: Path, *replicas: Replica) -> Iterator[httpx2.Client]:
    with ExitStack() as stack:
        ports = [stack.enter_context(serving(replica)).server_address[1] for replica in replicas]
        yield stack.enter_context(haproxy(folder, *ports))


@pytest.fixture
def alive_and_dying(tmp_path: Path) -> Iterator[Front]:
    alive, dying = Replica(), Replica(alive=False)
    with front(tmp_path, alive, dying) as client:
        yield client, alive, dying


def test_haproxy_reads_its_file() -> None:
    ask("haproxy", "-c", "-f", FILE)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/predict", {"session_id": "a", "values": [1], "step": 3}),
        ("POST", "/predict", {"step": 0, "session_id": "a", "values": [1]}),
        ("POST", "/forecast", {"session_id": "a", "horizon": 3}),
        ("GET", "/sessions/a", None),
        ("HEAD", "/", None),
    ],
)
def test_what_changes_nothing_twice_is_sent_to_another_replica(
    method: str, path: str, body: Any, alive_and_dying: Front
) -> None:
    """When the first one went away without an answer, whatever it had done by then."""
    client, alive, dying = alive_and_dying
    assert [client.request(method, path, json=body).status_code for _ in range(4)] == [200] * 4
    assert len(alive.bodies) == 4
    assert dying.bodies
    assert set(dying.bodies) == set(alive.bodies)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/predict", {"session_id": "a", "values": [1]}),
        ("POST", "/predict", {"session_id": "a", "values": [1], "step": None}),
        ("POST", "/predict", {"session_id": '"step": 3', "values": [1]}),
        ("POST", "/predict", {"session_id": "a", "values": [1], "inner": {"step": 3}}),
        ("POST", "/predict_batch", {"session_ids": ["a"], "values": [1]}),
        ("POST", "/v2/models/elman/infer", {"parameters": {"sequence_id": 3}}),
        ("POST", "/sessions", {}),
        ("PUT", "/sessions/a", {"context": "x", "step": 3}),
        ("DELETE", "/sessions/a", None),
    ],
)
def test_what_might_be_applied_twice_is_sent_once(method: str, path: str, body: Any, alive_and_dying: Front) -> None:
    client, alive, dying = alive_and_dying
    once = {"connection": "close"}  # a connection's later requests are not told 502: HAProxy closes it
    answers = [client.request(method, path, json=body, headers=once) for _ in range(4)]
    assert sorted(answer.status_code for answer in answers) == [200, 200, 502, 502]
    assert {answer.json()["error"] for answer in answers if answer.status_code == 502} == {"unavailable"}
    assert len(alive.bodies) == len(dying.bodies) == 2


def test_what_reached_no_replica_is_sent_to_another(tmp_path: Path) -> None:
    with serving(Replica()) as alive, haproxy(tmp_path, alive.server_address[1], free_port()) as client:
        answers = [client.post("/predict", json={"session_id": "a", "values": [1]}) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 6
        assert len(alive.bodies) == 6


def test_who_is_not_ready_gets_nothing(tmp_path: Path) -> None:
    well, unready = Replica(), Replica(ready=False)
    with front(tmp_path, well, unready) as client:

        def spared() -> bool:
            before = len(unready.bodies)
            assert [client.get("/model").status_code for _ in range(4)] == [200] * 4
            return len(unready.bodies) == before

        wait_until(spared)
        well.ready = False
        wait_until(lambda: client.get("/model").status_code == 503)
        answer = client.get("/model")
        assert answer.headers["content-type"] == "application/json"
        assert answer.json().keys() == {"error", "message"}
        well.ready = True
        wait_until(lambda: client.get("/model").status_code == 200)
