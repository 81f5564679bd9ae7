"""The service in this process: real engine, real middlewares, Starlette's test client instead of a socket."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from starlette.testclient import TestClient

from service.api import create
from service.settings import Settings
from tests.conftest import MakeCheckpoint
from tests.redis_server import RedisServer, redis_server

MakeClient = Callable[..., TestClient]


@pytest.fixture
def make_client(make_checkpoint: MakeCheckpoint) -> Iterator[MakeClient]:
    """A client of a fresh service over a random checkpoint; keyword arguments are settings, or sizes of the network."""
    with ExitStack() as stack:

        def make(features: int = 1, calibrated: bool = False, **settings: object) -> TestClient:
            checkpoint = make_checkpoint(features=features, calibrated=calibrated)
            service = create(Settings(checkpoint=str(checkpoint), device="cpu", **settings))  # type: ignore[arg-type]
            return stack.enter_context(TestClient(service.to_asgi(is_main=True)))

        yield make


@pytest.fixture(scope="session")
def one_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def redis(one_redis: RedisServer) -> RedisServer:
    """A real Redis with nothing in it."""
    one_redis.ask("FLUSHALL")
    return one_redis


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    """A service with default settings."""
    return make_client()
