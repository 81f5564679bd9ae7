"""A service with the default checkpoint, and somebody with a browser. Without Chromium these tests are skipped."""

import secrets
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from service.settings import DEFAULT_CHECKPOINT
from tests.server import Server, serving
from tests.ui.browser import PATIENCE_MS, Visitor, launched, program

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")  # not longer: while Playwright runs, other tests have no event loop
def browser() -> Iterator[Browser]:
    """Chromium, once for all tests here."""
    if program() is None:
        pytest.skip("there is no Chromium; make test-ui installs one")
    with launched() as browser:
        yield browser


@pytest.fixture(scope="package")
def server(browser: Browser) -> Iterator[Server]:
    """One service for all who can share it: every test has sessions of its own."""
    with serving(DEFAULT_CHECKPOINT) as server:
        yield server


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """Everything that its pages ask for is asked of the service, and they complain of nothing that is not expected."""
    visitor = Visitor(browser)
    yield visitor
    visitor.leave()


@pytest.fixture
def api(server: Server) -> Iterator[httpx2.Client]:
    """Another client of the same service."""
    with httpx2.Client(base_url=server.url, trust_env=False) as client:
        yield client


@pytest.fixture
def session_id() -> str:
    """That nobody else has."""
    return f"pump-{secrets.token_hex(3)}"
