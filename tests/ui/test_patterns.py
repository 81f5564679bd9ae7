"""Sessions that are watched by what their ids begin with."""

from urllib.parse import parse_qs, urlsplit

import httpx2
from playwright.sync_api import Page, expect

from tests.server import Server
from tests.ui.browser import Visitor
from tests.ui.cards import Card
from tests.ui.feeding import cycle, predict
from tests.ui.test_watch import link


def named(page: Page) -> list[str]:
    """By the address."""
    return parse_qs(urlsplit(page.url).fragment.partition("?")[2]).get("session", [])


def look(page: Page) -> None:
    """Come back to the page, which then looks at once."""
    with page.expect_response(lambda response: "/sessions?" in response.url):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_sessions_that_appear_later_are_added(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    pattern, other = f"{session_id}-*", f"other-{session_id}"
    predict(api, f"{session_id}-a", [cycle(0)])
    page = visitor.open(link(server, other))
    page.get_by_role("region", name="Watch").get_by_label("Session", exact=True).fill(pattern)
    page.get_by_role("button", name="Watch", exact=True).click()
    expect(page.get_by_role("article")).to_have_count(2)
    again = visitor.open(page.url)
    predict(api, f"{session_id}-b", [cycle(0)])
    for one in (page, again):
        Card(one, f"{session_id}-a").stands_at(1)
        Card(one, f"{session_id}-b").stands_at(1)
        assert named(one) == [other, pattern]


def test_what_is_not_wanted_any_more_is_not_added_again(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    names = [f"{session_id}-{letter}" for letter in "abc"]
    page = visitor.open(link(server, f"{session_id}-*"))
    region = page.get_by_role("region", name="Watch")
    expect(region.get_by_text("None yet")).to_be_visible()
    for name in names[:2]:
        predict(api, name, [cycle(0)])
    look(page)
    expect(page.get_by_role("article")).to_have_count(2)
    Card(page, names[0]).press("Unwatch")
    look(page)
    expect(page.get_by_role("article")).to_have_count(1)
    assert named(page) == [f"{session_id}-*"]
    region.get_by_role("button", name=f"Stop adding {session_id}-*").click()
    expect(region.get_by_text("New ones are added")).to_have_count(0)
    predict(api, names[2], [cycle(0)])
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(500)
    expect(page.get_by_role("article")).to_have_count(1)
    assert named(page) == [names[1]]


def test_no_more_are_added_than_there_is_room_for(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    names = [f"{session_id}-{number}" for number in range(53)]
    api.post("/predict_batch", json={"session_ids": names, "values": [cycle(0)] * 53}).raise_for_status()
    page = visitor.open(link(server, session_id, f"{session_id}-*"))
    expect(page.get_by_role("article")).to_have_count(50)
    expect(page.get_by_text("50 sessions are watched: no further ones are added.")).to_be_visible()
