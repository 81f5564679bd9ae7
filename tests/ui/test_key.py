"""A service that asks for an API key."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from service.settings import DEFAULT_CHECKPOINT
from tests.server import Server, serving
from tests.ui.browser import Visitor
from tests.ui.cards import Card

KEY = "a-key-that-nobody-guesses"


@pytest.fixture(scope="module")
def locked(browser: Browser) -> Iterator[Server]:
    """With one key."""
    with serving(DEFAULT_CHECKPOINT, elman_api_keys=KEY) as server:
        yield server


def give(page: Page, key: str) -> None:
    """Into the form."""
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Use it").click()


def test_the_key_is_asked_for_and_kept_in_this_tab_only(locked: Server, visitor: Visitor) -> None:
    visitor.expect("401 (Unauthorized)")
    page = visitor.open(f"{locked.url}/ui")
    expect(page.get_by_label("API key")).to_be_focused()
    give(page, "wrong")
    expect(page.get_by_role("alert")).to_contain_text("key")
    expect(page.get_by_label("API key")).to_be_visible()
    give(page, "a\u2013dash")  # which no header can carry, so it is not taken
    assert page.get_by_label("API key").evaluate("input => input.validity.patternMismatch")
    assert "\u2013" not in page.evaluate("Object.values(sessionStorage).join()")
    give(page, KEY)
    expect(page.get_by_label("API key")).to_be_hidden()
    expect(page.get_by_role("alert")).to_be_hidden()
    page.get_by_role("button", name="Play the sine").click()
    Card.only(page).reach(5)
    kept = page.evaluate("[{ ...localStorage }, document.cookie, Object.values(sessionStorage)]")
    assert kept == [{}, "", [KEY]]
    assert page.context.cookies() == []
    assert not [request.url for request in visitor.requests if KEY in request.url]
    page.reload()
    expect(page.get_by_role("article")).to_be_visible()
    expect(page.get_by_label("API key")).to_be_hidden()


def test_another_tab_is_asked_again(locked: Server, visitor: Visitor) -> None:
    visitor.expect("401 (Unauthorized)")
    page = visitor.open(f"{locked.url}/ui")
    give(page, KEY)
    expect(page.get_by_role("button", name="Play the sine")).to_be_visible()
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.get_by_label("API key")).to_be_focused()
