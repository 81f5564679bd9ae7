"""The short way answers what the long way answers. A real uvicorn on a real socket, in a thread."""

import asyncio
import gzip
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import pytest
import uvicorn

from service.api import create
from service.door import Door
from service.lane import Lane
from service.routes import Reply
from service.settings import Settings
from tests.conftest import MakeCheckpoint

KEY = "0123456789abcdef"
HEADERS = {"host": "here", "content-type": "application/json", "authorization": f"Bearer {KEY}"}


class Ways:
    """How many requests went which way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.long = self.short = 0
        monkeypatch.setattr(Lane, "_go_the_long_way", self._counting(Lane._go_the_long_way, "long"))
        monkeypatch.setattr(Lane, "_write", self._counting(Lane._write, "short"))

    def _counting(self, method: Callable[..., None], name: str) -> Callable[..., None]:
        def counted(*arguments: object) -> None:
            setattr(self, name, getattr(self, name) + 1)
            method(*arguments)

        return counted


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    return Ways(monkeypatch)


@pytest.fixture
def server(make_checkpoint: MakeCheckpoint, ways: Ways) -> Iterator[uvicorn.Server]:
    """A service with one key, and bodies of at most 1,024 bytes; a connection may be idle for a second."""
    settings = Settings(checkpoint=str(make_checkpoint()), device="cpu", api_keys=KEY, max_body_bytes=1024)
    app = create(settings).to_asgi(is_main=True)
    config = uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=5, timeout_keep_alive=1)
    serving = uvicorn.Server(config)
    thread = threading.Thread(target=serving.run)
    thread.start()
    while not serving.started:
        time.sleep(0.01)
    yield serving
    serving.should_exit = True
    thread.join()


@pytest.fixture
def connection(server: uvicorn.Server) -> Iterator[socket.socket]:
    with connected(server) as made:
        yield made


def connected(server: uvicorn.Server) -> socket.socket:
    made = socket.create_connection(server.servers[0].sockets[0].getsockname(), timeout=10)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def request(path: str, body: bytes, *, method: str = "POST", version: str = "1.1", **headers: str) -> bytes:
    chosen = {name.replace("_", "-"): text for name, text in headers.items()}
    named = HEADERS | {"content-length": str(len(body))} | chosen
    lines = [f"{method} {path} HTTP/{version}", *(f"{name}: {text}" for name, text in named.items() if text), "", ""]
    return "\r\n".join(lines).encode() + body


def predict(session_id: str, *values: float) -> bytes:
    return request("/predict", f'{{"values": {list(values)}, "session_id": "{session_id}"}}'.encode())


def answer(connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of the next one."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1)
    head = received
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    body = b""
    while length and len(body) < int(length[1]):
        body += connection.recv(int(length[1]) - len(body))
    return head, body


def told(connection: socket.socket) -> bytes:
    """The same but for what is never twice the same."""
    head, body = answer(connection)
    return re.sub(rb"(date: |dur=)[^\r,]*", rb"\1", head) + body


TENSOR = b'"name": "values", "datatype": "FP64", "shape": [1, 1]'
STATELESS = b'{"inputs": [{%b, "data": [9]}]}' % TENSOR
INFERENCE = b'{"parameters": {"sequence_id": "ID", "sequence_start": true}, "inputs": [{%b, "data": [9]}]}' % TENSOR
BINARY = (
    b'{"parameters": {"binary_data_output": true}, "inputs": [{%b, "parameters": {"binary_data_size": 8}}]}' % TENSOR
)

REQUESTS = {
    "a step": predict("ID", 9),
    "many steps": predict("ID", 9, 8, 7),
    "a batch": request("/predict_batch", b'{"session_ids": ["ID"], "values": [1.5]}'),
    "a forecast": request("/forecast", b'{"horizon": 3}'),
    "an inference": request("/v2/models/elman/infer", INFERENCE),
    "a compressed inference": request("/v2/models/elman/infer", gzip.compress(STATELESS), content_encoding="gzip"),
    "a binary inference": request(
        "/v2/models/elman/infer", BINARY + struct.pack("<d", 9), inference_header_content_length=str(len(BINARY))
    ),
    "no JSON": request("/predict", b"nonsense"),
    "nothing": request("/predict", b""),
    "a field that is none": request("/predict", b'{"value": [1]}'),
    "out of range": predict("ID", 1e300),
    "no such session": request("/predict", b'{"values": [1], "session_id": "ID", "step": 7}'),
    "no key": request("/predict", b'{"values": [1]}', authorization=""),
    "another key": request("/predict", b'{"values": [1]}', authorization="Bearer fedcba9876543210"),
    "another type": request("/predict", b"values=1", content_type="text/plain"),
    "too large": request("/predict", b" " * 1025),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_both_ways_answer_alike(connection: socket.socket, ways: Ways, name: str) -> None:
    asked = REQUESTS[name]
    connection.sendall(asked.replace(b"ID", b"s1"))
    short = told(connection)
    assert (ways.short, ways.long) == (1, 0)
    head, body = asked.replace(b"ID", b"s2").split(b"\r\n\r\n", 1)
    connection.sendall(head + b"\r\n\r\n" if body else head + b"\r\nx-more: ")
    time.sleep(0.05)
    connection.sendall(body or b"more\r\n\r\n")
    long = told(connection).replace(b"s2", b"s1")
    assert short == long
    assert (ways.short, ways.long) == ((1, 1) if body else (2, 0))  # without a body the headers are all there is


def test_a_request_may_be_cut_anywhere(connection: socket.socket) -> None:
    asked = predict("s", 9)
    for step, cut in enumerate(range(1, len(asked), 3), 1):
        connection.sendall(asked[:cut])
        time.sleep(0.003)
        connection.sendall(asked[cut:])
        head, body = answer(connection)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert f'"step":{step},'.encode() in body


def test_requests_that_come_together_are_answered_in_order(connection: socket.socket, ways: Ways) -> None:
    model = request("/model", b"", method="GET", content_length="")
    connection.sendall(predict("s", 9) + model + predict("s", 8, 7) + predict("s", 6) + model)
    steps = [re.search(rb'"step":(\d+)', answer(connection)[1]) for _ in range(5)]
    assert [step and int(step[1]) for step in steps] == [1, None, 3, 4, None]
    assert (ways.short, ways.long) == (1, 4)
    connection.sendall(predict("s", 5))
    assert b'"step":5' in answer(connection)[1]
    assert ways.short == 2


@pytest.mark.parametrize(
    ("asked", "ending"),
    [
        pytest.param({"version": "1.0"}, b"connection: close", id="HTTP 1.0"),
        pytest.param({"connection": "close"}, b"connection: close", id="the last one"),
        pytest.param({"expect": "100-continue"}, b"", id="asks first"),
    ],
)
def test_what_is_not_usual_goes_the_long_way(
    connection: socket.socket, ways: Ways, asked: dict[str, str], ending: bytes
) -> None:
    connection.sendall(request("/predict", b'{"values": [9], "session_id": "s"}', **asked))
    head, body = answer(connection)
    if b" 100 " in head:
        head, body = answer(connection)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert ending in head
    assert b'"step":1' in body
    assert (ways.short, ways.long) == (0, 1)


def test_a_body_in_chunks_is_a_body(connection: socket.socket, ways: Ways) -> None:
    body = b'{"values": [9], "session_id": "s"}'
    asked = request("/predict", b"", content_length="", transfer_encoding="chunked")
    connection.sendall(asked + b"a\r\n" + body[:10] + b"\r\n%x\r\n" % (len(body) - 10) + body[10:] + b"\r\n0\r\n\r\n")
    assert b'"step":1' in answer(connection)[1]
    assert (ways.short, ways.long) == (1, 0)


def test_what_is_no_http_is_refused_and_nothing_is_applied(connection: socket.socket, server: uvicorn.Server) -> None:
    connection.sendall(predict("s", 9)[:-1] + b"\x00GET nonsense\r\n\r\n")
    heads = b""
    while received := connection.recv(4096):
        heads += received
    assert b"400 Bad Request" in heads
    with connected(server) as another:
        another.sendall(predict("t", 9))
        assert b'"step":1' in answer(another)[1]


def test_who_leaves_early_has_still_been_heard(server: uvicorn.Server) -> None:
    with connected(server) as leaving:
        leaving.sendall(predict("s", 9))
    with connected(server) as coming:
        for step in (2, 3):
            coming.sendall(predict("s", 8))
            assert f'"step":{step},'.encode() in answer(coming)[1]


def test_an_answer_under_way_at_the_stop_is_given_and_ends_the_connection(
    connection: socket.socket, server: uvicorn.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, gate, answered = threading.Event(), threading.Event(), Door.answer

    async def slow(door: Door, url: bytes, headers: Mapping[bytes, bytes], body: bytes) -> Reply:
        begun.set()
        while not gate.is_set():
            await asyncio.sleep(0.01)
        return await answered(door, url, headers, body)

    monkeypatch.setattr(Door, "answer", slow)
    connection.sendall(predict("s", 9))
    assert begun.wait(5)
    server.should_exit = True
    time.sleep(0.3)
    gate.set()
    head, body = answer(connection)
    assert b"connection: close" in head
    assert b'"step":1' in body
    assert connection.recv(1) == b""


def test_an_idle_connection_is_closed_and_no_other(server: uvicorn.Server) -> None:
    """Idle is who has been answered and has sent nothing since; used again in time it stays."""
    with connected(server) as idle, connected(server) as used, connected(server) as slow:
        for each in (idle, used, slow):
            each.sendall(predict("s", 9))
            answer(each)
        slow.sendall(predict("s", 9)[:10])
        begun = time.monotonic()
        for _ in range(4):
            time.sleep(0.5)
            used.sendall(predict("s", 9))
            assert b"200 OK" in answer(used)[0]
        assert idle.recv(1) == b""
        slow.sendall(predict("s", 9)[10:])
        assert b"200 OK" in answer(slow)[0]
        assert used.recv(1) == slow.recv(1) == b""
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("access_log", [False, True])
def test_bentoml_serves_through_it_unless_it_writes_a_log(make_checkpoint: MakeCheckpoint, access_log: bool) -> None:
    app = create(Settings(checkpoint=str(make_checkpoint()), device="cpu", access_log=access_log)).to_asgi(is_main=True)
    config = uvicorn.Config(app, log_config=None)

    async def protocol() -> Lane:
        config.load()
        made = config.http_protocol_class(config, uvicorn.server.ServerState(), {})  # type: ignore[call-arg]
        assert isinstance(made, Lane)
        return made

    assert (asyncio.run(protocol())._door is None) == access_log
