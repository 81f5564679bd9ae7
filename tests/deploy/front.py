"""HAProxy as docs/deploy has it, on loopback."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.deploy.programs import DEPLOY, find
from tests.server import HOST, free_port, wait_until

FILE = DEPLOY / "haproxy.cfg"


@contextmanager
def haproxy(folder: Path, *ports: int) -> Iterator[httpx2.Client]:
    """HAProxy with our file, but for the addresses: of the replicas, and its own."""
    own, file = free_port(), folder / "haproxy.cfg"
    servers = "".join(f"    server elman{port} {HOST}:{port}\n" for port in ports)
    config, replaced = re.subn(r"^    server-template .+\n", servers, FILE.read_text(), flags=re.MULTILINE)
    assert replaced == 1
    file.write_text(config.replace("bind :3000", f"bind {HOST}:{own}"))
    process = subprocess.Popen([find("haproxy"), "-db", "-f", file])
    try:
        with httpx2.Client(base_url=f"http://{HOST}:{own}", trust_env=False, timeout=20) as client:
            wait_until(lambda: client.get("/metrics").status_code == 404)  # the only one that HAProxy answers itself
            yield client
    finally:
        process.terminate()
        process.wait(15)
