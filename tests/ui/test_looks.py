"""For everybody: no finding of axe, no scrolling sideways, no mouse needed."""

from typing import Literal

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.server import Server
from tests.ui.browser import Visitor
from tests.ui.cards import Card
from tests.ui.feeding import cycle, predict
from tests.ui.test_watch import link

VIEWS = ("watch", "network", "model", "service")
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SCREENS = ((360, 720), (3840, 2160))


@pytest.fixture
def session_with_a_past(api: httpx2.Client, session_id: str) -> str:
    """A session that somebody feeds already."""
    predict(api, session_id, [cycle(step) for step in range(22)])
    return session_id


def view(page: Page, name: str) -> None:
    """Go there by the link above."""
    page.get_by_role("navigation").get_by_role("link", name=name.capitalize()).click()
    expect(page.get_by_role("region", name=name.capitalize(), exact=True)).to_be_visible()


def playing(visitor: Visitor, server: Server, session_id: str) -> Page:
    """The page, on which the session is being played."""
    page = visitor.open(link(server, session_id))
    card = Card(page, session_id)
    card.speed(10)
    card.press("Play")
    card.reach(30)
    card.unfold()
    return page


def test_axe_finds_nothing_in_light_and_dark(server: Server, visitor: Visitor, session_with_a_past: str) -> None:
    page = playing(visitor, server, session_with_a_past)
    for name in VIEWS:
        view(page, name)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            results = Axe().run(page)
            assert not results.violations_count, f"{name}, {scheme}: {results.generate_report()}"


def test_no_view_scrolls_sideways_on_small_and_large_screens(
    server: Server, visitor: Visitor, session_with_a_past: str
) -> None:
    page = playing(visitor, server, session_with_a_past)
    for name in VIEWS:
        view(page, name)
        for width, height in SCREENS:
            page.set_viewport_size({"width": width, "height": height})
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            wide, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            assert wide <= room, f"{name}: {wide} pixels on {width}"


def test_the_sine_is_played_paused_and_stepped_without_a_mouse(server: Server, visitor: Visitor) -> None:
    page = visitor.open(f"{server.url}/ui")
    play = page.get_by_role("button", name="Play the sine")
    expect(play).to_be_visible()
    tab_to(page, play)
    page.keyboard.press("Enter")
    card = Card.only(page)
    card.reach(5)
    tab_to(page, card.root.get_by_role("button", name="Pause", exact=True))
    page.keyboard.press("Space")
    expect(card.root.get_by_role("button", name="Play", exact=True)).to_be_focused()
    page.wait_for_timeout(300)
    at = card.step
    tab_to(page, card.root.get_by_role("button", name="Step once", exact=True))
    page.keyboard.press("Enter")
    card.stands_at(at + 1)


def test_light_and_dark_are_chosen_and_stay(server: Server, visitor: Visitor) -> None:
    page = visitor.open(f"{server.url}/ui", color_scheme="light")
    colour = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(colour)
    page.get_by_role("button", name="Switch between light and dark").click()
    dark = page.evaluate(colour)
    assert light != dark
    page.reload()
    assert page.evaluate(colour) == dark


def tab_to(page: Page, target: Locator) -> None:
    """By the tabulator key alone."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("(element) => element === document.activeElement"):
            outline = target.evaluate("(element) => getComputedStyle(element).outlineStyle")
            assert outline != "none", "nobody sees where the focus is"
            return
    raise AssertionError("the tabulator does not lead there")
