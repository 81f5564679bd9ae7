"""The real image, as docker runs it: `make test-container` builds it first. TEST_IMAGE names it."""

import json
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
import pytest

from models import load
from tests.conftest import MakeCheckpoint
from tests.e2e.streams import Crowd
from tests.server import HOST, ROOT, free_port

IMAGE = os.environ.get("TEST_IMAGE", "")
GRACE_SECONDS = 10  # docker's own, before it kills
READY_SECONDS = 60
SEALED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")

pytestmark = [
    pytest.mark.skipif(not IMAGE, reason="TEST_IMAGE names no image; `make test-container` builds one and runs this"),
    pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker"),
]


def docker(*arguments: str) -> str:
    return subprocess.run(("docker", *arguments), check=True, capture_output=True, text=True).stdout.strip()


@dataclass(frozen=True)
class Container:
    name: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def run(self, *command: str) -> str:
        return docker("exec", self.name, *command)

    def inspect(self, what: str) -> str:
        return docker("inspect", "--format", f"{{{{{what}}}}}", self.name)

    def log(self) -> str:
        done = subprocess.run(("docker", "logs", self.name), capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    def stop(self) -> None:
        """With docker's own grace; it must do with it, and end by itself."""
        began = time.monotonic()
        docker("stop", self.name)
        assert time.monotonic() - began < GRACE_SECONDS
        assert self.inspect(".State.ExitCode") == "0", self.log()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=2).is_success:
                    return
            except httpx2.TransportError:
                pass
            assert self.inspect(".State.Running") == "true", self.log()
            time.sleep(0.1)
        raise TimeoutError(self.log())


@contextmanager
def container(*options: str, port: int | None = None, ready: bool = True, **environment: str) -> Iterator[Container]:
    """The image with a read-only root and no capability, until the context ends."""
    it = Container(f"elman-{uuid.uuid4().hex[:8]}", port or free_port())
    settings = [word for name, value in environment.items() for word in ("--env", f"{name.upper()}={value}")]
    docker(
        "run", "--detach", "--name", it.name, "--publish", f"{HOST}:{it.port}:3000", *SEALED, *options, *settings, IMAGE
    )
    try:
        if ready:
            it.wait_until_ready()
        yield it
    finally:
        docker("rm", "--force", "--volumes", it.name)


@pytest.fixture(scope="module")
def running() -> Iterator[Container]:
    with container() as it:
        yield it


@pytest.fixture
def volume() -> Iterator[str]:
    name = f"elman-{uuid.uuid4().hex[:8]}"
    yield name
    docker("volume", "rm", name)


def test_it_predicts_as_user_1034_with_a_read_only_root_and_without_capabilities(running: Container) -> None:
    answer = httpx2.post(f"{running.url}/predict", json={"values": [5.0, 11.0, 16.0]}).json()
    assert answer["model"] == load(ROOT / "models/checkpoints/sunspots.safetensors").fingerprint[:12]
    assert running.run("id", "-u") == "1034"
    assert running.run("sh", "-c", "touch /home/x 2>/dev/null || echo read-only") == "read-only"
    assert "CapEff:\t0000000000000000" in running.run("cat", "/proc/1/status")


def test_its_health_check_finds_it_healthy(running: Container) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while running.inspect(".State.Health.Status") != "healthy":
        assert time.monotonic() < deadline, running.inspect("json .State.Health")
        time.sleep(0.5)


def test_there_is_no_compiler_in_it(running: Container) -> None:
    assert running.run("sh", "-c", "command -v gcc cc c++ ld make git uv || true") == ""


def test_it_brings_the_compiled_step(running: Container) -> None:
    brought = running.run("sh", "-c", "cd ../compiled && ls */*")
    assert brought.endswith(".nbi")
    assert running.run("sh", "-c", "cd /tmp/numba && ls */*") == brought


def test_it_starts_on_a_processor_for_which_nothing_was_compiled() -> None:
    with container(numba_cpu_name="nehalem", numba_cpu_features="") as it:
        assert httpx2.post(f"{it.url}/predict", json={"values": [5.0]}).status_code == 200


def test_it_serves_a_mounted_checkpoint_with_a_tmpfs_as_another_user(make_checkpoint: MakeCheckpoint) -> None:
    checkpoint = make_checkpoint()
    checkpoint.parent.chmod(0o755)
    checkpoint.chmod(0o644)
    mount = f"{checkpoint}:/checkpoint.safetensors:ro"
    options = ("--volume", mount, "--tmpfs", "/tmp", "--user", "4711:0")
    with container(*options, elman_checkpoint="/checkpoint.safetensors") as it:
        assert httpx2.get(f"{it.url}/model").json()["fingerprint"] == load(checkpoint).fingerprint


def test_what_cannot_be_served_ends_it_with_1_and_one_line() -> None:
    with container(elman_checkpoint="/none.safetensors", ready=False) as it:
        assert docker("wait", it.name) == "1"
        assert it.log().splitlines()[-1].startswith("elman: /none.safetensors")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_under_load_every_acknowledged_step_is_kept(volume: str, end: str) -> None:
    """The next container on the same volume goes on where the clients are; a stop is over in time, with 0."""
    options, port = ("--volume", f"{volume}:/data"), free_port()
    store = "sqlite:////data/sessions.sqlite"
    with container(*options, port=port, elman_session_store=store) as first, Crowd(first.url) as crowd:
        time.sleep(2)
        first.stop() if end == "stop" else docker("kill", first.name)
        assert crowd.figures()["step"] > 100
        docker("rm", first.name)  # its port is free then
        with container(*options, port=port, elman_session_store=store):
            crowd.finish()
            crowd.check(load(ROOT / "models/checkpoints/sunspots.safetensors"))


@pytest.mark.parametrize("patience", ["5", "600"])
def test_a_body_that_never_arrives_does_not_hold_up_the_stop(patience: str) -> None:
    with container(elman_body_timeout_seconds=patience) as it, socket.create_connection((HOST, it.port)) as connection:
        head = ("POST /predict HTTP/1.1", "host: x", "content-type: application/json", "content-length: 100", "", "")
        connection.sendall("\r\n".join(head).encode() + b'{"values"')
        time.sleep(0.5)
        it.stop()


def test_it_can_be_stopped_while_it_starts() -> None:
    with container(ready=False) as it:
        time.sleep(0.5)
        it.stop()


def test_it_says_what_it_is() -> None:
    config = json.loads(docker("image", "inspect", "--format", "{{json .Config}}", IMAGE))
    assert config["User"] == "1034:1034"
    assert config["Labels"]["org.opencontainers.image.title"] == "elman"
    assert list(config["ExposedPorts"]) == ["3000/tcp"]
