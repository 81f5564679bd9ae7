"""The service goes away and comes back: the page says so, and goes on."""

from pathlib import Path

import httpx2
from playwright.sync_api import Page, expect

from service.settings import DEFAULT_CHECKPOINT
from tests.server import Server, free_port, serving
from tests.ui import sent
from tests.ui.browser import Visitor
from tests.ui.cards import Card
from tests.ui.feeding import predict
from tests.ui.test_watch import link

OUTAGE = (
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "ERR_EMPTY_RESPONSE",
    "ERR_INCOMPLETE_CHUNKED_ENCODING",
    "ERR_SOCKET_NOT_CONNECTED",
)
"""The browser's own words for it."""


def stop(server: Server) -> None:
    """As an operator does."""
    server.process.terminate()
    server.process.wait()


def client(server: Server) -> httpx2.Client:
    """Another one, beside the page."""
    return httpx2.Client(base_url=server.url, trust_env=False)


def is_told_to_be_down(page: Page) -> None:
    """In the notice, and beside the name of the page."""
    expect(page.get_by_role("alert")).to_contain_text("The service does not answer")
    expect(page.get_by_role("status").first).to_have_text("not reachable")


def is_told_to_be_back(page: Page) -> None:
    """In both places."""
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_role("status").first).to_have_text("ready")


def test_three_lives_of_a_service(visitor: Visitor, session_id: str, tmp_path: Path) -> None:
    """In the second the sessions are there: the feed goes on, and nothing is lost or applied twice. In the third they
    are not: that is said, and the stream can begin anew.
    """
    for complaint in (*OUTAGE, "404 (Not Found)"):
        visitor.expect(complaint)
    port, store = free_port(), f"sqlite:///{tmp_path}/sessions.sqlite"
    with serving(DEFAULT_CHECKPOINT, port=port, elman_session_store=store) as server:
        page = visitor.open(link(server, session_id))
        card = Card(page, session_id)
        card.speed(20)
        card.press("Play")
        card.reach(20)
        stop(server)
        is_told_to_be_down(page)
        expect(card.root.get_by_text("waiting for the service", exact=False)).to_be_visible()
        at = card.step
    with serving(DEFAULT_CHECKPOINT, port=port, elman_session_store=store) as server, client(server) as api:
        card.reach(at + 20)
        is_told_to_be_back(page)
        card.press("Pause")
        values = sent.values(visitor.requests, session_id)
        card.stands_at(len(values))
        card.unfold()
        assert api.get(f"/sessions/{session_id}").json()["step"] == len(values)
        expected = predict(api, "the-same", values)["predictions"]
        assert {step: row.predicted for step, row in card.rows().items()} == {
            step: expected[step - 2] for step in range(len(values) - 10, len(values) + 2)
        }
        card.press("Play")
        card.reach(len(values) + 5)
        stop(server)
        is_told_to_be_down(page)
    with serving(DEFAULT_CHECKPOINT, port=port) as server, client(server) as api:
        begin = card.root.get_by_role("button", name="Begin anew", exact=True)
        expect(begin).to_be_visible()
        expect(card.root).to_contain_text("no session")
        is_told_to_be_back(page)
        assert api.get(f"/sessions/{session_id}").status_code == 404
        begin.click()
        expect(begin).to_be_hidden()
        card.reach(3)
        assert api.get(f"/sessions/{session_id}").json()["step"] >= 3
