"""What is told belongs to the session that is there now, once and whole, however often the page connects anew."""

import re

import httpx2
from playwright.sync_api import Page, Route, expect

from tests.server import Server
from tests.ui.browser import Visitor
from tests.ui.cards import Card
from tests.ui.feeding import fed, predict
from tests.ui.test_looks import view
from tests.ui.test_watch import link


def anew(api: httpx2.Client, session_id: str, *values: float) -> None:
    """Begin a session with these values, whatever there is under its name."""
    (model,) = api.post("/v2/repository/index").json()
    for index, value in enumerate(values):
        parameters = {"sequence_id": session_id, "sequence_start": index == 0}
        tensor = {"name": "values", "shape": [1, 1], "datatype": "FP64", "data": [value]}
        body = {"inputs": [tensor], "parameters": parameters}
        api.post(f"/v2/models/{model['name']}/infer", json=body).raise_for_status()


def watched(visitor: Visitor, server: Server, *ids: str) -> tuple[Page, list[Card]]:
    page = visitor.open(link(server, *ids))
    cards = [Card(page, session_id) for session_id in ids]
    for card in cards:
        expect(card.root).to_be_visible()
    next(request for request in visitor.requests if "/watch?" in request.url).response()
    return page, cards


def observed(card: Card) -> list[float | None]:
    """What is drawn, in order."""
    return [row.observed for _, row in sorted(card.rows().items()) if row.observed is not None]


def watchers(api: httpx2.Client) -> float:
    lines = api.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("elman_watchers "))


def test_of_a_session_that_is_begun_anew_nothing_old_is_shown(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    _, (card,) = watched(visitor, server, session_id)
    card.unfold()
    anew(api, session_id, *range(50, 60))
    card.stands_at(10)
    anew(api, session_id, 200, 201, 202)
    card.stands_at(3)
    assert observed(card) == [200, 201, 202]


def test_of_a_session_that_was_replaced_while_nothing_was_told_nothing_old_is_shown(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    page, (card,) = watched(visitor, server, session_id)
    card.unfold()
    anew(api, session_id, *range(50, 60))
    card.stands_at(10)
    another = f"{session_id}-another"
    visitor.expect("net::ERR_FAILED")
    page.route("**/watch?*", lambda route: route.abort())
    page.get_by_label("Session", exact=True).first.fill(another)
    page.get_by_role("button", name="Watch", exact=True).click()  # the connection is made anew, and fails
    expect(page.get_by_role("alert")).to_be_visible()
    anew(api, session_id, *range(300, 312))
    page.unroute("**/watch?*")
    card.stands_at(12)
    predict(api, session_id, [312.0])
    card.stands_at(13)
    assert observed(card) == [312]


def test_watching_more_loses_nothing_of_what_is_watched(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    page, (card,) = watched(visitor, server, session_id)
    with fed(server.url, [session_id], rate=100):
        card.reach(20)
        for number in range(12):
            page.get_by_label("Session", exact=True).first.fill(f"{session_id}-{number}")
            page.get_by_role("button", name="Watch", exact=True).click()
            page.wait_for_timeout(160)
    step = api.get(f"/sessions/{session_id}").json()["step"]
    card.stands_at(step)
    view(page, "Network")
    strip = page.get_by_role("application", name="Hidden state")
    expect(strip).to_have_accessible_name(re.compile(f"^Hidden state of [0-9]+ units over {min(step, 240)} steps$"))


def test_a_connection_that_is_overtaken_does_not_stay(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    page, (card,) = watched(visitor, server, session_id)
    asked = 0

    def late(route: Route) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            page.wait_for_timeout(500)
        route.continue_()

    page.route("**/watch?*", late)
    for number in range(2):
        page.get_by_label("Session", exact=True).first.fill(f"{session_id}-{number}")
        page.get_by_role("button", name="Watch", exact=True).click()
    expect(page.get_by_role("article")).to_have_count(3)
    page.wait_for_timeout(1500)
    assert (asked, watchers(api)) == (2, 1)
    predict(api, session_id, [9.0])
    card.stands_at(1)


def test_a_session_of_the_longest_name_can_be_forked(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    name = session_id.ljust(128, "x")
    page, (card,) = watched(visitor, server, name)
    predict(api, name, [9.0, 10.0])
    card.stands_at(2)
    card.press("Fork")
    Card(page, f"{name[:110]}-fork").stands_at(2)


def test_a_service_that_answers_nothing_is_not_waited_for_without_end(
    server: Server, visitor: Visitor, session_id: str
) -> None:
    page, (card,) = watched(visitor, server, session_id)
    page.route("**/predict", lambda _: None)  # neither answered nor refused
    page.route("**/readyz", lambda _: None)
    card.press("Step once")
    expect(card.root).to_contain_text("waiting for the service")
    view(page, "Service")
    expect(page.get_by_role("region", name="Service", exact=True)).to_contain_text("has not answered for 10 s")
