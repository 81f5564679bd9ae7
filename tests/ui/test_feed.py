"""Trying: what is sent from the page, and what becomes of it."""

import re
from math import sin, sqrt
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.server import ROOT, Server
from tests.ui import sent
from tests.ui.browser import Visitor
from tests.ui.cards import Card
from tests.ui.feeding import predict
from tests.ui.test_watch import link

SUNSPOTS = ROOT / "training" / "series" / "sunspots.csv"
UNLIKELY = 0.001

DROP = """(card, [name, text]) => {
  const data = new DataTransfer()
  data.items.add(new File([text], name, { type: "text/csv" }))
  for (const type of ["dragenter", "dragover", "drop"]) {
    card.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }))
  }
}"""


@pytest.fixture
def page(server: Server, visitor: Visitor, session_id: str) -> Page:
    """With one stream on it, which nobody has fed yet."""
    return visitor.open(link(server, session_id))


@pytest.fixture
def card(page: Page, session_id: str) -> Card:
    """That stream."""
    return Card(page, session_id)


@pytest.fixture
def scale(api: httpx2.Client) -> tuple[float, float]:
    """Where the training data lies, and how far it spreads."""
    model = api.get("/model").json()
    return model["center"][0], model["spread"][0]


def begin(card: Card, visitor: Visitor, steps: int) -> int:
    """Play until then, pause, and say at which step it stands."""
    card.speed(50)
    card.press("Play")
    card.reach(steps)
    card.press("Pause")
    expect(card.root.get_by_role("button", name="Play", exact=True)).to_be_visible()
    at = len(sent.values(visitor.requests, card.session_id))
    card.stands_at(at)
    return at


def step(card: Card, visitor: Visitor) -> None:
    """One single value, to its end."""
    before = len(sent.values(visitor.requests, card.session_id))
    card.press("Step once")
    card.stands_at(before + 1)


def test_a_pause_holds_and_single_steps_are_single(card: Card, visitor: Visitor, scale: tuple[float, float]) -> None:
    """The sine is the tutorial's, in the model's units."""
    at = begin(card, visitor, 10)
    for more in range(1, 4):
        step(card, visitor)
        card.stands_at(at + more)
    values = sent.values(visitor.requests, card.session_id)
    center, spread = scale
    assert values == pytest.approx([center + spread * sin(2 + 0.4 * i) for i in range(len(values))])


def test_an_injected_spike_is_marked_and_raises_the_alarm(
    card: Card, visitor: Visitor, api: httpx2.Client, scale: tuple[float, float]
) -> None:
    card.unfold()
    at = begin(card, visitor, 40) + 1
    card.press("Spike")
    step(card, visitor)
    _, spread = scale
    row = card.rows()[at]
    assert row.observed == sent.values(visitor.requests, card.session_id)[-1]
    assert row.predicted is not None
    assert row.observed is not None
    assert row.observed - row.predicted > 6 * spread
    assert row.p_value is not None
    assert row.p_value < UNLIKELY
    assert "anomaly" in row.text
    assert "anomaly" not in card.rows()[at - 1].text
    assert api.get(f"/sessions/{card.session_id}").json()["last_alarm"] == {"start_step": at}
    expect(card.root.get_by_text(f"alarm since step {at}")).to_be_visible()


def test_a_gap_is_five_missing_values(card: Card, visitor: Visitor) -> None:
    card.unfold()
    before = begin(card, visitor, 20)
    card.press("Gap")
    for _ in range(6):
        step(card, visitor)
    values = sent.values(visitor.requests, card.session_id)
    assert values[before : before + 5] == [None] * 5
    assert values[before + 5] is not None
    row = card.rows()[before + 1]
    assert (row.observed, row.p_value) == (None, None)
    assert row.predicted is not None


def test_a_level_shift_lasts_until_it_is_taken_back(card: Card, visitor: Visitor, scale: tuple[float, float]) -> None:
    start = begin(card, visitor, 10)
    button = card.root.get_by_role("button", name="Level shift", exact=True)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    for _ in range(3):
        step(card, visitor)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    step(card, visitor)
    center, spread = scale
    values = sent.values(visitor.requests, card.session_id)[start:]
    plain = [center + spread * sin(2 + 0.4 * (start + i)) for i in range(4)]
    assert values == pytest.approx([value + 3 * spread for value in plain[:3]] + plain[3:])


def test_the_included_series(card: Card, visitor: Visitor) -> None:
    card.choose("Source", "Sunspots")
    at = begin(card, visitor, 30)
    values = sent.values(visitor.requests, card.session_id)
    assert values == _column(SUNSPOTS)[:at]
    expect(card.root.get_by_text(f"value {at} of 309")).to_be_visible()


def test_a_pasted_column_is_played_to_its_end(card: Card, visitor: Visitor) -> None:
    card.choose("Source", "Pasted column")
    card.root.get_by_role("textbox").fill("61.5\n72\n\n83.25\n70\n")
    card.speed(20)
    card.press("Play")
    card.stands_at(5)
    assert sent.values(visitor.requests, card.session_id) == [61.5, 72, None, 83.25, 70]


def test_a_pasted_column_may_have_decimal_commas(card: Card, visitor: Visitor) -> None:
    card.choose("Source", "Pasted column")
    card.root.get_by_role("textbox").fill("61,5\n72,25")
    card.speed(20)
    card.press("Play")
    card.stands_at(2)
    assert sent.values(visitor.requests, card.session_id) == [61.5, 72.25]


def test_columns_of_other_names_are_told_before_they_are_played(card: Card, visitor: Visitor) -> None:
    begin(card, visitor, 3)
    card.press("Play")
    card.root.evaluate(DROP, ["own.csv", "flow,other\n50,1\n60,7\n"])
    expect(card.root.get_by_text("its columns are not called sunspots")).to_be_visible()
    expect(card.root.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert 60 not in sent.values(visitor.requests, card.session_id)


def test_a_dropped_file_is_read_by_the_name_of_the_feature(card: Card, visitor: Visitor) -> None:
    card.root.evaluate(DROP, ["own.csv", 'when;other;sunspots\n"1, 2";1;50\n2;2;\n3;3;"60.5"\n'])
    expect(card.root.get_by_role("combobox", name="Source")).to_have_value("csv")
    card.speed(20)
    card.press("Play")
    card.stands_at(3)
    assert sent.values(visitor.requests, card.session_id) == [50, None, 60.5]


def test_what_cannot_be_read_is_told_with_its_line(card: Card, tmp_path: Path) -> None:
    card.root.evaluate(DROP, ["own.csv", "sunspots\n50\nmany\n"])
    expect(card.root.get_by_text("line 3")).to_be_visible()


def test_a_fork_begins_where_it_was_made_and_both_go_on(
    page: Page, card: Card, visitor: Visitor, api: httpx2.Client
) -> None:
    at = begin(card, visitor, 15)
    card.press("Fork")
    fork = Card(page, f"{card.session_id}-fork")
    fork.stands_at(at)
    states = [api.get(f"/sessions/{c.session_id}").json()["hidden_state"] for c in (card, fork)]
    assert states[0] == states[1]
    for one in (card, fork):
        one.unfold()
    for more in range(1, 6):
        for one in (card, fork):
            one.press("Step once")
            one.stands_at(at + more)
    rows, others = card.rows(), fork.rows()
    both = range(at + 1, at + 6)
    assert all(rows[step].observed for step in both)
    assert [rows[step] for step in both] == [others[step] for step in both]


def test_a_fork_of_what_plays_plays(page: Page, card: Card) -> None:
    card.speed(20)
    card.press("Play")
    card.reach(10)
    card.press("Fork")
    fork = Card(page, f"{card.session_id}-fork")
    fork.reach(20)
    card.reach(20)


def test_going_back_pauses_what_plays(card: Card) -> None:
    card.speed(20)
    card.press("Play")
    card.reach(10)
    card.press("Mark this point")
    rewind = card.root.get_by_role("button", name=re.compile("Rewind to step"))
    expect(rewind).to_have_count(1)
    at = int(rewind.inner_text().rpartition(" ")[2])
    card.reach(at + 5)
    rewind.click()
    expect(card.root.get_by_role("button", name="Play", exact=True)).to_be_visible()
    card.stands_at(at)
    card.root.page.wait_for_timeout(300)
    card.stands_at(at)


def test_going_back_to_a_marked_point_repeats_what_was_predicted(card: Card, visitor: Visitor) -> None:
    card.unfold()
    at = begin(card, visitor, 12)
    card.press("Mark this point")
    for more in range(1, 5):
        card.press("Step once")
        card.stands_at(at + more)
    first = card.rows()
    card.press(f"Rewind to step {at}")
    card.stands_at(at)
    assert max(step for step, row in card.rows().items() if row.observed is not None) == at
    for more in range(1, 5):
        card.press("Step once")
        card.stands_at(at + more)
    again = card.rows()
    for more in range(1, 5):
        assert again[at + more] == first[at + more]


def test_a_network_that_runs_free_drifts_and_says_how_far(card: Card, visitor: Visitor, api: httpx2.Client) -> None:
    at = begin(card, visitor, 30)
    horizon = 5
    ahead = api.post("/forecast", json={"session_id": card.session_id, "horizon": horizon}).json()["forecast"]
    card.press("Run free")
    for more in range(1, horizon + 1):
        card.press("Step once")
        card.stands_at(at + more)
    truth = [value for value in sent.values(visitor.requests, card.session_id)[at:] if value is not None]
    error = sqrt(sum((a - b) ** 2 for a, b in zip(ahead, truth, strict=True)) / horizon)
    text = card.root.get_by_text("free run: RMSE")
    expect(text).to_contain_text(f"after {horizon} steps")
    told = float(text.inner_text().split("RMSE")[1].split()[0])
    assert told == pytest.approx(error, rel=0.02)
    card.press("Run free")
    expect(text).to_have_count(0)


def test_what_others_feed_meanwhile_is_taken_into_account(card: Card, visitor: Visitor, api: httpx2.Client) -> None:
    """The next value goes on behind theirs."""
    visitor.expect("409 (Conflict)")
    at = begin(card, visitor, 8)
    predict(api, card.session_id, [50.0, 60.0])
    card.stands_at(at + 2)
    card.press("Step once")
    card.stands_at(at + 3)
    assert api.get(f"/sessions/{card.session_id}").json()["step"] == at + 3


def _column(file: Path) -> list[float]:
    header, *lines = file.read_text().splitlines()
    column = header.split(",").index("sunspots")
    return [float(line.split(",")[column]) for line in lines]
