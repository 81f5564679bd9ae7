"""Replicas behind a load balancer, and one Redis: whichever of them dies, every stream goes on as if nothing had."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from models import load
from tests.balancer import balanced, needs_balancer
from tests.conftest import MakeCheckpoint
from tests.e2e.streams import Crowd
from tests.redis_server import RedisServer, redis_server
from tests.server import Server, free_port, serving

CLIENTS = 200


@contextmanager
def replica(checkpoint: Path, port: int, redis: RedisServer) -> Iterator[Server]:
    with serving(checkpoint, port=port, elman_session_store=redis.url) as server:
        yield server


@needs_balancer
@pytest.mark.timeout(300)
def test_nothing_is_lost_and_nothing_applied_twice_whatever_is_killed(make_checkpoint: MakeCheckpoint) -> None:
    checkpoint, ports = make_checkpoint(calibrated=True), (free_port(), free_port())
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(appendonly="yes"))
        start = partial(replica, checkpoint, redis=redis)
        servers = [stack.enter_context(start(port)) for port in ports]
        crowd = stack.enter_context(Crowd(stack.enter_context(balanced(ports)), CLIENTS))
        crowd.go_on(CLIENTS)
        for server, port in zip(servers, ports, strict=True):
            server.kill()
            crowd.go_on(CLIENTS)
            stack.enter_context(start(port))
            crowd.go_on(CLIENTS)
        redis.end(signal.SIGKILL)
        redis.start()
        crowd.go_on(CLIENTS)
        crowd.finish()
        crowd.check(load(checkpoint))
        figures = crowd.figures()
    assert figures["retries"] > 0
    print(figures)
