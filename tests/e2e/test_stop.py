"""A graceful stop: what is in flight is answered, and the process ends with 0."""

import json
import signal
import socket
import threading
import time
from collections import Counter

import httpx2

from tests.conftest import MakeCheckpoint
from tests.server import Server, serving

BODY = json.dumps({"values": [1.0] * 900}).encode()


def finish_late(server: Server, outcome: list[bytes]) -> None:
    """A request whose body is only half sent when the stop begins."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = ("POST /predict HTTP/1.1", "host: x", "content-type: application/json", f"content-length: {len(BODY)}")
        connection.sendall("\r\n".join((*head, "", "")).encode() + BODY[:100])
        time.sleep(1.5)
        connection.sendall(BODY[100:])
        connection.settimeout(10)
        while data := connection.recv(65536):
            outcome.append(data)


def stream(server: Server, stop: threading.Event, outcomes: Counter[str]) -> None:
    """One client in a loop, until its connection is closed or refused between two requests."""
    with httpx2.Client(base_url=server.url, timeout=10) as client:
        while not stop.is_set():
            try:
                response = client.post(
                    "/predict", json={"values": [1.0], "session_id": threading.current_thread().name}
                )
            except (httpx2.ConnectError, httpx2.RemoteProtocolError, httpx2.ConnectTimeout, httpx2.ReadError):
                outcomes["closed"] += 1
                return
            outcomes[str(response.status_code)] += 1


def test_sigterm_under_load_answers_what_is_in_flight_and_exits_0(make_checkpoint: MakeCheckpoint) -> None:
    outcomes: Counter[str] = Counter()
    late: list[bytes] = []
    stop = threading.Event()
    with serving(make_checkpoint()) as server:
        clients = [threading.Thread(target=stream, args=(server, stop, outcomes), name=f"c{i}") for i in range(8)]
        clients.append(threading.Thread(target=finish_late, args=(server, late)))
        for client in clients:
            client.start()
        time.sleep(0.7)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0
        stop.set()
        for client in clients:
            client.join(15)
    assert outcomes["200"] > 20
    assert outcomes.keys() <= {"200", "closed"}
    assert b"".join(late).startswith(b"HTTP/1.1 200"), "the request in flight was cut off"
