"""Watching: what is drawn and told of sessions, whoever feeds them."""

import re
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
from playwright.sync_api import expect

from tests.server import Server
from tests.ui import sent
from tests.ui.browser import Visitor
from tests.ui.cards import Card
from tests.ui.feeding import cycle, predict


def link(server: Server, *sessions: str) -> str:
    """The page with these sessions on it."""
    return f"{server.url}/ui#watch?{urlencode([('session', s) for s in sessions])}"


def test_the_sine_is_played_and_its_predictions_are_those_of_the_api(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    page = visitor.open(f"{server.url}/ui")
    page.get_by_role("button", name="Play the sine").click()
    card = Card.only(page)
    card.speed(20)
    card.unfold()
    card.reach(25)
    card.press("Pause")
    values = sent.values(visitor.requests, card.session_id)
    card.stands_at(len(values))
    answer = predict(api, session_id, values)
    rows = card.rows()
    assert list(rows) == [len(values) + 1 - i for i in range(12)]
    for step, row in rows.items():
        before = step - 2  # the answer that told what to expect of it
        told = tuple(answer[name][before] for name in ("predictions", "lower", "upper"))
        assert (row.predicted, row.lower, row.upper) == told
        happened = (values[step - 1], answer["anomaly"][step - 1]) if step <= len(values) else (None, None)
        assert (row.observed, row.p_value) == happened


def test_values_of_others_appear(server: Server, api: httpx2.Client, visitor: Visitor, session_id: str) -> None:
    page = visitor.open(link(server, session_id))
    card = Card(page, session_id)
    expect(card.root).to_be_visible()
    card.unfold()
    predict(api, session_id, [cycle(step) for step in range(12)])
    card.stands_at(12)
    answer = predict(api, session_id, [33.25])
    card.stands_at(13)
    row = card.rows()[13]
    assert (row.observed, row.p_value) == (33.25, answer["anomaly"][0])
    expect(card.root.locator("canvas").first).to_be_visible()


def test_an_alarm_is_told_from_its_first_step_until_it_ends(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    card = Card(visitor.open(link(server, session_id)), session_id)
    predict(api, session_id, [cycle(step) for step in range(22)])
    card.stands_at(22)
    expect(card.root.get_by_text("alarm since", exact=False)).to_have_count(0)
    assert predict(api, session_id, [900.0])["alarm"] == {"start_step": 23}
    expect(card.root.get_by_text("alarm since step 23")).to_be_visible()


def test_sessions_side_by_side_and_the_link_to_them(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    names = [f"{session_id}-a", f"{session_id}-b"]
    page = visitor.open(f"{server.url}/ui")
    for name in names:
        page.get_by_role("region", name="Watch").get_by_label("Session", exact=True).fill(name)
        page.get_by_role("button", name="Watch", exact=True).click()
    for other in (page, visitor.open(page.url)):
        assert parse_qs(urlsplit(other.url).fragment.partition("?")[2])["session"] == names
        for name in names:
            expect(Card(other, name).root).to_be_visible()
    for number, name in enumerate(names):
        predict(api, name, [cycle(step) for step in range(5 + number)])
        Card(page, name).stands_at(5 + number)
        Card(other, name).stands_at(5 + number)
    Card(page, names[0]).press("Unwatch")
    expect(Card(page, names[0]).root).to_have_count(0)
    assert parse_qs(urlsplit(page.url).fragment.partition("?")[2])["session"] == names[1:]


def test_a_session_that_somebody_deletes_is_told_to_be_gone(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    predict(api, session_id, [70, 80, 90])
    card = Card(visitor.open(link(server, session_id)), session_id)
    card.stands_at(3)
    api.delete(f"/sessions/{session_id}").raise_for_status()
    expect(card.root.get_by_text(re.compile("deleted"))).to_be_visible()


def test_fifty_sessions_are_drawn(server: Server, api: httpx2.Client, visitor: Visitor, session_id: str) -> None:
    names = [f"{session_id}-{number}" for number in range(50)]
    page = visitor.open(link(server, *names), width=1920, height=3000)  # what nobody sees is not drawn
    expect(page.get_by_role("article")).to_have_count(50)
    for step in range(12):
        api.post("/predict_batch", json={"session_ids": names, "values": [cycle(step)] * 50}).raise_for_status()
    for name in names:
        Card(page, name).stands_at(12)
    expect(page.locator("article canvas")).to_have_count(50)


def test_an_id_that_cannot_be_is_told_and_the_others_are_watched(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    page = visitor.open(link(server, "no such id", session_id))
    expect(Card(page, "no such id").root.get_by_text("the id of a session must match")).to_be_visible()
    predict(api, session_id, [cycle(0)])
    Card(page, session_id).stands_at(1)


def test_what_is_watched_is_watched_again_after_a_reload_in_any_view(
    server: Server, visitor: Visitor, session_id: str
) -> None:
    page = visitor.open(link(server, session_id))
    expect(Card(page, session_id).root).to_be_visible()
    page.get_by_role("link", name="Network").click()
    expect(page.get_by_role("region", name="Network").get_by_label("Session")).to_have_value(session_id)
    page.reload()
    expect(page.get_by_role("region", name="Network").get_by_label("Session")).to_have_value(session_id)


def test_a_page_that_is_not_told_anything_says_so(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    """Until it is."""
    visitor.expect("429")
    page = visitor.open(link(server, session_id))
    card = Card(page, session_id)
    card.unfold()
    predict(api, session_id, [cycle(0)])
    card.stands_at(1)
    refusal = {"error": "overloaded", "message": "100 watch already"}
    page.route("**/watch?*", lambda route: route.fulfill(status=429, json=refusal))
    page.get_by_role("button", name="New stream").click()
    expect(page.get_by_role("alert")).to_contain_text("100 watch already")
    expect(page.locator("#health")).to_contain_text("ready, but silent")
    page.unroute("**/watch?*")
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.locator("#health .text")).to_have_text("ready")
