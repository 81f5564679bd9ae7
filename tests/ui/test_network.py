"""Understanding: the network unfolded, and its hidden state over time."""

import re

import httpx2
from playwright.sync_api import Page, expect

from tests.server import Server
from tests.ui.browser import Visitor
from tests.ui.cards import Card
from tests.ui.feeding import cycle, predict
from tests.ui.test_looks import view
from tests.ui.test_watch import link


def opened(visitor: Visitor, server: Server, session_id: str, api: httpx2.Client, steps: int) -> Page:
    """A page that has seen so many values come, one by one, at its view "Network"."""
    page = visitor.open(link(server, session_id))
    card = Card(page, session_id)
    expect(card.root).to_be_visible()
    next(request for request in visitor.requests if "/watch?" in request.url).response()  # it is told from now on
    for step in range(steps):
        predict(api, session_id, [cycle(step)])
    card.stands_at(steps)
    view(page, "Network")
    return page


def digits(value: float) -> str:
    """As the page writes it."""
    return f"{float(f'{value:.4g}'):g}".replace("-", "\N{MINUS SIGN}")


def test_unfolded_are_the_last_values_with_what_was_predicted_of_them(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    page = opened(visitor, server, session_id, api, 12)
    picture = page.get_by_role("img", name="The network unfolded")
    expect(picture).to_have_accessible_name(re.compile(rf"over steps 8 to 12: the newest value is {cycle(11):g}, "))
    answer = predict(api, session_id, [cycle(12), 81.25])
    expect(picture).to_have_accessible_name(re.compile("steps 10 to 14: the newest value is 81.25, "))
    text = picture.text_content() or ""
    shown = [cycle(9), cycle(10), cycle(11), cycle(12), 81.25, *answer["predictions"]]
    assert [value for value in shown if digits(value) not in text] == []


def test_the_heat_strip_has_a_column_for_every_step_and_tells_what_is_in_it(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    page = opened(visitor, server, session_id, api, 20)
    units = api.get("/model").json()["architecture"]["hidden_size"]
    strip = page.get_by_role("application", name="Hidden state")
    expect(strip).to_have_attribute("data-columns", "20")
    expect(strip).to_have_accessible_name(f"Hidden state of {units} units over 20 steps")
    (state,) = api.get(f"/sessions/{session_id}").json()["hidden_state"]
    strip.focus()
    page.keyboard.press("End")
    told = page.get_by_role("region", name="Network").locator("output")
    expect(told).to_contain_text(f"Step 20, unit 1: {digits(state[0])}.")
    page.keyboard.press("ArrowDown")
    expect(told).to_contain_text(f"Step 20, unit 2: {digits(state[1])}.")
    page.keyboard.press("Home")
    expect(told).to_contain_text(f"Observed: {cycle(0):g}")
    predict(api, session_id, [50.0, 60.0])
    expect(strip).to_have_attribute("data-columns", "22")


def test_of_a_session_that_is_chosen_the_hidden_state_is_told_from_then_on(
    server: Server, api: httpx2.Client, visitor: Visitor, session_id: str
) -> None:
    second = f"{session_id}-second"
    page = visitor.open(link(server, session_id, second))
    for name in (session_id, second):
        expect(Card(page, name).root).to_be_visible()
    view(page, "Network")
    strip = page.get_by_role("application", name="Hidden state")
    choice = page.get_by_role("combobox", name="Session", exact=True)
    with page.expect_response(lambda answer: answer.url.endswith(f"&hidden_state={second}")):
        choice.select_option(second)
    for name in (second, session_id):  # the first one was chosen to begin with
        choice.select_option(name)
        for value in (70.0, 90.0):
            predict(api, name, [value])
        expect(strip).to_have_accessible_name(re.compile("^Hidden state of [0-9]+ units over 2 steps$"))


def test_without_a_session_it_says_where_to_choose_one(server: Server, visitor: Visitor) -> None:
    page = visitor.open(f"{server.url}/ui#network")
    network = page.get_by_role("region", name="Network")
    expect(network.get_by_role("img", name=re.compile("folded", re.IGNORECASE)).first).to_be_visible()
    network.get_by_role("link").click()
    expect(page.get_by_role("button", name="Play the sine")).to_be_visible()
