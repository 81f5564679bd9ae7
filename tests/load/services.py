"""A service to put under load: one that runs somewhere, or one that is started for it, with any store."""

import subprocess
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.load.trial import Target
from tests.redis_server import redis_server
from tests.server import Server, serving

STORES = ("memory", "sqlite", "redis")
TARGET = "service.api:service"


def add_to(parser: ArgumentParser) -> None:
    """Which one."""
    parser.add_argument("--host", metavar="URL", help="a service that runs already, instead of starting one")
    parser.add_argument("--pid", type=int, help="its process, if it is on this machine, to watch what it uses")
    parser.add_argument("--container", metavar="NAME", help="the same for one that docker runs here")
    parser.add_argument("--serve", metavar="FILE", type=Path, help="start with this checkpoint, if not the oracle's")
    parser.add_argument("--store", choices=STORES, default="memory", help="start with sessions in it")
    parser.add_argument("--workers", type=int, default=1, help="start so many processes; needs --store redis")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="start with ELMAN_…=…")
    parser.add_argument("--target", default=TARGET, help="what BentoML starts")


@contextmanager
def service(options: Namespace) -> Iterator[tuple[Target, Server | None]]:
    """Where it is, and the server if it was started here, until the context ends."""
    if options.host:
        yield Target(options.host.rstrip("/"), options.pid or _pid_in(options.container)), None
        return
    with ExitStack() as stack:
        settings = dict(setting.split("=", 1) for setting in options.setting)
        if options.store == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="load-"))
            settings["ELMAN_SESSION_STORE"] = f"sqlite:///{folder}/sessions.sqlite"
        elif options.store == "redis":
            settings["ELMAN_SESSION_STORE"] = stack.enter_context(redis_server()).url
        if options.workers > 1:
            settings["ELMAN_WORKERS"] = str(options.workers)
        if options.api_key:
            settings["ELMAN_API_KEYS"] = options.api_key
        checkpoint = options.serve or Path(options.checkpoint)
        server = stack.enter_context(serving(checkpoint, target=options.target, **settings))
        yield Target(server.url, server.process.pid), server


def _pid_in(container: str | None) -> int | None:
    if not container:
        return None
    command = ("docker", "inspect", "--format", "{{.State.Pid}}", container)
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
