"""Back and forward: between the views, not between the sets of sessions that were watched."""

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from tests.server import Server
from tests.ui.browser import Visitor
from tests.ui.cards import Card
from tests.ui.test_looks import view
from tests.ui.test_watch import link


def stands(page: Page, name: str, *sessions: str) -> None:
    """This view is shown, and the address names these sessions."""
    region = page.get_by_role("region", name=name.capitalize(), exact=True)
    expect(region).to_be_visible()
    expect(page.get_by_role("navigation").locator("[aria-current]")).to_have_text(name.capitalize())
    place, _, query = urlsplit(page.url).fragment.partition("?")
    assert (place, parse_qs(query).get("session", [])) == (name, list(sessions))


def test_back_and_forward_go_between_the_views(server: Server, visitor: Visitor, session_id: str) -> None:
    page = visitor.open(link(server, session_id))
    expect(Card(page, session_id).root).to_be_visible()
    begun = page.evaluate("history.length")
    for name in ("network", "network", "service"):  # a view that is there already is no step
        view(page, name)
        stands(page, name, session_id)
    assert page.evaluate("history.length") == begun + 2
    page.go_back()
    stands(page, "network", session_id)
    page.go_back()
    stands(page, "watch", session_id)
    page.go_forward()
    stands(page, "network", session_id)
    page.reload()
    stands(page, "network", session_id)
    page.go_back()
    stands(page, "watch", session_id)
    expect(Card(page, session_id).root).to_be_visible()


def test_what_is_watched_is_no_step_and_does_not_come_back(server: Server, visitor: Visitor, session_id: str) -> None:
    names = [f"{session_id}-a", f"{session_id}-b"]
    page = visitor.open(link(server, *names))
    begun = page.evaluate("history.length")
    view(page, "model")
    view(page, "watch")
    Card(page, names[0]).press("Unwatch")
    stands(page, "watch", names[1])
    page.go_back()
    stands(page, "model", names[1])
    page.go_back()
    stands(page, "watch", names[1])
    expect(page.get_by_role("article")).to_have_count(1)
    assert page.evaluate("history.length") == begun + 2


def test_skipping_to_the_content_stays_in_the_view(server: Server, visitor: Visitor) -> None:
    page = visitor.open(f"{server.url}/ui#model")
    stands(page, "model")
    page.get_by_role("link", name="Skip to the content").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    stands(page, "model")
