"""Two replicas behind HAProxy, one Redis: whichever of them dies, every stream goes on as if nothing had."""

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import pytest

from models import load
from tests.conftest import MakeCheckpoint
from tests.deploy.front import haproxy
from tests.e2e.streams import Crowd
from tests.redis_server import RedisServer, redis_server
from tests.server import Server, free_port, serving

CLIENTS = 200
A_WHILE = 2 * CLIENTS  # requests

Serve = Callable[..., AbstractContextManager[Server]]


@pytest.mark.timeout(300)
def test_nothing_is_lost_and_nothing_applied_twice_whatever_is_killed(
    tmp_path: Path, make_checkpoint: MakeCheckpoint
) -> None:
    checkpoint, ports = make_checkpoint(calibrated=True), (free_port(), free_port())
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(appendonly="yes", appendfsync="always"))
        serve = partial(serving, checkpoint, elman_session_store=redis.url)
        replicas = [stack.enter_context(serve(port=port)) for port in ports]
        front = stack.enter_context(haproxy(tmp_path, *ports))
        crowd = stack.enter_context(Crowd(str(front.base_url), CLIENTS))
        crowd.go_on(A_WHILE)
        for replica in replicas:
            replica.kill()
            crowd.go_on(A_WHILE)
            stack.enter_context(serve(port=replica.port))
            crowd.go_on(A_WHILE)
        assert crowd.figures()["retries"] == 0, "HAProxy asks another replica; clients see nothing of it"
        lose_power(redis)
        crowd.go_on(A_WHILE)
        crowd.finish()
        crowd.check(load(checkpoint))
        print(crowd.figures())
        assert crowd.figures()["retries"] > 0


def lose_power(redis: RedisServer) -> None:
    """It comes back with what it had written down."""
    redis.end(signal.SIGKILL)
    redis.start()
