"""Two replicas behind HAProxy, one Redis: whichever of them dies, every stream goes on as if nothing had."""

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import httpx2
import pytest

from models import load
from tests.conftest import MakeCheckpoint
from tests.deploy.front import haproxy
from tests.e2e.streams import Crowd
from tests.redis_server import RedisServer, redis_server
from tests.server import Server, free_port, serving, wait_until

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
            again = stack.enter_context(serve(port=replica.port))
            wait_until(partial(is_asked, again))  # HAProxy has seen that it is ready
            crowd.go_on(A_WHILE)
        assert crowd.figures()["retries"] == 0, "HAProxy asks another replica; clients see nothing of it"
        lose_power(redis)
        crowd.go_on(A_WHILE)
        crowd.finish()
        crowd.check(load(checkpoint))
        print(crowd.figures())
        assert crowd.figures()["retries"] > 0


def is_asked(replica: Server) -> bool:
    """Whether it has answered any client."""
    return 'elman_requests_total{route="/predict"' in httpx2.get(f"{replica.url}/metrics").text


def lose_power(redis: RedisServer) -> None:
    """It comes back with what it had written down."""
    redis.end(signal.SIGKILL)
    redis.start()
