"""A real load balancer in front of several services: haproxy, without affinity."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.server import HOST, free_port

needs_balancer = pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs haproxy (Debian: haproxy)")

CONFIGURATION = """
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    balance roundrobin
    option httpchk GET /readyz
    default-server check inter 100ms fall 1 rise 1
frontend entrance
    bind {host}:{port}
    default_backend services
backend services
"""


@contextmanager
def balanced(ports: Sequence[int]) -> Iterator[str]:
    """The one URL of the services that are at these ports, now or later."""
    port = free_port()
    services = "".join(f"    server service-{number} {HOST}:{number}\n" for number in ports)
    with tempfile.TemporaryDirectory(prefix="haproxy-") as folder:
        file = Path(folder, "haproxy.cfg")
        file.write_text(CONFIGURATION.format(host=HOST, port=port) + services)
        process = subprocess.Popen(
            ["haproxy", "-db", "-f", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield f"http://{HOST}:{port}"
        finally:
            process.kill()
            process.wait()
