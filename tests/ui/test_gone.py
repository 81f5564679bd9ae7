"""A session that is gone: what the page says of it, and offers."""

from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Browser, Locator, expect

from service.settings import DEFAULT_CHECKPOINT
from tests.server import Server, serving
from tests.ui.browser import Visitor
from tests.ui.cards import Card
from tests.ui.feeding import cycle, predict
from tests.ui.test_watch import link

OF_PROGRAMS = ("PUT", "/v2", "sequence_start", "token", "404", "410")


@pytest.fixture(scope="module")
def impatient(browser: Browser) -> Iterator[Server]:
    """A service whose sessions expire soon."""
    with serving(DEFAULT_CHECKPOINT, elman_session_idle_seconds="2") as server:
        yield server


def said(card: Card, text: str) -> Locator:
    """What the card says of its session, in words that are no program's."""
    message = card.root.locator(".message")
    expect(message).to_contain_text(text)
    words = message.inner_text()
    assert not [word for word in OF_PROGRAMS if word in words]
    return message


def test_one_that_has_expired_goes_on_under_another_name(impatient: Server, visitor: Visitor, session_id: str) -> None:
    visitor.expect("410 (Gone)")
    page = visitor.open(link(impatient, session_id))
    card = Card(page, session_id)
    card.press("Step once")
    card.stands_at(1)
    message = said(card, "This session has expired")
    expect(message).to_contain_text("Begin anew plays the feed to a new session of another name.")
    card.press("Step once")
    expect(card.root.get_by_text("The feed has stopped: the session is gone.")).to_be_visible()
    card.press("Fork")
    said(card, "This session has expired")
    page.get_by_role("link", name="Network").click()
    expect(page.get_by_role("region", name="Network").get_by_text("This session has expired")).to_be_visible()
    page.get_by_role("link", name="Watch").click()
    card.press("Begin anew")
    Card(page, f"{session_id}-2").reach(2)
    expect(card.root).to_have_count(0)


def test_one_that_was_deleted_here_can_be_restored(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    predict(api, session_id, [cycle(step) for step in range(3)])
    card = Card(visitor.open(link(server, session_id)), session_id)
    card.stands_at(3)
    card.press("Mark this point")
    expect(card.root.get_by_role("button", name="Rewind to step 3")).to_be_visible()
    card.press("Delete")
    message = said(card, "This session was deleted")
    expect(message).to_contain_text("Restore brings it back")
    expect(message).to_contain_text("Rewind takes it back to a marked point.")
    card.press("Restore")
    expect(message).to_be_hidden()
    card.stands_at(3)


def test_a_link_to_one_that_somebody_has_deleted(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    predict(api, session_id, [cycle(0)])
    api.delete(f"/sessions/{session_id}").raise_for_status()
    card = Card(visitor.open(link(server, session_id)), session_id)
    message = said(card, "This session was deleted")
    expect(message).not_to_contain_text("Restore brings")
    expect(message.get_by_role("button", name="Restore")).to_be_hidden()


def test_a_name_that_cannot_be_is_no_beginning(server: Server, visitor: Visitor) -> None:
    card = Card(visitor.open(link(server, "no such id")), "no such id")
    expect(card.root.get_by_text("This session cannot be watched.")).to_be_visible()
    expect(card.root.get_by_role("button", name="Begin anew")).to_be_hidden()
