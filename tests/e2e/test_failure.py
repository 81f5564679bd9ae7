"""Clients that leave, dawdle, lie and trespass: no context changes, and nothing is told to the wrong one."""

import hashlib
import json
import re
import socket
import struct
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import httpx2
import pytest

from models import load, save
from tests.conftest import MakeCheckpoint, random_checkpoint
from tests.e2e.streams import Stream
from tests.e2e.test_start import refusal, start
from tests.server import HOST, Server, serving

LIMIT = 2048
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close at once, with RST
ALICE, BOB, TOKEN_KEY = "alice-is-the-only-one", "bob-knows-this-by-heart", "what-signs-every-token"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(random_checkpoint(calibrated=True), tmp_path_factory.mktemp("models") / "model.safetensors")


@pytest.fixture(scope="module")
def server(checkpoint: Path) -> Iterator[Server]:
    with serving(checkpoint, elman_body_timeout_seconds="0.5", elman_max_body_bytes=str(LIMIT)) as server:
        yield server
        assert "Traceback" not in server.log()


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url) as client:
        yield client


def http(body: bytes, length: int | None = None) -> bytes:
    """A request as bytes."""
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body) if length is None else length}\r\n\r\n"
    return head.encode() + body


def refused(connection: socket.socket) -> tuple[int, str]:
    """Status and code of the answer, however many pieces it comes in."""
    answer = HTTPResponse(connection)
    answer.begin()
    return answer.status, json.loads(answer.read())["error"]


def leave(server: Server, sent: bytes, *, reset: bool) -> None:
    """Send this and go away without reading anything."""
    with socket.create_connection((HOST, server.port)) as connection:
        connection.sendall(sent)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("complete", [False, True], ids=["in mid-body", "before the answer"])
def test_a_client_that_goes_away_can_come_back_with_the_same_request(
    server: Server, client: httpx2.Client, checkpoint: Path, complete: bool, reset: bool
) -> None:
    stream = Stream(f"left-{complete}-{reset}")
    for _ in range(30):
        values = stream.draw()
        request = stream.request(values)
        sent = http(json.dumps(request).encode())
        leave(server, sent if complete else sent[:-5], reset=reset)
        answer = client.post("/predict", json=request)
        assert complete or "x-replayed" not in answer.headers
        stream.accept(values, answer.json())
    stream.check(load(checkpoint))


def test_a_body_that_dawdles_is_not_waited_for(server: Server, client: httpx2.Client) -> None:
    body = json.dumps({"session_id": "slow", "values": [1]}).encode()
    with socket.create_connection((HOST, server.port), timeout=5) as connection:
        connection.sendall(http(body)[:-5])
        assert refused(connection) == (408, "request_timeout")
    assert client.get("/sessions/slow").status_code == 404


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "1e300", '"NaN"'])
def test_what_is_no_finite_number_leaves_no_trace(client: httpx2.Client, value: str) -> None:
    step = client.post("/predict", json={"session_id": "finite", "values": [9]}).json()["step"]
    ahead = {"session_id": "finite", "horizon": 2}
    before = client.post("/forecast", json=ahead).json()
    answer = client.post("/predict", content=f'{{"session_id": "finite", "step": {step}, "values": [1, {value}]}}')
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert client.post("/forecast", json=ahead).json() == before


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_refused(client: httpx2.Client, announced: bool) -> None:
    body = json.dumps({"session_id": "large", "values": [1.5] * LIMIT}).encode()
    answer = client.post("/predict", content=body if announced else iter([body[:LIMIT], body[LIMIT:]]))
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
    assert client.get("/sessions/large").status_code == 404


def test_a_body_announced_as_too_large_is_not_waited_for(server: Server) -> None:
    with socket.create_connection((HOST, server.port), timeout=5) as connection:
        connection.sendall(http(b"", length=LIMIT + 1))
        assert refused(connection) == (413, "too_large")


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"what is this?\r\n\r\n", "no HTTP/1.1 request"),
        (b"GET /model HTTP/1.1\r\nhost x\r\n\r\n", "no HTTP/1.1 request"),
        (b"POST /predict HTTP/1.1\r\ncontent-length: few\r\n\r\n", "no HTTP/1.1 request"),
        (b"GET /watch?session_id=%b HTTP/1.1\r\nhost: x\r\n\r\n" % (b"s" * 70_000), "70018 bytes, and 65535 at most"),
    ],
)
def test_what_cannot_be_read_as_http_is_refused_in_the_same_shape(server: Server, sent: bytes, why: str) -> None:
    with socket.create_connection((HOST, server.port)) as connection:
        connection.sendall(sent)
        answer = HTTPResponse(connection)
        answer.begin()
        told = json.loads(answer.read())
        assert (answer.status, answer.getheader("content-type")) == (400, "application/json")
        assert told["error"] == "invalid_request"
        assert why in told["message"]
        assert connection.recv(1) == b""


def test_each_key_has_sessions_of_its_own_and_no_secret_gets_out(tmp_path: Path, checkpoint: Path) -> None:
    """Without a key: 401. With another one: as if the session were not there. Nothing secret is logged or answered."""
    hashed = f"sha256:{hashlib.sha256(BOB.encode()).hexdigest()}"
    answers: list[httpx2.Response] = []
    with serving(
        checkpoint, elman_api_keys=f"{ALICE},{hashed}", elman_token_key=TOKEN_KEY, elman_access_log="true"
    ) as server:

        def ask(key: str | None, method: str, path: str, **body: Any) -> httpx2.Response:
            headers = {"authorization": f"Bearer {key}"} if key else {}
            answers.append(httpx2.request(method, server.url + path, headers=headers, json=body or None))
            return answers[-1]

        for key, value in ((ALICE, 9), (BOB, 90)):
            assert ask(key, "POST", "/predict", session_id="shared", values=[value]).json()["step"] == 1
        assert ask(ALICE, "POST", "/predict", session_id="alices", values=[9]).is_success
        context = ask(ALICE, "GET", "/sessions/alices").json()["context"]
        routes: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("POST", "/predict", {"session_id": "alices", "values": [9], "step": 1}),
            ("POST", "/forecast", {"session_id": "alices", "horizon": 1}),
            ("GET", "/sessions/alices", {}),
            ("DELETE", "/sessions/alices", {}),
        )
        for method, path, body in routes:
            assert ask(BOB, method, path, **body).status_code == 404
        for wrong in (None, "wrong", ALICE + "x", hashed, hashed.removeprefix("sha256:"), TOKEN_KEY):
            for method, path, body in (
                *routes,
                ("PUT", "/sessions/x", {"context": context}),
                ("POST", "/sessions", {}),
                ("GET", "/sessions", {}),
                ("GET", "/model", {}),
            ):
                answer = ask(wrong, method, path, **body)
                assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
        ids = {
            key: [session["session_id"] for session in ask(key, "GET", "/sessions").json()["sessions"]]
            for key in (ALICE, BOB)
        }
        assert ids == {ALICE: ["alices", "shared"], BOB: ["shared"]}
        assert ask(BOB, "DELETE", "/sessions/shared").status_code == 204
        assert ask(ALICE, "GET", "/sessions/shared").json()["step"] == 1
        metrics = ask(None, "GET", "/metrics").text
        secrets = (ALICE, BOB, TOKEN_KEY, *(hashlib.sha256(key.encode()).hexdigest()[:16] for key in (ALICE, BOB)))
        told = [server.log(), *(answer.text for answer in answers)]
    for secret in secrets:
        assert not [text for text in told if secret in text]
    assert "elman_steps_total 3.0" in metrics
    assert not re.search("alices|shared", metrics)


def test_a_key_that_will_not_do_is_not_shown(tmp_path: Path) -> None:
    line = refusal(start(tmp_path, ELMAN_API_KEYS=f"{ALICE},sha256:{BOB}"))
    assert line.startswith("elman: ELMAN_API_KEYS: ")
    assert not re.search(f"{ALICE}|{BOB}", line)


def test_without_keys_it_listens_on_loopback_only_and_says_so(make_checkpoint: MakeCheckpoint) -> None:
    with serving(make_checkpoint(), host=None) as server:
        with pytest.raises(ConnectionRefusedError):  # whoever listens on every address listens here too
            socket.create_connection(("127.0.0.2", server.port))
        assert "no ELMAN_API_KEYS" in server.log()
        assert "no ELMAN_TOKEN_KEY" in server.log()


def test_a_file_that_another_process_has_is_refused(tmp_path: Path, make_checkpoint: MakeCheckpoint) -> None:
    checkpoint, store = make_checkpoint(), f"sqlite:///{tmp_path}/sessions.db"
    with serving(checkpoint, elman_session_store=store) as server:
        line = refusal(start(tmp_path, ELMAN_CHECKPOINT=str(checkpoint), ELMAN_SESSION_STORE=store))
        assert line.startswith(f"elman: session store {tmp_path}/sessions.db: another process has it")
        httpx2.post(f"{server.url}/predict", json={"values": [1], "session_id": "s"}).raise_for_status()
